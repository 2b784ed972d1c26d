#!/usr/bin/env python3
"""Instructions per small operator, beside those on record: the guard of eager's overhead.

    bench/callgrind_ops.py PROGRAM            compare with bench/callgrind_ops.json; 1 when more
    bench/callgrind_ops.py PROGRAM --update   put today's counts on record

Instructions do not depend on the machine's mood as times do. ETCH_ISA=avx2 makes them the same on
machines with and without AVX-512; they do depend on the compiler, so the record names it. Exits
with 77, which ctest reads as skipped, where valgrind is missing or another compiler was used.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "callgrind_ops.json")
ALLOWANCE = 0.03  # what the C library and the allocator may add elsewhere
SKIPPED = 77


def run(command):
    done = subprocess.run(command, env={**os.environ, "ETCH_ISA": "avx2"}, capture_output=True,
                          text=True)
    if done.returncode != 0:
        sys.exit(f"callgrind_ops: {command[0]} ended with {done.returncode}\n{done.stderr}")
    return done.stdout.splitlines()


def count(program):
    """{name: instructions of one operator}"""
    with tempfile.TemporaryDirectory() as folder:
        lines = run(["valgrind", "--tool=callgrind", "--collect-atstart=no",
                     "--toggle-collect=etch_measured", "--dump-after=etch_measured",
                     f"--callgrind-out-file={folder}/out", program])
        counts = {}
        for part, line in enumerate(lines[1:], 1):
            repeats, name = line.split(" ", 1)
            with open(f"{folder}/out.{part}", encoding="utf-8") as f:
                total = int(re.search(r"^(?:totals|summary): (\d+)", f.read(), re.M)[1])
            counts[name] = round(total / int(repeats))
        return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("callgrind_ops: valgrind is not installed (tools/setup.sh --bench)")
        sys.exit(SKIPPED)
    made_by = run([args.program])[0]
    with open(RECORD, encoding="utf-8") as f:
        record = json.load(f)
    if not args.update and record["compiler"] != made_by:
        print(f"callgrind_ops: counts are on record for {record['compiler']}, this is {made_by}")
        sys.exit(SKIPPED)
    counts = count(args.program)
    if args.update:
        record = {"compiler": made_by, "instructions": counts}
        with open(RECORD, "w", encoding="utf-8") as f:
            f.write(json.dumps(record, indent=2) + "\n")
    expected = record["instructions"]
    worse = 0
    for name, got in counts.items():
        want = expected.get(name)
        note = "not on record: run with --update" if want is None else ""
        if want is not None and got > want * (1 + ALLOWANCE):
            note = f"more than the {want} on record"
        bad = note != ""
        if want is not None and got < want * (1 - ALLOWANCE):
            note = f"less than the {want} on record: run with --update to keep it"
        worse += bad
        print(f"{got:8d}  {name}{'   <- ' + note if note else ''}")
    gone = [name for name in expected if name not in counts]
    for name in gone:
        print(f"       -  {name}   <- on record, but not counted")
    sys.exit(1 if worse or gone else 0)


main()
