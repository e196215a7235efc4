#!/usr/bin/env python3
"""Lines and branches of include/ that the tests of a coverage build have run, by room.

    tests/coverage.py build/coverage             one line for each room, and the total
    tests/coverage.py build/coverage PATH ...    also what is missing in the headers whose path holds PATH

Reads what gcov says of every object. A line or branch counts as covered when any copy of it, in any object
and any instantiation of a template, was taken. Not counted, because no test could take them:
  - edges along which only an exception passes (almost every call has one; tests of failing allocations and
    the sanitizers watch what happens then),
  - branches of an assert, and those the compiler adds to `delete` and to a defaulted function,
  - the edge of a switch over an enumeration, without a default label, to no case at all,
  - a line that is a closing brace alone (destructors run there, or after a throw nothing).
gcovr cannot do the first: of a copy that never ran, gcov's text does not say which edges are exceptions.
"""
import collections
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile

ROOMS = ("core", "resp", "rdb", "stream", "store", "transport", "replication", "testing")


def room_of(header):
    parts = header.split("/")
    return parts[2] if len(parts) > 3 else "(top)"


def gcov_files(objects):
    """The parsed output of gcov, one source file in one object at a time."""
    with tempfile.TemporaryDirectory() as folder:
        for path in objects:
            subprocess.run(["gcov", "--json-format", "--branch-probabilities", path], cwd=folder, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for name in os.listdir(folder):
                output = os.path.join(folder, name)
                with gzip.open(output, "rt") as stream:
                    yield from json.load(stream)["files"]
                os.remove(output)


def choices(branches):
    """Without the pairs of edges that a call has: back to here, or away with an exception."""
    kept = []
    for branch in branches:
        if not branch["throw"]:
            kept.append(branch)
        elif kept and kept[-1]["fallthrough"]:
            kept.pop()
    return kept


def fold(file, line, branches):
    """The instantiations of a lambda in a template, which gcov puts in a row, one upon the other."""
    functions = [(function["start_line"], function["end_line"]) for function in file["functions"]
                 if function["start_line"] <= line <= function["end_line"]]
    copies = functions.count(max(functions)) if functions else 1
    size = len(branches) // copies
    if size * copies != len(branches):
        return branches
    return [any(branches[copy * size + index] for copy in range(copies)) for index in range(size)]


def collect(build):
    """{header: {line: [count, [branch taken?, ...]]}}"""
    objects = [os.path.abspath(os.path.join(folder, name))
               for folder, _, names in os.walk(build) for name in names if name.endswith(".gcda")]
    headers = {}
    for file in gcov_files(objects):
        path = os.path.relpath(os.path.realpath(file["file"]))
        if not path.startswith("include/"):
            continue
        lines = headers.setdefault(path, {})
        records = collections.Counter(line["line_number"] for line in file["lines"])
        for line in file["lines"]:
            number = line["line_number"]
            real = [branch["count"] > 0 for branch in choices(line["branches"])]
            if records[number] == 1:
                real = fold(file, number, real)
            count_and_branches = lines.setdefault(number, [0, []])
            count_and_branches[0] += line["count"]
            taken = count_and_branches[1]
            taken.extend([False] * (len(real) - len(taken)))
            for index, was_taken in enumerate(real):
                taken[index] |= was_taken
    return headers


def has_default(source, number):
    """Whether the switch that begins in this line has a default label."""
    indent = len(source[number - 1]) - len(source[number - 1].lstrip())
    for text in source[number:]:
        if text.strip().startswith("default:"):
            return True
        if text.strip().startswith("}") and len(text) - len(text.lstrip()) <= indent:
            return False
    return False


def countable(source, number, branches):
    """The branches of a line that a test could take. An edge alone is no choice."""
    text = source[number - 1].strip()
    if len(branches) < 2 or "assert(" in text or "= default" in text or re.search(r"\bdelete &?\w", text):
        return []
    if text.startswith("switch (") and not has_default(source, number):
        branches = sorted(branches, reverse=True)[:-1]
    return branches


def percent(part, whole):
    return f"{100 * part / whole:5.1f} %" if whole else "      –"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sums = {}
    for header, lines in sorted(collect(sys.argv[1]).items()):
        with open(header, encoding="utf-8") as stream:
            source = stream.read().split("\n")
        shown = any(path in header for path in sys.argv[2:])
        for number, (count, branches) in sorted(lines.items()):
            if number > len(source):
                sys.exit(f"{header} has changed since it was built")
            if source[number - 1].strip() in ("}", "};"):
                continue
            branches = countable(source, number, branches)
            for name in (room_of(header), "total"):
                room = sums.setdefault(name, [0, 0, 0, 0])
                room[0] += count > 0
                room[1] += 1
                room[2] += sum(branches)
                room[3] += len(branches)
            if shown and (count == 0 or not all(branches)):
                marks = "".join("+" if taken else "-" for taken in branches)
                print(f"{header}:{number}: {marks if count else 'never run'}: {source[number - 1].strip()}")
    if not sums:
        sys.exit("no coverage was recorded")
    print(f"{'room':12}{'lines':>17}{'branches':>19}")
    for name in [room for room in ROOMS if room in sums] + ["total"]:
        lines_run, lines_all, taken, branches_all = sums[name]
        print(f"{name:12}{percent(lines_run, lines_all)} of {lines_all:5}"
              f"{percent(taken, branches_all):>9} of {branches_all:5}".rstrip())


if __name__ == "__main__":
    main()
