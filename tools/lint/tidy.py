#!/usr/bin/env python3
"""clang-tidy over the library sources: tidy.py BUILD_DIR [PATH_PREFIX...]."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from common import finish, root

FOLDERS = ("ir/", "runtime/", "passes/", "codegen/", "tracer/", "onnx_export/", "tools/")
# Flags of GCC that clang does not take.
GCC_ONLY = ("-Wshadow=local", "-fpch-preprocess", "-Winvalid-pch", "-Werror",
            "-fext-numeric-literals", "-fvect-cost-model=dynamic", "-fno-version-loops-for-strides")


def clang_command(entry):
    """The compile command without GCC's own flags and precompiled headers."""
    words, skip = [], 0
    for word in entry["command"].split():
        if skip:
            skip -= 1
            continue
        if word == "-include":
            skip = 1
        elif word not in GCC_ONLY:
            words.append(word)
    return {**entry, "command": " ".join(words)}


def main():
    tool = shutil.which("clang-tidy-19")
    if tool is None:
        sys.exit("clang-tidy-19 is not installed: apt-get install clang-tidy-19")
    top, prefixes = root(), tuple(sys.argv[2:]) or FOLDERS
    with open(os.path.join(sys.argv[1], "compile_commands.json"), encoding="utf-8") as f:
        entries = [clang_command(e) for e in json.load(f)]
    files = [e["file"] for e in entries if os.path.relpath(e["file"], top).startswith(prefixes)]
    problems = []
    with tempfile.TemporaryDirectory() as database:
        with open(os.path.join(database, "compile_commands.json"), "w", encoding="utf-8") as f:
            json.dump(entries, f)

        def check(path):
            return subprocess.run([tool, "-p", database, "--quiet", path], capture_output=True,
                                  text=True)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done in pool.map(check, files):
                if done.returncode:
                    problems.append(done.stdout or done.stderr)
    finish("tidy", problems, len(files))


main()
