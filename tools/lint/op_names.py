#!/usr/bin/env python3
"""No file outside the operators' home names more than 12 operators.

Lists of operators kept by hand drift apart. Whatever needs one asks the registry for a trait or
an attribute instead. Counted are string literals ("add") and struct names (ops::Add).
"""

import re
import sys

from common import finish, is_generated, read, root, sources

LIMIT = 12
HOME = ("ir/ops/", "onnx_export/", "tests/")
# The two declared lists: eager's direct loops, and the contractions with packed kernels.
EXCEPTIONS = (r"runtime/direct_loops[^/]*$", r"runtime/contract/attach[^/]*$")

STRUCT = re.compile(r"\bstruct (\w+)[^;{]*\{")
NAME = re.compile(r'\.name\s*=\s*"([a-z_0-9]+)"')


def operators(top):
    """{struct name: operator name}, read from the definitions."""
    found = {}
    for path in sources(top, (".h",)):
        if not path.startswith("ir/ops/"):
            continue
        text = read(top, path)
        structs = [(m.start(), m[1]) for m in STRUCT.finditer(text)]
        for m in NAME.finditer(text):
            before = [name for at, name in structs if at < m.start() and name != "Attrs"]
            found[before[-1] if before else m[1]] = m[1]
    return found


def main():
    top = root(sys.argv[1:])
    ops = operators(top)
    names = set(ops.values())
    problems = []
    files = [f for f in sources(top, (".h", ".hpp", ".cpp", ".c", ".cu", ".cuh", ".def"))
             if not f.startswith(HOME) and not is_generated(f)
             and not any(re.match(e, f) for e in EXCEPTIONS)]
    for path in files:
        text = read(top, path)
        used = {m for m in re.findall(r'"([a-z_0-9]+)"', text) if m in names}
        used |= {ops[m] for m in re.findall(r"\bops::(\w+)\b", text) if m in ops}
        if len(used) > LIMIT:
            problems.append(f"{path}: names {len(used)} operators, at most {LIMIT}: "
                            f"{', '.join(sorted(used))}")
    print(f"{len(names)} operators defined")
    finish("op_names", problems, len(files))


main()
