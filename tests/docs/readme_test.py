"""Compiles and runs every C++ block of README.md, compares what it shows with what is printed, and runs
its commands.

Blocks without a main() are parts of one program; a `text` block is the output's next line.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile

SOURCE = os.environ["ETCH_SOURCE_DIR"]
BINARY = os.environ["ETCH_BINARY_DIR"]


def run(command, cwd):
    done = subprocess.run(command, cwd=cwd, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode:
        print(done.stdout)
        sys.exit(f"exit code {done.returncode}: {shlex.join(command)}")
    return done.stdout


def programs(blocks):
    """Programs with the lines that they must print, in the order of the page."""
    out, parts = [], []
    for language, text in blocks:
        if language == "cpp" and "int main(" in text:
            out.append([text, []])
        elif language == "cpp":
            if not parts:
                out.append(["", []])
            parts.append(text)
        elif language == "text":
            out[-1][1] += text.splitlines()
    lines = "".join(parts).splitlines(True)
    head = [line for line in lines if line.startswith(("#include", "using namespace"))]
    body = [line for line in lines if line not in head]
    out[0][0] = "".join(head) + "int main() {\n" + "".join(body) + "}\n"
    return out


def main():
    with open(os.path.join(SOURCE, "README.md")) as f:
        blocks = re.findall(r"^```(\w+)\n(.*?)^```", f.read(), re.S | re.M)
    checked = 0
    with tempfile.TemporaryDirectory() as folder:
        for i, (text, wanted) in enumerate(programs(blocks)):
            path = os.path.join(folder, f"block{i}.cpp")
            with open(path, "w") as f:
                f.write(text)
            libraries = ["-letch_rt"] if "etch/rt.hpp" in text else ["-letch", "-letch_rt"]
            lib = os.path.join(BINARY, "lib")
            run(["c++", "-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE}",
                 f"-I{SOURCE}/include", path, f"-L{lib}", *libraries, f"-Wl,-rpath,{lib}", "-o",
                 path[:-4]], folder)
            printed = run([path[:-4]], folder).splitlines()
            for line in wanted:
                assert line in printed, f"README.md shows '{line}', the program printed {printed}"
                printed = printed[printed.index(line) + 1:]
            checked += 1
        for language, text in blocks:
            if language != "console":
                continue
            for line in re.findall(r"^\$ build/(bin/.*)", text, re.M):
                words = shlex.split(line)
                run([os.path.join(BINARY, words[0]), *words[1:]], folder)
                checked += 1
    assert checked >= 4, checked
    print(f"cases: {checked} passed, 0 failed, 0 skipped")


main()
