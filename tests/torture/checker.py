#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Decides whether a history of cofounderd under faults is one that may be.

  checker.py FOLDER     reads FOLDER/history.jsonl, prints what is wrong, ends with 1 when anything is

A history is a list of events, one JSON object a line; "e" says which.  All times are nanoseconds of
CLOCK_BOOTTIME, which nobody sets; those that end in _ms are the daemon's, by its wall clock.
  submit   id, new, key, n, how, op, attempts_max, sent, acked    an acknowledged submission
  cancel   id, state, sent, acked                                 the answer to a cancellation
  retry    id, attempt, sent, acked                               an acknowledged retry
  get      id, status, state, sent, acked                         what a client saw of a task
  s        task, nonce, pid, at          an attempt begins    } written by the plugin, before it does
  e        task, nonce, good, at         ... and ends         } what it says
  alive    pid, until                    the last time that a process of a plugin was seen alive
  kill     pid                           we killed it, or the machine lost its power
  jump     ns                            the wall clock was set
  second   came_up                       a second daemon was started on the same store
  died     code                          a daemon ended that nobody had told to
  integrity problems                     what `cofounderctl store check` said in the end
  task     record                        a task in the end, as GET /v1/tasks/{id} shows it
  schedule record                        a schedule in the end: each whole second is a due time
