#!/usr/bin/env python3
"""Checks that the CMakeLists.txt name every source file; --fix rewrites the lists.

A list is a set() command below a comment that says what belongs in it:

    # files: GLOB [but GLOB...] [| GLOB [but GLOB...]]... [in FOLDER]
    set(name
      a.cpp
    )

`*` stays within a folder, `**` crosses folders. A file is also named when it stands anywhere else
in its folder's CMakeLists.txt.
"""

import os
import re
import sys

from common import finish, read, root, walk

LIST = re.compile(r"^# files: (?P<rule>.*)\nset\((?P<name>\w+)\n(?P<files>(?:  .*\n)*)\)", re.M)
SKIPPED = ("tests/install/", "tests/api_compile/", "tests/fuzz/")


def to_regex(glob):
    escaped = re.escape(glob).replace(r"\*\*", "\0").replace(r"\*", "[^/]*").replace("\0", ".*")
    return re.compile(escaped + r"\Z")


def members(top, folder, rule):
    """Files that the rule names, relative to the list's folder and sorted."""
    rule, _, inside = rule.partition(" in ")
    inside = inside.strip()
    base = os.path.join(folder, inside) if inside else folder
    found = set()
    for part in rule.split("|"):
        globs = [g.strip() for g in part.split(" but ")]
        wanted, unwanted = to_regex(globs[0]), [to_regex(g) for g in globs[1:]]
        for path in walk(top, base, ("." + globs[0].rsplit(".", 1)[1],)):
            local = os.path.relpath(path, base or ".")
            if path.startswith(SKIPPED) or not wanted.match(local):
                continue
            if not any(u.match(local) for u in unwanted):
                found.add(os.path.join(inside, local))
    return sorted(found)


def main():
    fix = "--fix" in sys.argv
    top = root(sys.argv[1:])
    problems, named, lists = [], set(), 0
    cmake_files = [f for f in walk(top, "", ("CMakeLists.txt",)) if not f.startswith(SKIPPED)]
    for path in cmake_files:
        folder = os.path.dirname(path)
        text = read(top, path)

        def check(match):
            nonlocal lists
            lists += 1
            want = members(top, folder, match["rule"])
            have = [line.strip() for line in match["files"].splitlines()]
            named.update(os.path.join(folder, f) for f in want)
            if fix:
                body = "".join(f"  {f}\n" for f in want)
                return f"# files: {match['rule']}\nset({match['name']}\n{body})"
            problems.extend(f"{path}: {match['name']} lacks {f}" for f in want if f not in have)
            problems.extend(f"{path}: {match['name']} names {f}, which does not exist or does not "
                            "belong there" for f in have if f not in want)
            if have != sorted(have):
                problems.append(f"{path}: {match['name']} is not sorted")
            return match[0]

        new = LIST.sub(check, text)
        named.update(os.path.normpath(os.path.join(folder, f))
                     for f in re.findall(r"[\w/.-]+\.cpp", re.sub(r"#.*", "", text)))
        if fix and new != text:
            with open(os.path.join(top, path), "w", encoding="utf-8") as f:
                f.write(new)
            print(f"rewrote {path}")

    every = [f for folder in ("ir", "runtime", "passes", "codegen", "tracer", "onnx_export", "tools",
                              "tests", "bench", "examples") for f in walk(top, folder, (".cpp",))]
    problems += [f"{f}: in no CMakeLists.txt" for f in every
                 if f not in named and not f.startswith(SKIPPED)]
    stems = {}
    for f in every:
        if f.startswith("tests/") and f.endswith("_test.cpp") and not f.startswith(SKIPPED):
            stem = os.path.splitext(os.path.basename(f))[0]
            if stem in stems:
                problems.append(f"{f}: same file name as {stems[stem]}; tests are run by file name")
            stems[stem] = f
    finish("cmake_lists", problems, len(every))


main()
