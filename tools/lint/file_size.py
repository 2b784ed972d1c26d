#!/usr/bin/env python3
"""No source file is longer than 600 lines. Generated files and declared tables are exempt."""

import sys

from common import finish, is_generated, read, root, sources

LIMIT = 600
TABLES = ()  # root-relative paths of files that are nothing but a table


def main():
    top = root(sys.argv[1:])
    problems = []
    files = sources(top, (".h", ".hpp", ".cpp", ".c", ".cu", ".cuh", ".py", ".sh", ".txt", ".cmake"))
    for path in files:
        lines = read(top, path).count("\n")
        if lines > LIMIT and not is_generated(path) and path not in TABLES:
            problems.append(f"{path}: {lines} lines, at most {LIMIT}: split it by topic")
    finish("file_size", problems, len(files))


main()
