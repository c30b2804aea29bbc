#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checker finds nothing in a history that may be, and each defect in one that may not."""
import copy
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import checker  # noqa: E402
import json  # noqa: E402
import power_cut  # noqa: E402


def record(task, state="succeeded", attempt=1, **more):
    rows = [{"attempt": i + 1, "outcome": "lost"} for i in range(attempt - 1)]
    rows.append({"attempt": attempt, "outcome": state if state in ("succeeded", "failed") else "failed"})
    return {"id": task, "state": state, "op": "tortured.work", "attempt": attempt, "attempts": rows,
            "args": {}, "result": None, "submitted_at": "2026-01-01T00:00:00.000Z",
            "ended_at": "2026-01-01T00:00:01.000Z", "run_at": "2026-01-01T00:00:00.000Z", **more}


def submit(task, sent=0, key=None, new=True, how="ok", attempts_max=1000, n=7):
    return {"e": "submit", "id": task, "new": new, "key": key, "n": n, "how": how, "op": "tortured.work",
            "attempts_max": attempts_max, "sent": sent, "acked": sent + 5}


def run_of(task, nonce, start, end=None, good=True, pid=100):
    events = [{"e": "s", "task": task, "nonce": nonce, "pid": pid, "at": start}]
    if end is not None:
        events.append({"e": "e", "task": task, "nonce": nonce, "good": good, "at": end})
    return events


def good_history():
    """A task that was killed once and then succeeded, and one of each other kind."""
    return [
        submit("a"), *run_of("a", "a1", 10), {"e": "alive", "pid": 100, "until": 15}, {"e": "kill", "pid": 100},
        *run_of("a", "a2", 20, 30, pid=101),
        {"e": "task", "record": record("a", attempt=2, result={"n": 7, "nonce": "a2"})},
        {"e": "get", "id": "a", "status": 200, "state": "running", "sent": 12, "acked": 13},
        {"e": "get", "id": "a", "status": 200, "state": "succeeded", "sent": 40, "acked": 41},
        submit("f", how="fatal"), *run_of("f", "f1", 10, 11, good=False),
        {"e": "task", "record": record("f", "failed")},
        submit("c"), {"e": "cancel", "id": "c", "state": "cancelled", "sent": 6, "acked": 7},
        {"e": "task", "record": record("c", "cancelled", attempts=[], attempt=0)},
        submit("r"), *run_of("r", "r1", 10, 11), {"e": "retry", "id": "r", "attempt": 1, "sent": 20, "acked": 21},
        *run_of("r", "r2", 30, 31),
        {"e": "task", "record": record("r", attempt=2, result={"n": 7, "nonce": "r2"})},
        submit("k1", sent=0, key="k"), *run_of("k1", "k1", 10, 11), submit("k1", sent=8, key="k", new=False),
        {"e": "task", "record": record("k1", unique_key="k", result={"n": 7, "nonce": "k1"})},
        submit("k2", sent=20, key="k"), *run_of("k2", "k2", 30, 31),
        {"e": "task", "record": record("k2", unique_key="k", result={"n": 7, "nonce": "k2"},
                                       submitted_at="2026-01-01T00:00:01.000Z",
                                       ended_at="2026-01-01T00:00:02.000Z")},
        {"e": "task", "record": record("h", op="hello.greet", args={"name": "x"},
                                       result={"greeting": "Hello, x!"})},
        {"e": "schedule", "record": {"name": "all", "missed": "all", "created_at": "2026-01-01T00:00:00.500Z",
                                     "last_fired": "2026-01-01T00:00:02.000Z"}},
        *[event for i in (1, 2) for event in (
            *run_of(f"t{i}", f"t{i}", 50 + i, 60),
            {"e": "task", "record": record(f"t{i}", schedule="all", run_at=f"2026-01-01T00:00:0{i}.000Z",
                                           result={"n": 0, "nonce": f"t{i}"})})],
        {"e": "second", "came_up": False}, {"e": "integrity", "problems": []},
    ]


def broken_rules(events):
    return {rule for rule, _ in checker.check(events)}


