#!/usr/bin/env python3
"""Makes the report of the race from its JSON file, and from nothing else: tables in Markdown, plots in SVG.

    report.py [JSON]            writes race.md and the plots beside the JSON (build/bench/race.json)
    report.py --readme [JSON]   also puts the table of a full run into README.md, between its marks
"""
import argparse
import dataclasses
import fnmatch
import json
import pathlib
import re
import statistics
import sys

import plot

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUR_SIDE = "replikv"
MARK = "<!-- race -->"

# ---- Figures --------------------------------------------------------------------------------------


@dataclasses.dataclass
class Cell:
    """One figure of one side over all rounds."""

    values: list

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def spread(self):
        """(max - min) / median; None where there is nothing to compare."""
        if len(self.values) < 2 or self.median == 0:
            return None
        return (max(self.values) - min(self.values)) / self.median


@dataclasses.dataclass
class Row:
    """The same work, measured in the same way, on each side."""

    case: str
    conditions: dict
    metric: str
    cells: dict  # side: Cell


def more_is_better(metric):
    return metric.endswith("_per_second")


def ratio(metric, ours, theirs):
    """How many times better ours is; None where that makes no sense."""
    better, worse = (ours, theirs) if more_is_better(metric) else (theirs, ours)
    return better / worse if worse > 0 else None


def rows_of(record):
    """In the order in which they were first measured."""
    rows = {}
    for figure in record["figures"]:
        key = (figure["case"], json.dumps(figure["conditions"], sort_keys=True), figure["metric"])
        row = rows.setdefault(key, Row(figure["case"], figure["conditions"], figure["metric"], {}))
        row.cells.setdefault(figure["side"], Cell([])).values.append(figure["value"])
    return list(rows.values())


def sides_of(rows):
    """Ours first."""
    sides = dict.fromkeys(side for row in rows for side in row.cells)
    return sorted(sides, key=lambda side: side != OUR_SIDE)


# ---- Words ----------------------------------------------------------------------------------------

CASE_TITLES = {
    "apply": "A replica applies a stream of SETs",
    "full_resync": "Full resync, end to end",
    "write": "A write on the master",
    "read": "Reading, beside concurrent maps",
    "visible": "From `set` to visible on the replica",
    "stall": "Writing while a full resync runs",
    "memory": "Memory",
    "growth": "A store that grows",
    "crowd": "Many replicas",
    "endpoint": "Serving Redis clients",
    "compile": "Compiling `#include <replikv/replikv.hpp>`, against the standard headers it includes",
}


def three_digits(value):
    if value == 0:
        return "0"
    digits = 2 if value < 10 else 1 if value < 100 else 0
    shown = f"{value:.{digits}f}" if value >= 0.01 else f"{value:.2g}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def scaled(value, base, prefixes):
    for prefix in prefixes[:-1]:
        if value < base * 0.9995:
            return three_digits(value), prefix
        value /= base
    return three_digits(value), prefixes[-1]


def count(value):
    digits, prefix = scaled(value, 1000, ["", "k", "M", "G"])
    return f"{digits} {prefix}".strip()


def time(nanoseconds):
    return " ".join(scaled(nanoseconds, 1000, ["ns", "us", "ms", "s"]))


def size(value):
    return " ".join(scaled(value, 1024, ["bytes", "KiB", "MiB", "GiB"]))


def nanoseconds(metric, value):
    """A time of any unit, or the cost of one operation of so many a second; None for what is no time."""
    if more_is_better(metric):
        return 1e9 / value if value > 0 else None
    unit = metric.rsplit("_", 1)[-1]
    factor = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "seconds": 1e9}.get(unit)
    return value * factor if factor else None


def shown(metric, value):
    if more_is_better(metric):
        digits, prefix = scaled(value, 1000, ["", "k", "M", "G"])
        return f"{digits} {prefix}/s"
    if nanoseconds(metric, value) is not None:
        return time(nanoseconds(metric, value))
    return size(value) if "bytes" in metric.split("_") else count(value)


