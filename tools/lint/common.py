"""What the lints share: the list of source files, and one way to report."""

import os
import subprocess
import sys

SOURCE_FOLDERS = ["ir", "runtime", "passes", "codegen", "tracer", "onnx_export", "include", "tools",
                  "tests", "bench", "examples"]
CODE = (".h", ".hpp", ".cpp", ".c", ".def", ".cu", ".cuh", ".proto")


def root(argv=None):
    """The tree to check: the first argument that is a folder, else the one this file lies in."""
    for arg in argv or []:
        if not arg.startswith("-") and os.path.isdir(arg):
            return os.path.abspath(arg)
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def walk(top, folder, endings):
    """Root-relative paths of the files below `folder` with one of the endings, sorted."""
    found = []
    for path, folders, files in os.walk(os.path.join(top, folder)):
        folders[:] = [f for f in folders if f not in ("build", "__pycache__", ".git")]
        found += [os.path.relpath(os.path.join(path, f), top) for f in files if f.endswith(endings)]
    return sorted(found)


def sources(top, endings=CODE):
    return [f for folder in SOURCE_FOLDERS for f in walk(top, folder, endings)]


def tracked(top):
    """Every file that git tracks or would add; without git, every file outside build folders."""
    try:
        out = subprocess.run(["git", "-C", top, "ls-files", "-co", "--exclude-standard"], check=True,
                             capture_output=True, text=True).stdout
        files = [f for f in out.splitlines() if os.path.isfile(os.path.join(top, f))]
    except (OSError, subprocess.CalledProcessError):
        files = walk(top, "", ("",))
    return sorted(files)


def is_generated(path):
    return ".gen." in path or path in ("include/etch/ops.h", "docs/ops.md")


def read(top, path):
    with open(os.path.join(top, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def finish(name, problems, checked):
    """Prints the problems; exits with 1 when there are any."""
    for p in problems:
        print(p)
    print(f"{name}: {checked} files, {len(problems)} problems")
    sys.exit(1 if problems else 0)