"""
import collections
import dataclasses
import datetime
import json
import pathlib
import sys

OVER = {"succeeded", "failed", "cancelled", "timed_out"}


@dataclasses.dataclass
class Attempt:
    nonce: str
    pid: int
    start: int
    end: int | None = None  # when it was about to say how it ended
    good: bool = False


class World:
    """The events by kind, and the attempts of each task in the order of their starts."""

    def __init__(self, events):
        self.by_kind = collections.defaultdict(list)
        for event in events:
            self.by_kind[event["e"]].append(event)
        self.tasks = {e["record"]["id"]: e["record"] for e in self.by_kind["task"]}
        # Only who made a task knows what was asked for: a duplicate by its key may say otherwise.
        self.submits = {event["id"]: event for event in self.by_kind["submit"] if event["new"]}
        self.alive_until = {}
        for event in self.by_kind["alive"]:
            self.alive_until[event["pid"]] = max(event["until"], self.alive_until.get(event["pid"], 0))
        self.cancel_asked = {e["id"] for e in self.by_kind["cancel"]}
        self.retry_asked = {e["id"] for e in self.by_kind["retry"]}
        self.attempts = self._attempts()

    def _attempts(self):
        by_nonce = {}
        attempts = collections.defaultdict(list)
        for event in self.by_kind["s"]:
            attempt = Attempt(event["nonce"], event["pid"], event["at"])
            by_nonce[event["nonce"]] = attempt
            attempts[event["task"]].append(attempt)
        for event in self.by_kind["e"]:
            if event["nonce"] in by_nonce:
                by_nonce[event["nonce"]].end = event["at"]
                by_nonce[event["nonce"]].good = event["good"]
        for of_task in attempts.values():
            of_task.sort(key=lambda attempt: attempt.start)
        return attempts

    def last_alive(self, attempt):
        """The last moment at which this attempt ran for sure."""
        if attempt.end is not None:
            return attempt.end
        return max(attempt.start, self.alive_until.get(attempt.pid, 0))


# ---- the rules: each yields what is wrong --------------------------------------------------------

def nothing_acknowledged_is_lost(world):
    for submit in world.by_kind["submit"]:
        if submit["id"] not in world.tasks:
            yield f"task {submit['id']} was acknowledged and is lost"
    for cancel in world.by_kind["cancel"]:
        task = world.tasks.get(cancel["id"])
        if cancel["state"] != "cancelled" or task is None or cancel["id"] in world.retry_asked:
            continue
        if task["state"] != "cancelled":
            yield f"task {cancel['id']} was cancelled, and is {task['state']}"
    for retry in world.by_kind["retry"]:
        task = world.tasks.get(retry["id"])
        if task is None or retry["id"] in world.cancel_asked:
            continue
        if task["attempt"] <= retry["attempt"]:
            yield f"task {retry['id']} was to be tried again after attempt {retry['attempt']}, and was not"


def what_was_seen_stays(world):
    over_since = {}
    for get in sorted(world.by_kind["get"], key=lambda get: get["acked"]):
        if get["status"] == 404:
            yield f"task {get['id']} was acknowledged, and later it was unknown"
        if get["status"] != 200 or get["id"] in world.retry_asked:
            continue
        before = over_since.get(get["id"])
        if before is not None and get["sent"] > before[0] and get["state"] != before[1]:
            yield f"task {get['id']} was {before[1]}, and later {get['state']}"
        if get["state"] in OVER and before is None:
            over_since[get["id"]] = (get["acked"], get["state"])
    for task, (_, state) in over_since.items():
        if task in world.tasks and world.tasks[task]["state"] != state:
            yield f"task {task} was {state}, and in the end {world.tasks[task]['state']}"


def tasks_end_as_they_should(world):
    for task in world.tasks.values():
        state = task["state"]
        submit = world.submits.get(task["id"])
        if state not in OVER:
            yield f"task {task['id']} never ended: it is {state}"
        elif state == "cancelled":
            if task["id"] not in world.cancel_asked:
                yield f"task {task['id']} was cancelled by nobody"
        elif submit is None:
            continue  # its acknowledgement did not arrive, or a schedule made it
        elif submit["how"] == "fatal":
            if state != "failed":
                yield f"task {task['id']} was to fail, and is {state}"
        elif submit["attempts_max"] > 1:
            if state != "succeeded":
                yield f"task {task['id']} had attempts left, and is {state}"
        elif (submit["how"] == "ok" and submit["op"] == "tortured.work" and state == "failed"
              and not world.by_kind["kill"]):  # an isolated plugin is killed by its own crashes, too
            yield f"task {task['id']} lost its only attempt although nothing was killed"


def attempts_do_not_overlap(world):
    for task, attempts in world.attempts.items():
        for earlier, later in zip(attempts, attempts[1:]):
            if world.last_alive(earlier) > later.start:
                yield f"task {task}: two attempts at once, {earlier.nonce} and {later.nonce}"


def attempts_are_claimed(world):
    for task, attempts in world.attempts.items():
        record = world.tasks.get(task)
        if record is None:
            yield f"task {task} was run, and is not in the store"
        elif len(attempts) > record["attempt"]:
            yield f"task {task} was begun {len(attempts)} times with {record['attempt']} claims"
    for task in world.tasks.values():
        numbers = [attempt["attempt"] for attempt in task.get("attempts", [])]
        if any(a >= b for a, b in zip(numbers, numbers[1:])):
            yield f"task {task['id']}: the numbers of its attempts are {numbers}"


def completions_are_recorded_once(world):
    for task in world.tasks.values():
        if task["id"] in world.retry_asked:
            continue
        ends = [a for a in task.get("attempts", []) if a["outcome"] == "succeeded"]
        if task["state"] == "succeeded" and len(ends) != 1:
            yield f"task {task['id']} succeeded {len(ends)} times"


def results_are_of_the_newest_attempt(world):
    for task in world.tasks.values():
        if task["state"] != "succeeded" or not task["op"].startswith("tortured"):
            continue
        result = task.get("result") or {}
        attempts = world.attempts.get(task["id"], [])
        winner = next((a for a in attempts if a.nonce == result.get("nonce")), None)
        if winner is None:
            yield f"task {task['id']}: its result is of an attempt that never ran: {result}"
        elif not winner.good:
            yield f"task {task['id']}: its result is of an attempt that did not end well: {winner.nonce}"
        elif winner is not attempts[-1]:
            yield (f"task {task['id']}: a completion of the stale attempt {winner.nonce} was accepted, "
                   f"the newest is {attempts[-1].nonce}")
        submit = world.submits.get(task["id"])
        if winner is not None and submit is not None and result.get("n") != submit["n"]:
            yield f"task {task['id']} was asked for {submit['n']}, and its result is {result.get('n')}"


def greetings_are_right(world):
    for task in world.tasks.values():
        if task["op"] != "hello.greet" or task["state"] != "succeeded":
            continue
        name = task["args"]["name"]
        if task["result"] != {"greeting": f"Hello, {name}!"}:
            yield f"task {task['id']}: {name} was greeted with {task['result']}"


def unique_keys_hold(world):
    by_key = collections.defaultdict(list)
    for submit in world.by_kind["submit"]:
        if submit["key"] is None:
            continue
        task = world.tasks.get(submit["id"])
        if task is not None and task.get("unique_key") != submit["key"]:
            yield f"task {submit['id']} was the answer to key {submit['key']}, and has another one"
        if submit["new"]:
            by_key[submit["key"]].append(submit)
    for key, submits in by_key.items():
        for first in submits:
            starts = [attempt.start for attempt in world.attempts.get(first["id"], [])]
            lived_until = max(starts, default=0)  # it was alive then
            for second in submits:
                is_other = second["id"] != first["id"]
                if is_other and first["acked"] < second["sent"] and second["acked"] < lived_until:
                    yield f"key {key}: {second['id']} was made while {first['id']} was alive"
    if not world.by_kind["jump"]:
        yield from _unique_by_the_daemons_clock(world)


def _unique_by_the_daemons_clock(world):
    lives = collections.defaultdict(list)
    for task in world.tasks.values():
        if task.get("unique_key") and task.get("ended_at") and task["id"] not in world.retry_asked:
            life = (milliseconds(task["submitted_at"]), milliseconds(task["ended_at"]), task["id"])
            lives[task["unique_key"]].append(life)
    for key, of_key in lives.items():
        of_key.sort()
        for (_, end, first), (begin, _, second) in zip(of_key, of_key[1:]):
            if begin < end:
                yield f"key {key}: {first} and {second} lived at once"


def schedules_fire_once_for_each_due_time(world):
    made = collections.defaultdict(list)
    for task in world.tasks.values():
        if task.get("schedule"):
            made[task["schedule"]].append(task)
    for event in world.by_kind["schedule"]:
        record = event["record"]
        tasks = made[record["name"]]
        due = 0
        if record["last_fired"] is not None:
            due = milliseconds(record["last_fired"]) // 1000 - milliseconds(record["created_at"]) // 1000
        if len(tasks) > due:
            yield f"schedule {record['name']} fired {len(tasks)} times for {due} due times"
        if record["missed"] == "all" and len(tasks) < due:
            yield f"schedule {record['name']} fired {len(tasks)} times for {due} due times, and may miss none"


def daemons_behave(world):
    for event in world.by_kind["second"]:
        if event["came_up"]:
            yield "a second daemon came up on a store that is in use"
    for event in world.by_kind["died"]:
        yield f"a daemon ended by itself, with {event['code']}"
    for event in world.by_kind["integrity"]:
        for problem in event["problems"]:
            yield f"the store is not whole: {problem}"


RULES = [
    nothing_acknowledged_is_lost, what_was_seen_stays, tasks_end_as_they_should,
    attempts_do_not_overlap, attempts_are_claimed, completions_are_recorded_once,
    results_are_of_the_newest_attempt, greetings_are_right, unique_keys_hold,
    schedules_fire_once_for_each_due_time, daemons_behave,
]


def check(events):
    """What is wrong, as (name of the rule, sentence)."""
    world = World(events)
    return [(rule.__name__, problem) for rule in RULES for problem in rule(world)]


# ---- reading -------------------------------------------------------------------------------------

def milliseconds(rfc3339):
    time = datetime.datetime.strptime(rfc3339, "%Y-%m-%dT%H:%M:%S.%fZ")
    return round(time.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000)


def journal_events(text):
    """The lines of the plugins' journals; the last one may be cut by a kill."""
    for line in text.splitlines():
        words = line.split()
        if len(words) != 5:
            continue
        if words[0] == "s":
            yield {"e": "s", "task": words[1], "nonce": words[2], "pid": int(words[3]), "at": int(words[4])}
        elif words[0] == "e":
            yield {"e": "e", "task": words[1], "nonce": words[2], "good": words[3] == "ok",
                   "at": int(words[4])}


def read(folder):
    with open(pathlib.Path(folder) / "history.jsonl", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        sys.exit(0 if sys.argv[1:] in (["-h"], ["--help"]) else 64)
    PROBLEMS = check(read(sys.argv[1]))
    for rule_name, sentence in PROBLEMS:
        print(f"{rule_name}: {sentence}")
    print("nothing is wrong" if not PROBLEMS else f"{len(PROBLEMS)} things are wrong")
    sys.exit(1 if PROBLEMS else 0)