def metric_words(metric):
    if more_is_better(metric):
        return metric[: -len("_per_second")].replace("_", " ")
    words = metric.split("_")
    if words[-1] in ("ns", "us", "ms", "s", "seconds"):
        words = words[:-1] or ["time"]
    return " ".join(words)


def counted(value, noun):
    if value == "0":
        return f"no {noun}s"
    if value.isdigit():
        return f"{count(int(value))} {noun}" + ("" if value == "1" else "s")
    return f"{value} {noun}s"


def condition_words(name, value):
    if name.endswith("_bytes") and value.isdigit():
        return f"{name[: -len('_bytes')]}s of {value} bytes"
    if name in ("keys", "replicas", "threads", "nodes", "writers", "readers", "links"):
        return counted(value, name[:-1])
    if name == "writes":
        return f"{value.rstrip(' %')} % writes" if value.rstrip(" %").isdigit() else value
    if name == "in_flight":
        return f"{value} in flight"
    if name == "transport":
        return "over TCP" if value == "tcp" else value
    if name in ("operation", "load", "what", "mode"):
        return value
    return f"{name.replace('_', ' ')} {value.replace('_', ' ')}"


def conditions_words(conditions):
    return ", ".join(condition_words(name, value) for name, value in conditions.items())


def percent(share):
    return "–" if share is None else f"{100 * share:.0f} %"


def times(value):
    return "–" if value is None else f"{three_digits(value)} x"


