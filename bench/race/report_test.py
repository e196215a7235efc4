"""The scripts of the race: what they make of sample.json (made-up figures), and of programs that fail."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import gather
import report

HERE = pathlib.Path(__file__).resolve().parent
SAMPLE = HERE / "sample.json"

# A race of which one side fails and another never ends.
FAKE_RACE = r"""#!/bin/sh
if [ "$1" = list ]; then echo "one replikv broken slow"; exit; fi
[ "$2" != slow ] || sleep 60
echo '{"case":"one","side":"'"$2"'","conditions":{},"metric":"ns","value":5.0}'
[ "$2" != broken ] || { echo "the check failed" >&2; exit 1; }
"""


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_script(self, name, *words):
        return subprocess.run(
            [sys.executable, "-B", HERE / name, *words], capture_output=True, text=True, timeout=50
        )


class TheReport(InAFolder):
    def make(self, change=lambda record: None, *words):
        record = json.loads(SAMPLE.read_text())
        change(record)
        path = self.folder / "race.json"
        path.write_text(json.dumps(record))
        self.done = self.run_script("report.py", path, *words)
        document = self.folder / "race.md"
        return document.read_text() if document.exists() else ""

    def test_compares_the_medians_of_all_rounds(self):
        line = "| over TCP, values of 64 bytes, new keys | commands | 3.2 M/s | 800 k/s | 4 x | 12 % / 0 % |"
        self.assertIn(line, self.make())

    def test_calls_less_time_better(self):
        self.assertIn("| 10 us | 40 us | 4 x |", self.make())

    def test_holds_us_to_the_best_rival(self):
        text = self.make()
        self.assertRegex(text, r"`get`, 10 k keys \| 42 ns \| 52.5 ns \(libcuckoo\) \| 1.25 x \| .* \| yes \|")
        self.assertRegex(text, r"`get`, 1 M keys, cold \| 420 ns \| 315 ns \(oneTBB\) \| 0.75 x \|")

    def test_says_what_was_not_reached_and_what_not_measured(self):
        text = self.make()
        self.assertRegex(text, r"Memory a key .* \| 42.5 bytes \| – \| – \| at most 40 bytes \| no \|")
        self.assertRegex(text, r"`set` with one TCP replica \| not measured \|")

    def test_gives_a_table_to_a_case_it_does_not_know(self):
        self.assertRegex(self.make(), r"## of_another_kind\n\n.*\n.*\n\| shape round \| turns \| 7 \|")

    def test_shows_every_plot_and_each_is_xml_with_lines(self):
        shown = re.findall(r"!\[[^]]*\]\(([^)]+)\)", self.make())
        self.assertEqual(sorted(shown), sorted(path.name for path in self.folder.glob("*.svg")))
        self.assertGreaterEqual(len(shown), 3)
        for name in shown:
            root = xml.etree.ElementTree.parse(self.folder / name).getroot()
            self.assertTrue(root.findall(".//{http://www.w3.org/2000/svg}polyline"), name)

    def test_tells_failures(self):
        failure = {"round": 1, "case": "write", "side": "replikv", "why": "not done after 3 s"}
        text = self.make(lambda record: record["failures"].append(failure))
        self.assertIn("- write on replikv, round 1: not done after 3 s", text)

    def test_fills_the_readme_between_its_marks(self):
        readme = self.folder / "README.md"
        readme.write_text("before\n<!-- race -->\nold\n<!-- race -->\nafter\n")
        self.make(lambda record: None, f"--readme={readme}")
        text = readme.read_text()
        self.assertTrue(text.startswith("before\n<!-- race -->\n") and text.endswith("\n<!-- race -->\nafter\n"))
        self.assertIn("Replica applies SETs", text)
        self.assertNotIn("\nold\n", text)

    def test_keeps_a_quick_run_out_of_the_readme(self):
        readme = self.folder / "README.md"
        readme.write_text("<!-- race -->\nold\n<!-- race -->\n")
        self.make(lambda record: record["settings"].update(quick=True), f"--readme={readme}")
        self.assertNotEqual(self.done.returncode, 0)
        self.assertIn("old", readme.read_text())

    def test_spells_numbers_for_people(self):
        spelled = {
            ("sets_per_second", 1234567): "1.23 M/s",
            ("sets_per_second", 999999): "1 M/s",
            ("ns", 340): "340 ns",
            ("p50_us", 0.9): "900 ns",
            ("worst_us", 12345): "12.3 ms",
            ("seconds", 1.5): "1.5 s",
            ("bytes_per_key", 44): "44 bytes",
            ("extra_bytes", 3 * 2**20): "3 MiB",
        }
        for (metric, value), words in spelled.items():
            self.assertEqual(report.shown(metric, value), words)


class TheGathering(InAFolder):
    def gather(self, *words):
        program = self.folder / "bench/race"
        program.parent.mkdir()
        program.write_text(FAKE_RACE)
        program.chmod(0o755)
        output = self.folder / "race.json"
        done = self.run_script("gather.py", "--build", self.folder, "--output", output, "--timeout", "1", *words)
        return done, json.loads(output.read_text())

    def test_one_that_fails_does_not_lose_the_others_and_its_figures_do_not_count(self):
        done, record = self.gather("--rounds", "2", "one")
        self.assertEqual(done.returncode, 1)
        self.assertEqual([figure["side"] for figure in record["figures"]], ["replikv", "replikv"])
        why = {(each["round"], each["side"]): each["why"] for each in record["failures"]}
        self.assertEqual(why[1, "broken"], "exit code 1: the check failed")
        self.assertEqual(why[1, "slow"], "not done after 1 s")
        self.assertNotIn((2, "slow"), why)  # waited for once

    def test_one_that_works_exits_with_zero(self):
        done, record = self.gather("--quick", "--side", "replikv", "one")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(len(record["figures"]), 1)

    def test_refuses_what_is_no_figure(self):
        for line in ["", "hello", "{}", '{"case":"a","side":"b","conditions":{},"metric":"ns","value":-1}',
                     '{"case":"a","side":"c","conditions":{},"metric":"ns","value":1}']:
            with self.assertRaises(gather.Failure):
                gather.checked(line, "a", "b")


if __name__ == "__main__":
    unittest.main()
