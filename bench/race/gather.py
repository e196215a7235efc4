#!/usr/bin/env python3
"""Runs the cases of the race, the sides in turn, and keeps every figure of every round in one JSON file.

    gather.py [--quick] [--side NAME ...] [CASE ...]

Each case runs on each side in a process of its own. One that fails is told and recorded, its figures are
dropped, the others go on, and the exit code is 1; it is 2 where nothing could be measured at all.
"""
import argparse
import datetime
import json
import math
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUR_SIDE = "replikv"
COMPILE_CASE = "compile"
COMPILE_SIDES = [OUR_SIDE, "standard headers"]
OPTIONAL_SERVERS = ["valkey-server"]  # take part where they are installed


class Failure(Exception):
    """A case that gave no figures, and why."""


class Timeout(Failure):
    """The same, and there is no use in waiting for it again."""


def give_up(why):
    print(f"gather.py: {why}", file=sys.stderr)
    sys.exit(2)  # as for wrong arguments: nothing was measured


def output_of(*words):
    """What a program prints, stripped; None where it cannot run."""
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def text_of(path):
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return None


# ---- One case on one side -------------------------------------------------------------------------


def run_limited(words, seconds):
    """A program's output; it and the servers it started end when the time is up."""
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Timeout(f"not done after {seconds} s") from None
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    if process.returncode != 0:
        last = (errors.strip().splitlines() or ["it said nothing"])[-1]
        raise Failure(f"exit code {process.returncode}: {last}")
    return out


def checked(line, case, side):
    """A figure from a line of the program, or Failure."""
    try:
        figure = json.loads(line)
        fits = (
            figure["case"] == case
            and figure["side"] == side
            and isinstance(figure["conditions"], dict)
            and isinstance(figure["metric"], str)
            and math.isfinite(figure["value"])
            and figure["value"] >= 0
        )
    except (ValueError, KeyError, TypeError):
        fits = False
    if not fits:
        raise Failure(f"this is no figure: {line}")
    return figure


def run_case(program, case, side, quick, seconds):
    words = [program, case, side] + (["quick"] if quick else [])
    lines = run_limited(words, seconds).splitlines()
    if not lines:
        raise Failure("it printed no figures")
    return [checked(line, case, side) for line in lines]


# ---- What including us costs a compiler -----------------------------------------------------------


def standard_headers(compiler):
    """The headers of the standard library and the system that our headers name."""
    rule = output_of(compiler, "-std=c++20", "-M", "-Iinclude", "include/replikv/replikv.hpp")
    if rule is None:
        raise Failure(f"{compiler} cannot read replikv/replikv.hpp")
    files = [name for name in rule.replace("\\\n", " ").split() if name.startswith("include/replikv/")]
    names = set()
    for name in files:
        names.update(re.findall(r"^#include <((?!replikv/)[^>]+)>", (ROOT / name).read_text(), re.M))
    return sorted(names)