def table(head, lines):
    """Markdown; the first column is words, the others are figures."""
    rule = ["---"] + ["--:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines]) + "\n"


# ---- The headline ---------------------------------------------------------------------------------


@dataclasses.dataclass
class Goal:
    """A row of the headline table, and the figure it is to reach. Values of `where` are patterns (fnmatch)."""

    words: str
    case: str
    metric: str
    where: dict = dataclasses.field(default_factory=dict)
    rival: str = "redis-server"  # a pattern too; the best of those that fit
    rival_where: dict = None  # where the rival did its work, if it is not the same row
    ratio_min: float = None
    value_min: float = None
    value_max: float = None
    within_spread: bool = False  # no slower than the rival by more than the rounds differ


GOALS = [
    Goal("Replica applies SETs of new keys over TCP, 64-byte values", "apply", "commands_per_second",
         {"transport": "tcp", "value_bytes": "64", "keys": "new"}, ratio_min=10),
    Goal("The same of keys it has", "apply", "commands_per_second",
         {"transport": "tcp", "value_bytes": "64", "keys": "known"}, ratio_min=10),
    Goal("Replica applies SETs of new keys in process; theirs over TCP", "apply", "commands_per_second",
         {"transport": "in process", "value_bytes": "64", "keys": "new"},
         rival_where={"transport": "tcp", "value_bytes": "64", "keys": "new"}, ratio_min=10),
    Goal("Full resync, 64-byte values", "full_resync", "keys_per_second", ratio_min=10),
    Goal("`set` with one TCP replica", "write", "sets_per_second",
         {"keys": "10000", "replicas": "1", "threads": "1"}, value_min=5e6),
    Goal("`set` with nine replicas, the writer's processor time; theirs is ours with eight", "write", "writer_cpu_ns",
         {"keys": "10000", "replicas": "9", "threads": "1"}, rival=OUR_SIDE,
         rival_where={"keys": "10000", "replicas": "8", "threads": "1"}, within_spread=True),
    Goal("`get`, 10 k keys", "read", "ns",
         {"operation": "get", "keys": "10000", "threads": "1", "writes": "0*"}, rival="*", value_max=55),
    Goal("`get`, 1 M keys, cold", "read", "ns",
         {"operation": "get", "keys": "1000000", "threads": "1", "writes": "0*"}, rival="*", value_max=490),
    Goal("`get_many`, 1 M keys, cold; theirs is our `get`", "read", "ns",
         {"operation": "get_many", "keys": "1000000", "threads": "1", "writes": "0*"}, rival=OUR_SIDE,
         rival_where={"operation": "get", "keys": "1000000", "threads": "1", "writes": "0*"}, ratio_min=3),
    Goal("Visible on the replica over TCP, p50, idle", "visible", "p50_us",
         {"transport": "tcp", "load": "idle"}, ratio_min=2),
    Goal("Visible on the replica in process, background, p50, idle", "visible", "p50_us",
         {"transport": "*background*", "load": "idle"}, value_max=2),
    Goal("p99.99 `set` while a full resync runs", "stall", "p99.99_us", value_max=100),
    Goal("Longest undisturbed `set` while a full resync runs", "stall", "longest_undisturbed_us", value_max=100),
    Goal("Memory a key beyond key and value (16 + 64)", "memory", "bytes_per_key", {"keys": "mean*"},
         value_max=40),
    Goal("Longest undisturbed `set` while a store grows to 10 M keys", "growth", "longest_undisturbed_us", value_max=200),
    Goal("Clients' SET, 50 connections, one at a time each", "endpoint", "commands_per_second",
         {"command": "SET", "in_flight": "1"}, within_spread=True),
    Goal("Clients' GET, the same", "endpoint", "commands_per_second",
         {"command": "GET", "in_flight": "1"}, within_spread=True),
    Goal("Clients' SET, 64 in flight each", "endpoint", "commands_per_second",
         {"command": "SET", "in_flight": "64"}, ratio_min=2),
    Goal("Clients' GET, the same", "endpoint", "commands_per_second",
         {"command": "GET", "in_flight": "64"}, ratio_min=2),
]


def fits(row, case, metric, where):
    return (
        row.case == case
        and fnmatch.fnmatchcase(row.metric, metric)
        and all(fnmatch.fnmatchcase(row.conditions.get(name, ""), value) for name, value in where.items())
    )


def keys_of(row):
    keys = row.conditions.get("keys", "")
    return int(keys) if keys.isdigit() else 0


def find(rows, case, metric, where, side):
    """The row that fits and that this side (a pattern) took part in; of several, that with the most keys."""
    found = [row for row in rows if fits(row, case, metric, where) and fnmatch.filter(row.cells, side)]
    return max(found, key=keys_of, default=None)


def rival_of(goal, rows):
    """(side, Cell) of the best rival, or None."""
    where = goal.where if goal.rival_where is None else goal.rival_where
    found = [row for row in rows if fits(row, goal.case, goal.metric, where)]
    row = max(found, key=keys_of, default=None)
    if row is None:
        return None
    cells = [(side, cell) for side, cell in row.cells.items()
             if fnmatch.fnmatchcase(side, goal.rival) and (side != OUR_SIDE or goal.rival == OUR_SIDE)]
    best = max if more_is_better(row.metric) else min
    return best(cells, key=lambda pair: pair[1].median, default=None)


def goal_words(goal, metric):
    if goal.ratio_min:
        return f"{goal.ratio_min:g} x"
    if goal.value_min:
        return "at least " + shown(metric, goal.value_min)
    if goal.value_max:
        return "at most " + shown(metric, goal.value_max)
    return "no slower" if goal.within_spread else ""


def is_reached(goal, ours, rival, times_better):
    if goal.value_min:
        return ours.median >= goal.value_min
    if goal.value_max:
        return ours.median <= goal.value_max
    if times_better is None:
        return None
    if goal.ratio_min:
        return times_better >= goal.ratio_min
    return times_better >= 1 - max(ours.spread or 0, rival.spread or 0)


def verdict(reached):
    return "–" if reached is None else "yes" if reached else "no"


def goal_line(goal, rows):
    row = find(rows, goal.case, goal.metric, goal.where, OUR_SIDE)
    if row is None:
        metric = goal.metric if "*" not in goal.metric else "us"
        return [goal.words, "not measured", "–", "–", goal_words(goal, metric), "–", "–"]
    ours = row.cells[OUR_SIDE]
    rival = rival_of(goal, rows)
    better = ratio(row.metric, ours.median, rival[1].median) if rival else None
    theirs = f"{shown(row.metric, rival[1].median)} ({rival[0]})" if rival else "–"
    spreads = percent(ours.spread) + (f" / {percent(rival[1].spread)}" if rival else "")
    reached = is_reached(goal, ours, rival and rival[1], better)
    return [goal.words, shown(row.metric, ours.median), theirs, times(better),
            goal_words(goal, row.metric), verdict(reached), spreads]


def other_goal_lines(record, rows):
    """Rows whose goal is no single figure of a case: the crowd's memory, and the compile time."""
    lines = []
    for row in rows:
        if row.case == "crowd" and "bytes" in row.metric:
            ours = row.cells.get(OUR_SIDE)
            words = f"{metric_words(row.metric).capitalize()}, {conditions_words(row.conditions)}"
            if ours:
                lines.append([words, shown(row.metric, ours.median), "–", "–", "one stream's", "–",
                              percent(ours.spread)])
    row = find(rows, "compile", "seconds", {}, OUR_SIDE)
    theirs = row.cells.get("standard headers") if row else None
    if theirs:
        ours = row.cells[OUR_SIDE]
        slower = ours.median / theirs.median
        lines.append(["Compiling `#include <replikv/replikv.hpp>`", shown("seconds", ours.median),
                      f"{shown('seconds', theirs.median)} (standard headers)", times(1 / slower), "0.5 x",
                      verdict(slower <= 2), f"{percent(ours.spread)} / {percent(theirs.spread)}"])
    return lines


def headline(record, rows):
    cases = record["settings"]["cases"]
    lines = [goal_line(goal, rows) for goal in GOALS if goal.case in cases or record["settings"]["is_whole"]]
    head = ["", "ours", "theirs", "ratio", "to reach", "reached", "spread"]
    return table(head, lines + other_goal_lines(record, rows))


# ---- Each case ------------------------------------------------------------------------------------


def case_table(rows):
    sides = sides_of(rows)
    rivals = [side for side in sides if side != OUR_SIDE]
    head = ["conditions", "measured", OUR_SIDE]
    for side in rivals:
        head += [side, "ratio"]
    lines = []
    for row in rows:
        ours = row.cells.get(OUR_SIDE)
        line = [conditions_words(row.conditions) or "–", metric_words(row.metric)]
        line.append(shown(row.metric, ours.median) if ours else "–")
        for side in rivals:
            theirs = row.cells.get(side)
            line.append(shown(row.metric, theirs.median) if theirs else "–")
            line.append(times(ratio(row.metric, ours.median, theirs.median)) if ours and theirs else "–")
        spreads = [percent(row.cells[side].spread) if side in row.cells else "–" for side in sides]
        lines.append(line + [" / ".join(spreads)])
    return table(head + ["spread"], lines)


# ---- Plots ----------------------------------------------------------------------------------------


@dataclasses.dataclass
class Plot:
    """Lines over one condition; what else varies names the lines."""

    file: str
    title: str
    case: str
    metric: str
    x: str
    where: dict = dataclasses.field(default_factory=dict)
    side: str = "*"


KEYS = "keys held, logarithmic"
PERCENTILES = ["p50_us", "p99_us", "p99.9_us", "p99.99_us"]
X_LABELS = {"keys": KEYS, "value_bytes": "size of a value, logarithmic", "replicas": "replicas attached",
            "writes": "writes among the operations, percent"}
PLOTS = [
    Plot("apply-value-size", "Applying a SET: cost against value size, new keys", "apply",
         "commands_per_second", "value_bytes", {"keys": "new"}),
    Plot("write-replicas", "set: cost against replicas attached, 10 k keys", "write", "sets_per_second",
         "replicas", {"keys": "10000", "threads": "1"}),
    Plot("write-keys", "set: cost against keys, one thread", "write", "sets_per_second", "keys",
         {"threads": "1", "replicas": "[01]"}),
    Plot("read-keys", "get: cost against keys, one thread, no writes", "read", "ns", "keys",
         {"operation": "get", "threads": "1", "writes": "0*"}),
    Plot("read-keys-ours", "get, visit and both of many: cost against keys, one thread, no writes", "read", "ns", "keys",
         {"threads": "1", "writes": "0*"}, OUR_SIDE),
    Plot("read-writes", "get: cost against writes beside it, two threads, 1 M keys", "read", "ns", "writes",
         {"operation": "get", "threads": "2", "keys": "1000000"}),
    Plot("growth-keys", "set while the store grows: mean cost against keys", "growth", "ns", "keys"),
    Plot("growth-worst", "set while the store grows: the worst one against keys", "growth", "longest_undisturbed_us", "keys"),
    Plot("memory-keys", "Memory beyond key and value against keys", "memory", "bytes_per_key", "keys"),
]


def value_for_plot(metric, value):
    """What takes longer is higher, whatever was measured."""
    cost = nanoseconds(metric, value)
    return value if cost is None else cost


def point(x, row, side):
    values = [value_for_plot(row.metric, value) for value in row.cells[side].values]
    return plot.Point(x, statistics.median(values), min(values), max(values))


def lines_of(pairs):
    """From (row, x) to one line for each side and each set of the conditions that vary."""
    names = dict.fromkeys(name for _, _, rest in pairs for name in rest)
    varying = [name for name in names if len({rest.get(name) for _, _, rest in pairs}) > 1]
    lines = {}
    for row, x, rest in pairs:
        variant = ", ".join(condition_words(name, rest[name]) for name in varying if name in rest)
        for side in row.cells:
            line = lines.setdefault((side, variant), plot.Line(side, variant, []))
            line.points.append(point(x, row, side))
    for line in lines.values():
        line.points.sort(key=lambda each: each.x)
    return list(lines.values())


def only_side(row, pattern):
    return dataclasses.replace(row, cells={s: c for s, c in row.cells.items() if fnmatch.fnmatchcase(s, pattern)})


def draw_condition_plot(wanted, rows):
    pairs = []
    for row in rows:
        x = row.conditions.get(wanted.x, "").rstrip(" %")
        if fits(row, wanted.case, wanted.metric, wanted.where) and x.isdigit():
            rest = {name: value for name, value in row.conditions.items() if name != wanted.x}
            pairs.append((only_side(row, wanted.side), int(x), rest))
    lines = lines_of(pairs)
    if len({x for _, x, _ in pairs}) < 2 or not lines:
        return None
    is_time = nanoseconds(wanted.metric, 1.0) is not None
    return plot.draw(
        wanted.title, lines, X_LABELS.get(wanted.x, wanted.x),
        "time of one" if is_time else "bytes", size if wanted.x == "value_bytes" else count,
        time if is_time else size,
        log_x=wanted.x in ("keys", "value_bytes"))


def draw_percentiles(title, rows):
    pairs = [(row, PERCENTILES.index(row.metric), row.conditions) for row in rows]
    label = [metric[: -len("_us")] for metric in PERCENTILES]
    return plot.draw(title, lines_of(pairs), "percentile", "time", lambda x: label[x], time, log_x=False)


def percentile_plots(rows):
    """(case, file, document): one for each case that has percentiles, and for each load it was under."""
    groups = {}
    for row in rows:
        if row.metric in PERCENTILES:
            groups.setdefault((row.case, row.conditions.get("load", "")), []).append(row)
    for (case, load), members in groups.items():
        name = re.sub(r"[^a-z0-9]+", "-", f"{case} percentiles {load}".lower()).strip("-")
        title = CASE_TITLES.get(case, case).replace("`", "") + (f", {load}" if load else "")
        yield case, name + ".svg", draw_percentiles(title, members)


def all_plots(rows):
    for wanted in PLOTS:
        document = draw_condition_plot(wanted, rows)
        if document:
            yield wanted.case, wanted.file + ".svg", document
    yield from percentile_plots(rows)


# ---- The document ---------------------------------------------------------------------------------


def conditions_of(record):
    """Where, when and with what, in words."""
    machine, versions = record["machine"], record["versions"]
    facts = [f"{machine['cpu']}, {machine['cores']} cores"]
    if machine.get("memory_bytes"):
        facts.append(size(machine["memory_bytes"]))
    facts.append(machine["kernel"])
    if machine.get("transparent_huge_pages"):
        facts.append(f"transparent huge pages: {machine['transparent_huge_pages']}")
    if machine.get("governor"):
        facts.append(f"governor {machine['governor']}")
    facts.append(f"load before the run {machine['load_before']:.2f}")
    programs = [f"{versions['compiler']} {versions.get('flags') or ''}".strip()]
    programs += [f"{side} {versions[side] or '(unknown version)'}" for side in versions if side.endswith("-server")]
    commit = versions.get("commit") or "no git commit"
    programs.append(f"replikv {commit}" + (" with changes" if versions.get("tree_is_dirty") else ""))
    programs += [f"{side} not installed" for side in record.get("not_installed", [])]
    rounds = record["settings"]["rounds"]
    run = f"{record['date']}; " + ("one round" if rounds == 1 else f"{rounds} rounds, the sides in turn")
    return [run, "; ".join(facts), "; ".join(programs)]


EXPLANATION = (
    "Medians of all rounds. A ratio above 1 says that ours is so many times better. Spread is (max − min) / median "
    "over the rounds, ours / theirs.\n"
)


def failures_of(record):
    if not record["failures"]:
        return ""
    lines = [f"- {each['case']} on {each['side']}, round {each['round']}: {each['why']}" for each in record["failures"]]
    return "**Failed, and not counted below:**\n\n" + "\n".join(lines) + "\n\n"


def document(record, rows, plots):
    parts = ["# The race\n\n"]
    if record["settings"]["quick"]:
        parts.append("**A quick run, with a tenth of the work: not to be quoted.**\n\n")
    parts += [failures_of(record), EXPLANATION + "\n", headline(record, rows)]
    for case in dict.fromkeys(row.case for row in rows):
        parts.append(f"\n## {CASE_TITLES.get(case, case)}\n\n")
        parts.append(case_table([row for row in rows if row.case == case]))
        parts += [f"\n![{name[:-4]}]({name})\n" for owner, name, _ in plots if owner == case]
    parts.append("\n## Conditions\n\n" + "".join(f"- {line}\n" for line in conditions_of(record)))
    return "".join(parts)


def readme_block(record, rows):
    return f"{headline(record, rows)}\n{EXPLANATION}Measured " + "; ".join(conditions_of(record)) + ".\n"


def put_into_readme(path, block):
    text = path.read_text()
    if text.count(MARK) != 2:
        sys.exit(f"report.py: {path} must hold {MARK} twice")
    before, _, after = text.split(MARK)
    path.write_text(f"{before}{MARK}\n{block}{MARK}{after}")


def main():
    parser = argparse.ArgumentParser(description="makes tables and plots from the race's JSON")
    parser.add_argument("json", nargs="?", type=pathlib.Path, default=ROOT / "build/bench/race.json")
    parser.add_argument("--output", type=pathlib.Path, help="a folder; that of the JSON if not given")
    parser.add_argument("--readme", nargs="?", const=ROOT / "README.md", type=pathlib.Path,
                        help="also put the headline table between the marks of this file")
    options = parser.parse_args()
    record = json.loads(options.json.read_text())
    settings = record["settings"]
    if options.readme and (settings["quick"] or not settings["is_whole"] or record["failures"]):
        sys.exit("report.py: the README shows whole and full runs without failures only")

    folder = options.output or options.json.parent
    folder.mkdir(parents=True, exist_ok=True)
    rows = rows_of(record)
    plots = list(all_plots(rows))
    for _, name, svg in plots:
        (folder / name).write_text(svg)
    (folder / "race.md").write_text(document(record, rows, plots))
    if options.readme:
        put_into_readme(options.readme, readme_block(record, rows))
    print(f"{folder / 'race.md'} and {len(plots)} plots")


if __name__ == "__main__":
    main()
