"""Idioms with sizes that must compile, and ones that must not."""

import os
import re
import subprocess
import sys
from pathlib import Path

source = Path(os.environ["ETCH_SOURCE_DIR"])
build = Path(os.environ["ETCH_BINARY_DIR"])
header = source / "tests/api_compile/idioms.h"


def compiler() -> str:
    cache = (build / "CMakeCache.txt").read_text()
    return re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache, re.M).group(1)


def compile_snippet(number: int | None) -> subprocess.CompletedProcess:
    command = [compiler(), "-std=c++20", "-fsyntax-only", "-pedantic-errors", "-Wall", "-x", "c++"]
    command += ["-I", str(source / "include"), "-I", str(source)]
    if number is not None:
        command.append(f"-DETCH_MUST_FAIL={number}")
    return subprocess.run(command + [str(header)], capture_output=True, text=True, check=False)


def main() -> int:
    text = header.read_text().splitlines()
    lines = {
        int(m.group(1)): at + 2
        for at, line in enumerate(text)
        if (m := re.match(r"#(?:el)?if ETCH_MUST_FAIL == (\d+)", line))
    }
    assert len(lines) >= 10, "the snippets are not found"
    failures = []
    good = compile_snippet(None)
    if good.returncode != 0:
        failures.append(f"the idioms do not compile:\n{good.stderr}")
    for number, line in lines.items():
        result = compile_snippet(number)
        # The error stands on the snippet's line, not somewhere else.
        if result.returncode == 0 or f"idioms.h:{line}:" not in result.stderr:
            failures.append(f"snippet {number} compiles: {text[line - 1]}\n{result.stderr}")
    print("\n".join(failures) or f"1 header and {len(lines)} snippets as expected")
    return 1 if failures else 0


sys.exit(main())