class Checker(unittest.TestCase):
    def setUp(self):
        self.events = copy.deepcopy(good_history())

    def task(self, name):
        return next(e["record"] for e in self.events if e["e"] == "task" and e["record"]["id"] == name)

    def drop(self, condition):
        before = len(self.events)
        self.events = [event for event in self.events if not condition(event)]
        self.assertLess(len(self.events), before)

    def expect(self, *rules):
        self.assertEqual(broken_rules(self.events), set(rules))

    def test_a_good_history_is_good(self):
        self.assertEqual(checker.check(self.events), [])

    def test_an_acknowledged_task_that_is_lost(self):
        self.drop(lambda e: e["e"] == "task" and e["record"]["id"] == "f")
        self.expect("nothing_acknowledged_is_lost", "attempts_are_claimed")

    def test_a_task_that_was_unknown_for_a_moment(self):
        self.events.append({"e": "get", "id": "a", "status": 404, "state": None, "sent": 50, "acked": 51})
        self.expect("what_was_seen_stays")

    def test_an_end_that_was_seen_and_is_undone(self):
        self.events.append({"e": "get", "id": "a", "status": 200, "state": "ready", "sent": 50, "acked": 51})
        self.expect("what_was_seen_stays")

    def test_an_end_that_was_seen_and_became_another(self):
        self.events.append({"e": "get", "id": "f", "status": 200, "state": "timed_out", "sent": 50, "acked": 51})
        self.expect("what_was_seen_stays")

    def test_a_cancellation_that_is_lost(self):
        self.task("c").update(state="succeeded", op="other.work", attempt=1,
                              attempts=[{"attempt": 1, "outcome": "succeeded"}])
        self.expect("nothing_acknowledged_is_lost")

    def test_a_retry_that_is_lost(self):
        self.task("r").update(attempt=1, result={"n": 7, "nonce": "r1"})
        self.drop(lambda e: e.get("nonce") == "r2")
        self.expect("nothing_acknowledged_is_lost")

    def test_a_task_that_never_ends(self):
        self.task("h").update(state="ready", result=None)
        self.expect("tasks_end_as_they_should")

    def test_a_task_that_is_cancelled_by_nobody(self):
        self.task("h").update(state="cancelled", result=None)
        self.expect("tasks_end_as_they_should")

    def test_a_task_that_fails_with_attempts_left(self):
        self.task("a").update(state="failed", result=None)
        self.expect("tasks_end_as_they_should", "what_was_seen_stays")

    def test_a_task_that_must_fail_and_succeeds(self):
        self.task("f").update(state="succeeded", result={"n": 7, "nonce": "f1"})
        self.task("f")["attempts"][0]["outcome"] = "succeeded"
        self.expect("tasks_end_as_they_should", "results_are_of_the_newest_attempt")

    def test_an_only_attempt_that_was_burnt_without_a_kill(self):
        self.events += [submit("o", attempts_max=1), {"e": "task", "record": record("o", "failed")}]
        self.expect()
        self.drop(lambda e: e["e"] == "kill")
        self.expect("tasks_end_as_they_should")

    def test_two_attempts_at_once_by_their_ends(self):
        self.events += run_of("h", "h1", 10, 40) + run_of("h", "h2", 30, 50)
        self.task("h").update(attempt=2)
        self.expect("attempts_do_not_overlap")

    def test_two_attempts_at_once_because_a_process_lives_on(self):
        self.events.append({"e": "alive", "pid": 100, "until": 21})
        self.expect("attempts_do_not_overlap")

    def test_an_attempt_that_nobody_claimed(self):
        self.events += run_of("c", "c1", 4, 5)
        self.expect("attempts_are_claimed")

    def test_a_number_of_an_attempt_that_comes_twice(self):
        self.task("a")["attempts"][0]["attempt"] = 2
        self.expect("attempts_are_claimed")

    def test_a_completion_that_is_recorded_twice(self):
        self.task("a")["attempts"][0]["outcome"] = "succeeded"
        self.expect("completions_are_recorded_once")

    def test_a_completion_of_a_stale_attempt(self):
        self.task("h").update(op="tortured.work", attempt=2, result={"n": 0, "nonce": "h1"})
        self.events += run_of("h", "h1", 10, 20) + run_of("h", "h2", 30, 40)
        self.expect("results_are_of_the_newest_attempt")

    def test_a_result_that_nobody_gave(self):
        self.task("a")["result"] = {"n": 7, "nonce": "the second end"}
        self.expect("results_are_of_the_newest_attempt")

    def test_a_result_of_an_attempt_that_failed(self):
        for event in self.events:
            if event["e"] == "e" and event["nonce"] == "a2":
                event["good"] = False
        self.expect("results_are_of_the_newest_attempt")

    def test_a_result_of_another_task(self):
        self.task("a")["result"]["n"] = 8
        self.expect("results_are_of_the_newest_attempt")

    def test_a_task_whose_maker_got_no_answer_is_known_by_a_duplicate_only(self):
        self.events += [submit("u", key="x", new=False, n=8, how="fatal"), *run_of("u", "u1", 10, 11),
                        {"e": "task", "record": record("u", unique_key="x", result={"n": 7, "nonce": "u1"})}]
        self.expect()

    def test_a_wrong_greeting(self):
        self.task("h")["result"]["greeting"] = "Hello, y!"
        self.expect("greetings_are_right")

    def test_two_living_tasks_with_one_key(self):
        for event in self.events:  # k1 is still to run when k2 is made
            if event["e"] == "s" and event["nonce"] == "k1":
                event["at"] = 35
            if event["e"] == "e" and event["nonce"] == "k1":
                event["at"] = 36
        self.expect("unique_keys_hold")

    def test_two_living_tasks_with_one_key_by_the_daemons_clock(self):
        self.task("k2")["submitted_at"] = "2026-01-01T00:00:00.999Z"
        self.expect("unique_keys_hold")
        self.events.append({"e": "jump", "ns": 1})  # then that clock says nothing
        self.expect()

    def test_a_key_that_is_answered_with_a_task_of_another(self):
        self.events.append(submit("a", key="k", new=False))
        self.expect("unique_keys_hold")

    def test_a_due_time_that_fires_twice(self):
        self.events += run_of("t3", "t3", 60, 61)
        twice = record("t3", schedule="all", run_at="2026-01-01T00:00:02.000Z", result={"n": 0, "nonce": "t3"})
        self.events.append({"e": "task", "record": twice})
        self.expect("schedules_fire_once_for_each_due_time")

    def test_a_due_time_that_is_missed(self):
        self.drop(lambda e: e["e"] == "task" and e["record"]["id"] == "t1")
        self.drop(lambda e: e.get("task") == "t1")
        self.expect("schedules_fire_once_for_each_due_time")

    def test_a_schedule_that_may_skip(self):
        self.drop(lambda e: e["e"] == "task" and e["record"]["id"] == "t1")
        self.drop(lambda e: e.get("task") == "t1")
        next(e for e in self.events if e["e"] == "schedule")["record"]["missed"] = "skip"
        self.expect()

    def test_daemons_that_misbehave(self):
        for event in ({"e": "second", "came_up": True}, {"e": "died", "code": -6},
                      {"e": "integrity", "problems": ["row 3 missing from index"]}):
            self.assertEqual(broken_rules(self.events + [event]), {"daemons_behave"})

    def test_a_cut_line_of_a_journal(self):
        events = list(checker.journal_events("s a a1 100 10\ne a a1 ok 20\ns a a2 1"))
        self.assertEqual([e["e"] for e in events], ["s", "e"])
        self.assertTrue(events[1]["good"])

    def test_the_program(self):
        for events, code in ((self.events, 0), (self.events[1:] + [{"e": "died", "code": 1}], 1)):
            with tempfile.TemporaryDirectory() as folder:
                lines = "".join(json.dumps(event) + "\n" for event in events)
                (pathlib.Path(folder) / "history.jsonl").write_text(lines)
                program = pathlib.Path(checker.__file__)
                ended = subprocess.run([sys.executable, program, folder], capture_output=True, text=True)
                self.assertEqual(ended.returncode, code, ended.stdout + ended.stderr)