def processor_seconds():
    """What all programs waited for so far have used: steadier than the clock on the wall."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def time_compiling(compiler, side, seconds):
    """A file that includes our front door, or what that includes, and an empty main()."""
    headers = ["replikv/replikv.hpp"] if side == OUR_SIDE else standard_headers(compiler)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "main.cpp")
        source.write_text("".join(f"#include <{name}>\n" for name in headers) + "int main() {}\n")
        include = "-I" + str(ROOT / "include")
        words = [compiler, "-std=c++20", "-O0", include, "-c", source, "-o", source.with_suffix(".o")]
        begin = processor_seconds()
        run_limited([str(word) for word in words], seconds)
        taken = processor_seconds() - begin
    return [{"case": COMPILE_CASE, "side": side, "conditions": {}, "metric": "seconds", "value": taken}]


# ---- All of them, in turn -------------------------------------------------------------------------


def is_installed(side):
    return not side.endswith("-server") or shutil.which(side) is not None


def entries(program, chosen_cases, chosen_sides):
    """[(case, sides)] as the program lists them, and the sides that are not installed here."""
    listed = output_of(program, "list")
    if listed is None:
        give_up(f"{program} cannot be run")
    words = [line.split() for line in listed.splitlines()]
    cases = [(line[0], line[1:]) for line in words] + [(COMPILE_CASE, COMPILE_SIDES)]
    unknown = set(chosen_cases) - {case for case, _ in cases}
    if unknown:
        known = " ".join(case for case, _ in cases)
        give_up(f"no such case: {' '.join(sorted(unknown))}; there are: {known}")
    absent = {side for _, sides in cases for side in sides if side in OPTIONAL_SERVERS} - {
        side for side in OPTIONAL_SERVERS if is_installed(side)
    }
    kept = []
    for case, sides in cases:
        sides = [s for s in sides if s not in absent and (not chosen_sides or s in chosen_sides)]
        if sides and (not chosen_cases or case in chosen_cases):
            kept.append((case, sides))
    return kept, sorted(absent)


class Gathering:
    def __init__(self, options, compiler):
        self.options = options
        self.compiler = compiler
        self.seconds = options.timeout or (40 if options.quick else 900)
        self.figures = []
        self.failures = []
        self.given_up = set()

    def run(self, cases):
        for round_number in range(1, self.options.rounds + 1):
            for case, sides in cases:
                # Whoever comes first meets a cooler machine: by turns.
                for side in sides if round_number % 2 else reversed(sides):
                    if (case, side) not in self.given_up:
                        self.run_one(round_number, case, side)

    def run_one(self, round_number, case, side):
        what = f"round {round_number} of {self.options.rounds}: {case} on {side}"
        begin = time.monotonic()
        try:
            if case == COMPILE_CASE:
                figures = time_compiling(self.compiler, side, self.seconds)
            else:
                figures = run_case(self.options.program, case, side, self.options.quick, self.seconds)
        except (Failure, OSError) as failure:
            print(f"{what}: FAILED: {failure}", file=sys.stderr, flush=True)
            self.failures.append({"round": round_number, "case": case, "side": side, "why": str(failure)})
            if isinstance(failure, Timeout):
                self.given_up.add((case, side))
            return
        print(f"{what}: {time.monotonic() - begin:.1f} s", flush=True)
        self.figures += [{"round": round_number, **figure} for figure in figures]


# ---- Where it ran ---------------------------------------------------------------------------------


def machine():
    model = re.search(r"^model name\s*:\s*(.+)$", text_of("/proc/cpuinfo") or "", re.M)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", text_of("/proc/meminfo") or "", re.M)
    huge_pages = re.search(r"\[(\w+)\]", text_of("/sys/kernel/mm/transparent_hugepage/enabled") or "")
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": int(memory.group(1)) * 1024 if memory else None,
        "kernel": f"{platform.system()} {platform.release()}",
        "transparent_huge_pages": huge_pages.group(1) if huge_pages else None,
        "governor": text_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_before": os.getloadavg()[0],
    }


def cached(build, name):
    """A variable of the build that made the program."""
    found = re.search(rf"^{name}:\w+=(.+)$", text_of(build / "CMakeCache.txt") or "", re.M)
    return found.group(1) if found else None


def versions(build, compiler, sides):
    found = {
        "commit": output_of("git", "rev-parse", "--short=12", "HEAD"),
        "tree_is_dirty": bool(output_of("git", "status", "--porcelain")),
        "compiler": (output_of(compiler, "--version") or compiler).splitlines()[0],
        "flags": cached(build, "CMAKE_CXX_FLAGS_RELEASE"),
    }
    for side in sides:
        if side.endswith("-server"):
            number = re.search(r"v=(\S+)", output_of(side, "--version") or "")
            found[side] = number.group(1) if number else None
    return found


def main():
    parser = argparse.ArgumentParser(description="runs the race and records its figures")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, one round: not to be quoted")
    parser.add_argument("--rounds", type=int, help="5; 1 with --quick")
    parser.add_argument("--side", action="append", default=[], help="only this one; may be repeated")
    parser.add_argument("--timeout", type=int, help="seconds for a case on a side: 900; 40 with --quick")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="where it was built")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build/bench/race.json")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.program = str(options.build.resolve() / "bench/race")

    compiler = cached(options.build, "CMAKE_CXX_COMPILER") or os.environ.get("CXX", "c++")
    cases, absent = entries(options.program, options.cases, options.side)
    if not cases:
        give_up("nothing is left to run")
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    where = machine()
    what = versions(options.build, compiler, sorted({side for _, sides in cases for side in sides}))
    gathering = Gathering(options, compiler)
    begin = time.monotonic()
    gathering.run(cases)
    record = {
        "date": date,
        "settings": {
            "quick": options.quick,
            "rounds": options.rounds,
            "cases": [case for case, _ in cases],
            "is_whole": not options.cases and not options.side,
            "seconds": round(time.monotonic() - begin),
        },
        "machine": where,
        "versions": what,
        "not_installed": absent,
        "failures": gathering.failures,
        "figures": gathering.figures,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{len(gathering.figures)} figures in {options.output}", flush=True)
    return 1 if gathering.failures else 0


if __name__ == "__main__":
    sys.exit(main())
