"""Follows docs/adding_an_operator.md on a copy of the tree: its struct goes into one header, the generated
files are rewritten, the registry's tests run, and nothing else has changed.

The copy starts from the objects of the build at hand; what the new operator touches is compiled again.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys

SOURCE = os.environ["ETCH_SOURCE_DIR"]
BINARY = os.environ["ETCH_BINARY_DIR"]
WORK = os.path.join(BINARY, "add_operator")
TREE, BUILD = os.path.join(WORK, "tree"), os.path.join(WORK, "build")
HEADER = "ir/ops/activation.h"
GENERATED = ["docs/ops.md", "include/etch/ops.h", "runtime/ops.gen.cpp"]
FOLDERS = ["ir", "runtime", "passes", "codegen", "tracer", "onnx_export", "tools", "CMakeFiles", "lib",
           "bin"]
TESTS = ["tests/main.cpp", "tests/support/naive.cpp", "tests/support/op_call.cpp",
         "tests/onnx_export/control_cases.cpp", "tests/onnx_export/op_cases.cpp",
         "tests/ops/elementwise_oracle_test.cpp", "tests/ops/registry_engines_test.cpp",
         "tests/runtime/tape_test.cpp"]


def run(command, cwd=WORK, shell=False):
    done = subprocess.run(command, cwd=cwd, shell=shell, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode:
        print(done.stdout)
        sys.exit(f"exit code {done.returncode}: {command}")
    return done.stdout


def copy_tree():
    shutil.rmtree(WORK, ignore_errors=True)
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], SOURCE)
    for name in filter(None, listed.split("\0")):
        if os.path.isfile(os.path.join(SOURCE, name)):
            os.makedirs(os.path.dirname(os.path.join(TREE, name)), exist_ok=True)
            shutil.copy2(os.path.join(SOURCE, name), os.path.join(TREE, name))
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]
    run(git + ["init", "-q"], TREE)
    run(git + ["add", "-A"], TREE)
    run(git + ["commit", "-q", "-m", "copy"], TREE)


def copy_build():
    """Hard links; a file is removed before it is written again."""
    for folder in FOLDERS:
        source = os.path.join(BINARY, folder)
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(BUILD, folder), symlinks=True,
                            copy_function=os.link)


def add_operator():
    with open(os.path.join(TREE, "docs/adding_an_operator.md")) as f:
        struct = re.search(r"```cpp\n(.*?)```", f.read(), re.S)[1]
    name = re.search(r"struct (\w+)", struct)[1]
    path = os.path.join(TREE, HEADER)
    with open(path) as f:
        text = f.read()
    text, found = re.subn(r"(using \w+ =\s+OpList<[^>]*)>;",
                          lambda m: f"{struct}\n{m[1]}, {name}>;", text)
    assert found == 1, f"{HEADER} has {found} operator lists"
    with open(path, "w") as f:
        f.write(text)
    return re.search(r'\.name = "(\w+)"', struct)[1]


class Builder:
    """Runs the build's own commands in the copy, for what depends on a changed file."""

    def __init__(self):
        self.dirty = set()  # objects and libraries that were made again
        self.inputs = {}    # object -> the tree's files that it was made of
        current = None
        for line in run(["ninja", "-t", "deps"], BINARY).splitlines():
            if line and not line.startswith(" "):
                current = self.inputs.setdefault(line.split(":")[0], set())
            elif line.strip().startswith(SOURCE + "/"):
                current.add(os.path.relpath(line.strip(), SOURCE))

    def moved(self, command):
        return command.replace(BINARY, "\0").replace(SOURCE + "/", TREE + "/").replace(
            "-I" + SOURCE + " ", "-I" + TREE + " ").replace("\0", BUILD)

    def make(self, changed, *targets):
        compiled = 0
        for command in run(["ninja", "-t", "commands", *targets], BINARY).splitlines():
            words = command.split()
            if "-o" not in words:
                continue
            out = words[words.index("-o") + 1]
            if "-c" in words:
                need = bool(self.inputs.get(out, set()) & set(changed))
            else:
                need = bool(self.dirty & set(words))
            if not need or out in self.dirty:
                continue
            if os.path.lexists(os.path.join(BUILD, out)):
                os.remove(os.path.join(BUILD, out))
            run(self.moved(command), BUILD, shell=True)
            compiled += "-c" in words
            self.dirty.add(out)
        return compiled

    def make_tests(self):
        """One program of the tests that loop over the registry."""
        commands = run(["ninja", "-t", "commands", "etch-opgen"], BINARY).splitlines()
        like = next(c for c in commands if c.endswith("/ir/registry.cpp"))
        like = shlex.split(re.sub(r" -(Winvalid-pch|include \S+|MD|M[TF] \S+|O\S+)", "",
                                  self.moved(like)))
        like = like[:like.index("-o")] + ["-O1"]
        objects = []
        for source in TESTS:
            objects.append(os.path.join(BUILD, os.path.basename(source) + ".o"))
            run(like + ["-o", objects[-1], "-c", os.path.join(TREE, source)], BUILD)
        run(["c++", *objects, "-Llib", "-letch", "-letch_rt", "-Wl,-rpath,$ORIGIN/lib", "-o",
             "registry_tests"], BUILD)


def status():
    return sorted(line[3:] for line in run(["git", "status", "--porcelain"], TREE).splitlines())


def main():
    if not os.path.exists(os.path.join(SOURCE, ".git")):
        print("skipped: the sources are not a git checkout\ncases: 0 passed, 0 failed, 1 skipped")
        return
    copy_tree()
    copy_build()
    name = add_operator()
    assert status() == [HEADER]

    builder = Builder()
    builder.make([HEADER], "etch-opgen")
    run([os.path.join(BUILD, "bin/etch-opgen"), TREE])
    changed = status()
    print("changed:", *changed)
    assert changed == sorted([HEADER, *GENERATED]), changed
    for path in GENERATED:
        with open(os.path.join(TREE, path)) as f:
            assert name in f.read(), f"{path} does not name {name}"

    compiled = builder.make(changed, "etch", "etch_llvm")
    builder.make_tests()
    print(f"{compiled} library files compiled again")
    # The tape's cases are sections by operator; the other tests loop within one.
    text = run([os.path.join(BUILD, "registry_tests"), "[registry]"], BUILD)
    print("registry tests:", text.strip().splitlines()[-1].removeprefix("cases: "))
    sections = run([os.path.join(BUILD, "registry_tests"), "[tape][registry]", "-c",
                    f"{name}_f64_0", "-s"], BUILD)
    assert f"{name}_f64_0" in sections and "passed" in sections, sections
    run([os.path.join(BUILD, "bin/etch-opgen"), TREE, "--check"])
    assert status() == changed, "running the tests changed the tree"
    shutil.rmtree(WORK)
    print("cases: 1 passed, 0 failed, 0 skipped")


main()
