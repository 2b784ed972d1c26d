#!/usr/bin/env python3
"""Who may include whom: the project's folders, and third-party headers.

The table is that of docs/architecture.md. An include of "etch/x.h" counts as including everything
that this public header includes.
"""

import posixpath
import re
import sys

from common import finish, read, root, sources

FOLDERS = ("ir", "runtime", "passes", "codegen", "tracer", "onnx_export", "tools", "tests", "bench",
           "examples")
ALL = set(FOLDERS)
MAY_INCLUDE = {
    "ir": set(),
    "runtime": {"ir"},
    "passes": {"ir"},
    "codegen": {"ir", "runtime"},
    "tracer": {"ir", "runtime"},
    "onnx_export": {"ir"},
    "include": ALL - {"tools", "tests", "bench", "examples"},
    "tools": ALL - {"tests", "bench", "examples"},
    "tests": ALL - {"bench"},
    "bench": ALL - {"tests"},
    "examples": set(),  # the public headers only
}
# More for single files: (path pattern, folders).
ALSO = [(r"tracer/jit[^/]*$", {"passes", "codegen"})]
# Folders that may use the public headers.
USES_PUBLIC = {"include", "runtime", "tracer", "tools", "tests", "bench", "examples"}

# Third-party headers, and the files that may include them.
THIRD_PARTY = [
    (r"llvm(-c)?/", r"codegen/llvm/"),
    (r"google/protobuf/|etch_onnx\.pb\.h", r"onnx_export/model_io\.cpp"),
    (r"dnnl|oneapi/dnnl/", r"runtime/cpu/|bench/"),
    (r"nvrtc\.h", r"codegen/cuda/"),
    (r"cuda|cublas|cudnn|nccl", r"(runtime|codegen)/cuda/"),
    (r"fmt/", r"(ir|runtime|tools)/.*\.cpp$"),
    (r"xxhash\.h", r"(ir|runtime|tools)/.*\.cpp$"),
    (r"CLI/", r"tools/"),
    (r"zlib\.h", r"(tools|examples|tests)/"),
    (r"catch2/", r"tests/"),
    (r"(torch|ATen|c10)/|cblas\.h", r"bench/"),
]
# Headers of the standard libraries, the kernel and the compiler, which are free for all.
SYSTEM = re.compile(
    r"[a-z_0-9]+$|(std[a-z]*|string|math|errno|signal|limits|time|ctype|locale|assert|float|fcntl|"
    r"unistd|dlfcn|pthread|sched|dirent|poll|cpuid|elf|link|execinfo|[a-z]*intrin|endian|getopt|"
    r"termios|ucontext|quadmath|malloc|cxxabi|spawn|fnmatch|glob)\.h$|(sys|linux|asm|bits)/")
INCLUDE = re.compile(r'^\s*#\s*include\s*(<[^>]+>|"[^"]+")', re.M)


def includes(top, path):
    """(line, header, is_quoted) of every include in a file."""
    text = read(top, path)
    for m in INCLUDE.finditer(text):
        yield text.count("\n", 0, m.start(1)) + 1, m[1][1:-1], m[1][0] == '"'


def allowed_folders(path):
    folder = path.split("/")[0]
    allowed = MAY_INCLUDE[folder] | {folder}
    for pattern, more in ALSO:
        if re.match(pattern, path):
            allowed = allowed | more
    return allowed


def reached(top, header, public):
    """Folders that the public header "etch/x.h" leads to, through public headers alone."""
    seen, todo, folders = set(), ["include/" + header], set()
    while todo:
        path = todo.pop()
        if path in seen or path not in public:
            continue
        seen.add(path)
        for _, inner, quoted in includes(top, path):
            first = inner.split("/")[0]
            if first == "etch":
                todo.append("include/" + inner)
            elif quoted and first in FOLDERS:
                folders.add(first)
    return folders


def check_project(top, path, header, public):
    folder, first = path.split("/")[0], header.split("/")[0]
    if first == "etch":
        if folder not in USES_PUBLIC:
            return f"{folder}/ does not use the public headers"
        if "include/" + header not in public:
            return f"there is no include/{header}"
        if folder == "examples":
            return None
        bad = reached(top, header, public) - allowed_folders(path)
        return f'"{header}" leads to {", ".join(sorted(bad))}' if bad else None
    if first in FOLDERS:
        if first not in allowed_folders(path):
            return f"{folder}/ may not include {first}/"
        return None
    beside = posixpath.join(posixpath.dirname(path), header)
    if folder == "examples" and beside in public_or_example(top):
        return None
    return "project includes are relative to the root"


def public_or_example(top, memo={}):
    if top not in memo:
        memo[top] = set(sources(top, (".h", ".hpp")))
    return memo[top]


def check_third_party(path, header):
    for pattern, where in THIRD_PARTY:
        if re.match(pattern, header):
            return None if re.match(where, path) else f"<{header}> belongs in {where}"
    return None if SYSTEM.match(header) else f"<{header}> is not a header this project knows"


def main():
    top = root(sys.argv[1:])
    files = [f for f in sources(top, (".h", ".hpp", ".cpp", ".c", ".cu", ".cuh"))
             if not f.startswith(("tests/install/", "tests/api_compile/"))]
    public = {f for f in files if f.startswith("include/")}
    problems = []
    for path in files:
        for line, header, quoted in includes(top, path):
            third_party = not quoted or header.endswith(".pb.h")
            if header.startswith("etch/"):
                third_party = False
            why = (check_third_party(path, header) if third_party
                   else check_project(top, path, header, public))
            if why:
                problems.append(f"{path}:{line}: {why}")
    finish("layers", problems, len(files))


main()
