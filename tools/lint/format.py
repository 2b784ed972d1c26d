#!/usr/bin/env python3
"""clang-format over the sources: format.py --format | --format-check. Exits with 77 without it."""

import shutil
import subprocess
import sys

from common import finish, is_generated, root, sources


def main():
    tool = shutil.which("clang-format-19")
    if tool is None:
        print("clang-format-19 is not installed (tools/apt.txt)")
        sys.exit(77)
    top = root(sys.argv[1:])
    files = [f for f in sources(top, (".h", ".hpp", ".cpp", ".c", ".cu", ".cuh"))
             if not is_generated(f)]
    if "--format" in sys.argv:
        subprocess.run([tool, "-i", *files], cwd=top, check=True)
        return
    done = subprocess.run([tool, "--dry-run", "--Werror", *files], cwd=top, capture_output=True,
                          text=True)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if ": error:" in line})
    if done.returncode and not wrong:
        wrong = [done.stderr]
    finish("format", [f"{f}: run: cmake --build build --target format" for f in wrong], len(files))


main()