def log_of(*changes):
    log = b""
    for kind, name, offset, data in changes:
        log += power_cut.HEAD.pack(kind, len(name), offset, len(data)) + name.encode() + data
    return log


class PowerCut(unittest.TestCase):
    def disk(self, log, **files):
        disk = power_cut.Disk(files)
        disk.replay(log)
        return disk

    def images(self, disk, name):
        return {bytes(disk.after_power_cut(random.Random(seed))[name]) for seed in range(200)}

    def test_what_was_synced_is_there(self):
        disk = self.disk(log_of((power_cut.WRITE, "db", 2, b"new"), (power_cut.SYNC, "db", 0, b"")), db=b"_old_")
        self.assertEqual(self.images(disk, "db"), {b"_onew"})

    def test_what_was_not_may_be_there_or_not(self):
        disk = self.disk(log_of((power_cut.WRITE, "db", 0, b"new")), db=b"old")
        self.assertEqual(self.images(disk, "db"), {b"old", b"new"})

    def test_a_sync_is_of_one_file(self):
        disk = self.disk(log_of((power_cut.WRITE, "db", 0, b"new"), (power_cut.SYNC, "wal", 0, b"")), db=b"old")
        self.assertEqual(self.images(disk, "db"), {b"old", b"new"})

    def test_a_write_may_be_torn(self):
        disk = self.disk(log_of((power_cut.WRITE, "db", 0, b"n" * 1024)), db=b"o" * 1024)
        self.assertIn(b"o" * 512 + b"n" * 512, self.images(disk, "db"))

    def test_truncations_and_removals(self):
        disk = self.disk(log_of((power_cut.TRUNCATE, "db", 1, b""), (power_cut.REMOVE, "wal", 0, b"")),
                         db=b"old", wal=b"wal")
        self.assertEqual(self.images(disk, "db"), {b"old", b"o"})
        self.assertNotIn("wal", disk.after_power_cut(random.Random(1)))

    def test_the_cut_record_of_a_kill_is_no_record(self):
        log = log_of((power_cut.WRITE, "db", 0, b"one"), (power_cut.SYNC, "db", 0, b""),
                     (power_cut.WRITE, "db", 0, b"two"))
        disk = self.disk(log[:-1], db=b"old")
        self.assertEqual(self.images(disk, "db"), {b"one"})


if __name__ == "__main__":
    unittest.main()
