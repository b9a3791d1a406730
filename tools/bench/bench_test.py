#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the benchmark with hardly any effort, and looks at what it writes. Asserts no times."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # It would write into the project.
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)

import report  # pylint: disable=wrong-import-position


def figures(name, value):
    return {"name": name, "calls": 1, "mean": value, "quantiles": [value] * len(report.QUANTILES)}


def row(group="g", what="w", **more):
    return {"group": group, "what": what, "ours": figures("ours", 1), "peers": [], **more}


MACHINE = {"cpu": "A < B & C", "cores": 2, "memory_gib": 3, "kernel": "6.1"}


class RunTest(unittest.TestCase):

    def run_bench(self, *arguments):
        done = subprocess.run([sys.executable, os.path.join(HERE, "bench.py"), "--seconds=0.001",
                               "--no-peers", *arguments], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_writes_what_it_is_told_to(self):
        with tempfile.TemporaryDirectory() as folder:
            at = lambda name: os.path.join(folder, name)
            with open(at("README.md"), "w", encoding="utf-8") as f:
                f.write("before\n%s\nold\n%s\nafter\n" % (report.BEGIN, report.END))
            done = self.run_bench("--only=^(limits|scaling/chain|calls/one-core)$",
                                  "--json=" + at("x.json"), "--document=" + at("README.md"))
            self.assertIn("socketpair, one core", done.stdout)
            with open(at("x.json"), encoding="utf-8") as f:
                rows = json.load(f)["rows"]
            self.assertIn(("limits", "memcpy of 64 MiB"), [(r["group"], r["what"]) for r in rows])
            self.assertEqual([r["x"] for r in rows if r.get("scaling") == "chain"],
                             [1, 2, 4, 8, 16, 32, 64])
            with open(at("README.md"), encoding="utf-8") as f:
                text = f.read()
            self.assertNotIn("old", text)
            self.assertIn("both on one core", text)

            again = self.run_bench("--from=" + at("x.json"))
            self.assertEqual(again.stdout, done.stdout)

    def test_lists_names(self):
        self.assertIn("manager/unix", self.run_bench("--list").stderr)
        self.assertNotIn("manager/unix", self.run_bench("--list", "--only=calls").stderr)


class PeersTest(unittest.TestCase):

    def test_one_that_is_not_there_says_so_in_a_line(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, os.path.join(HERE, "peers.py"), folder, "ZeroMQ", "0", "0"],
                env={**os.environ, "CXX": "false"}, capture_output=True, text=True, check=False)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertIn("tools/install bench", done.stderr)
        self.assertNotEqual(done.returncode, 0)


class ReportTest(unittest.TestCase):

    def test_numbers(self):
        for value, expected in ((0, "0"), (0.01234, "0.0123"), (1.234, "1.23"), (12.34, "12.3"),
                                (123.4, "123"), (12345, "12,345")):
            self.assertEqual(report.number(value), expected)

    def test_verdicts(self):
        xs = [1, 10, 100, 1000]
        for cost, expected in ((lambda x: 1 + x / 10000, "flat"),
                               (lambda x: 5 + 2 * x, "linear (5.00 and 2.00 more for each)"),
                               ({1: 1, 10: 2, 100: 2, 1000: 1}.get, "flat (between 1.00"),
                               (lambda x: x**0.5, "less than linear"),
                               (lambda x: x**2, "more than linear")):
            self.assertTrue(report.verdict([(x, cost(x)) for x in xs]).startswith(expected),
                            report.verdict([(x, cost(x)) for x in xs]))

    def test_a_row_has_what_there_is(self):
        results = {"machine": MACHINE, "rows": [
            row(limit=figures("the limit", 0.5), peers=[figures("Peer: op", 7)]),
            {"group": "g", "what": "a limit alone", "limit": figures("l", 2), "peers": []},
            row(what="compiling", unit="s")]}
        text = report.table(results)
        for expected in ("the limit 0.500", "2.00x", "Peer 7.00 (7.00x)", "1,000,000", "1.00 s"):
            self.assertIn(expected, text)

    def test_a_document_without_marks_is_not_touched(self):
        with self.assertRaises(ValueError):
            report.replace_between_marks("no marks", "x")


if __name__ == "__main__":
    unittest.main()
