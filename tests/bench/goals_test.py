#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A goal that is missed is said to be, whichever way it is missed."""
import importlib.machinery
import importlib.util
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import goals  # noqa: E402

loader = importlib.machinery.SourceFileLoader("bench_run", str(HERE / "run"))
spec = importlib.util.spec_from_loader("bench_run", loader)
run = importlib.util.module_from_spec(spec)
loader.exec_module(run)

# Exactly at every bound, as tests/bench/run collects it.
AT_THE_BOUNDS = {
    "limits": {"raw_life": 60000, "group_commit_1": 5000, "group_commit_64": 100000,
               "group_commit_1000": 300000, "durable_claim_p50_us": 300, "durable_claim_p99_us": 900,
               "fdatasync": 8000},
    "nginx": {"per_second": 100000, "p99_us": 500},
    "e2e": {"per_second": 30000, "cpu_ms_per_1000": 40},
    "submit_1": {"per_second": 3000}, "submit_64": {"per_second": 25000}, "submit_1000": {"per_second": 100000},
    "health": {"per_second": 40000}, "status": {"per_second": 40000, "p99_us": 900},
    "idle": {"start_p50_us": 600, "start_p99_us": 1200, "floor_p50_us": 300, "floor_p99_us": 900}, "timers": {"late_p99_us": 5000},
    "many": {"seconds": 2.99, "kb_each": 60}, "ready_ms": 39.9, "rss_kb": 19999,
    "stuck": {"beside": 9000, "without": 10000},
    "calls": {"in_process": {"floor_us": 10, "one_us": 13, "many_us": 4.9},
              "isolated": {"floor_us": 10, "one_us": 15, "many_us": 19.9}},
    "e2e_modes": {"in_process": 30000, "isolated": 18000},
    "idle_processes": {"cpu": {"in_process": 0.099, "isolated": 0.099}, "cpu_of_child": 0.099,
                       "dirty_kb_of_child": 2047, "bare_dirty_kb": 100},
    "restarts": {"ms": [20] * 15, "p50_ms": 49.9, "max_ms": 49.9, "program_ms": 2},
    "paced": {"streams": 1000, "tokens": 100, "wall_s": 5.6925, "ideal_s": 4.95, "peak_mb": 149.9,
              "first_token_p50_ms": 5, "first_token_p99_ms": 49.9, "cpu_us_per_token": 50},
    "full": {"streams": 64, "tokens_per_s": 120000, "cpu_us_per_token": 9, "peak_mb": 60},
    "full_curl": {"tokens_per_s": 300000, "cpu_us_per_token": 2, "peak_mb": 20},
    "full_watched": {"tokens_per_s": 100000},
    **{f"{kind}_{library}": {"wall_s": 9, "peak_mb": 80, "first_token_p99_ms": 900, "tokens_per_s": 20000}
       for kind in ("paced", "full") for library in ("httpx", "aiohttp")},
}
# A little worse, one after the other: the row that must say so.
WORSE = [
    ("e2e", "per_second", 29999, "end to end"),
    ("submit_64", "per_second", 24999, "submit, 64 clients"),
    ("health", "per_second", 39999, "GET /v1/health"),
    ("status", "per_second", 39999, "GET /v1/status"),
    ("idle", "start_p50_us", 601, "submit to start, idle, p50"),
    ("timers", "late_p99_us", 5001, "timer lateness"),
    ("many", "seconds", 3.0, "10,000 HTTP tasks"),
    ("many", "kb_each", 60.1, "... memory each"),
    ("ready_ms", None, 40.0, "start to READY"),
    ("rss_kb", None, 20000, "VmRSS at READY"),
    ("stuck", "beside", 8999, "beside a plugin that sleeps for ever"),
    ("calls", "in_process", {"floor_us": 10, "one_us": 13.1, "many_us": 4}, "plugin call, one at a time"),
    ("calls", "in_process", {"floor_us": 10, "one_us": 13, "many_us": 5}, "plugin call, 64 in flight"),
    ("calls", "isolated", {"floor_us": 10, "one_us": 15.1, "many_us": 19}, "... isolated"),
    ("calls", "isolated", {"floor_us": 10, "one_us": 15, "many_us": 20}, "... isolated, 64 in flight"),
    ("e2e_modes", "isolated", 17999, "end to end, isolated"),
    ("idle_processes", "cpu", {"in_process": 0.1, "isolated": 0}, "idle CPU of the daemon, in-process"),
    ("idle_processes", "cpu", {"in_process": 0, "isolated": 0.1}, "... isolated plugins"),
    ("idle_processes", "cpu_of_child", 0.1, "... of a child"),
    ("idle_processes", "dirty_kb_of_child", 2048, "Private_Dirty"),
    ("restarts", "p50_ms", 50, "crashed child to ready, p50"),
    ("restarts", "max_ms", 50, "crashed child to ready, longest"),
    ("paced", "wall_s", 5.694, "1,000 chats, 100 tokens 50 ms apart"),
    ("paced", "peak_mb", 150.0, "... peak memory of the daemon"),
    ("paced", "first_token_p99_ms", 50.0, "... first token to its progress event, p99"),
    ("full", "tokens_per_s", 119999, "64 chats without pauses"),
]


class GoalsTest(unittest.TestCase):
    def test_at_the_bounds_all_are_met(self):
        table = run.table(AT_THE_BOUNDS)
        self.assertEqual(table.missed, [])
        self.assertIn(f"all {len(WORSE)} goals are met", table.summary())

    def test_each_one_can_be_missed(self):
        for name, key, value, row in WORSE:
            worse = {**AT_THE_BOUNDS}
            worse[name] = value if key is None else {**AT_THE_BOUNDS[name], key: value}
            missed = run.table(worse).missed
            self.assertEqual(len(missed), 1, (name, missed))
            self.assertTrue(missed[0].startswith(row), (row, missed))

    def test_what_was_not_measured_has_no_rows(self):
        only = {key: value for key, value in AT_THE_BOUNDS.items() if key.startswith(("paced", "full"))}
        self.assertIn("all 4 goals are met", run.table(only).summary())

    def test_a_limit_that_was_not_measured_meets_nothing(self):
        table = goals.Table()
        table.add("x", 5, "/s", goals.ratio_at_least(0.5))
        self.assertEqual(table.missed, ["x"])


if __name__ == "__main__":
    unittest.main()
