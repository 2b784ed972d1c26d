"""Each lint finds the fault planted in a small tree, and passes the same tree without it."""

import os
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("ETCH_SOURCE_DIR") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LINTS = os.path.join(SOURCE, "tools", "lint")

OPS = "".join(f'struct Op{i} {{ static constexpr OpInfo info{{.name = "op_{i}"}}; }};\n'
              for i in range(20))
NAMES = ", ".join(f'"op_{i}"' for i in range(13))
LIST = "# files: **.cpp\nset(ir_sources\n{})\n"
CLEAN = {
    "ir/a.h": '#include <vector>\n#include "ir/b.h"\n',
    "ir/b.h": "#include <sys/mman.h>\n",
    "ir/ops/all.h": OPS,
    "ir/a.cpp": '#include "ir/a.h"\n',
    "ir/CMakeLists.txt": LIST.format("  a.cpp\n"),
    "tracer/jit.cpp": '#include "passes/p.h"\n#include "codegen/c.h"\n',
    "tracer/CMakeLists.txt": "add_library(t jit.cpp)\n",
    "include/etch/small.h": '#include "runtime/tensor.h"\n',
    "include/etch/large.h": '#include "etch/small.h"\n#include "codegen/c.h"\n',
}

# (what the case says, lint, changed files, words of the message)
CASES = [
    ("a folder may not look to its right", "layers", {"ir/a.h": '#include "runtime/t.h"\n'},
     "ir/ may not include runtime/"),
    ("the tracer may not see passes", "layers", {"tracer/trace.h": '#include "passes/p.h"\n'},
     "tracer/ may not include passes/"),
    ("LLVM stays in codegen/llvm", "layers", {"codegen/c.cpp": "#include <llvm/IR/Type.h>\n"},
     "belongs in codegen/llvm/"),
    ("protobuf stays in one file", "layers",
     {"onnx_export/e.cpp": "#include <google/protobuf/message.h>\n"}, "model_io"),
    ("an unknown third-party header is refused", "layers", {"ir/a.h": "#include <boost/any.hpp>\n"},
     "not a header this project knows"),
    ("a public header is no way around the table", "layers",
     {"runtime/r.cpp": '#include "etch/large.h"\n'}, "leads to codegen"),
    ("an example uses the public headers only", "layers", {"examples/e.cpp": '#include "ir/a.h"\n'},
     "examples/ may not include ir/"),
    ("project includes start at the root", "layers", {"ir/a.h": '#include "b.h"\n'},
     "relative to the root"),
    ("a file has at most 600 lines", "file_size", {"ir/a.h": "\n" * 601}, "601 lines"),
    ("a file names at most 12 operators as strings", "op_names",
     {"passes/p.cpp": f"const char* list[] = {{{NAMES}}};\n"}, "names 13 operators"),
    ("a file names at most 12 operators as types", "op_names",
     {"passes/p.cpp": " ".join(f"isa<ops::Op{i}>();" for i in range(13))}, "names 13 operators"),
    ("unfinished work is found", "words", {"ir/a.h": "// TO" + "DO: later\n"}, "finish it"),
    ("a machine's path is found", "words", {"ir/a.h": '"/ho' + 'me/me/x"\n'}, "path of one machine"),
    ("an unlisted file is found", "cmake_lists", {"ir/new.cpp": ""}, "lacks new.cpp"),
    ("a listed file that is gone is found", "cmake_lists",
     {"ir/CMakeLists.txt": LIST.format("  a.cpp\n  gone.cpp\n")}, "names gone.cpp"),
    ("a file in a folder without a list is found", "cmake_lists", {"passes/p.cpp": ""},
     "in no CMakeLists.txt"),
    ("two test files of one name are found", "cmake_lists",
     {"tests/ir/x_test.cpp": "", "tests/runtime/x_test.cpp": ""}, "same file name"),
]


def run(lint, files, *flags):
    with tempfile.TemporaryDirectory() as top:
        for path, text in files.items():
            os.makedirs(os.path.join(top, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(top, path), "w", encoding="utf-8") as f:
                f.write(text)
        script = [sys.executable, os.path.join(LINTS, lint + ".py"), top]
        done = None
        for flag in (*flags, None):
            done = subprocess.run(script + [flag] * (flag is not None), capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


def main():
    failed = 0
    checks = 0

    def expect(what, ok, output):
        nonlocal failed, checks
        checks += 1
        if not ok:
            failed += 1
            print(f"FAILED: {what}\n{output}")

    for lint in ("layers", "file_size", "op_names", "words", "cmake_lists"):
        code, output = run(lint, CLEAN)
        expect(f"{lint} passes a clean tree", code == 0, output)
    for what, lint, change, message in CASES:
        code, output = run(lint, {**CLEAN, **change})
        expect(what, code == 1 and message in output, output)
    code, output = run("cmake_lists", {**CLEAN, "ir/new.cpp": "", "ir/CMakeLists.txt": LIST.format("")},
                       "--fix")
    expect("--fix rewrites a list", code == 0, output)
    print(f"cases: {checks - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


sys.exit(main())
