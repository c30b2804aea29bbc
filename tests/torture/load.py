# SPDX-License-Identifier: Apache-2.0
"""The history, and the clients that make it: they submit, cancel, retry and look, at random."""
import json
import random
import threading

from checker import OVER
from daemon import Client, boot_ns

# Plugin, how its work goes, how often of a hundred, and milliseconds at most.
WORK = [("tortured", "ok", 36, 20), ("tortured", "ok", 5, 700), ("tortured", "ok", 2, 3500), ("tortured", "fail-once", 8, 5),
        ("tortured", "fatal", 3, 0), ("tortured", "hang", 2, 0), ("tortured", "twice", 4, 10),
        ("tortured", "defer", 5, 5), ("tortured-apart", "ok", 20, 30), ("tortured-apart", "ok", 4, 700),
        ("tortured-apart", "fail-once", 4, 5), ("tortured-apart", "twice", 2, 10),
        ("tortured-apart", "defer", 2, 5), ("tortured-apart", "hang", 2, 0),
        ("tortured-apart", "crash", 1, 0)]


class History:
    """Events, one JSON object a line in a file; any thread may add."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")
        self.lock = threading.Lock()
        self.numbers = 0

    def add(self, kind, **fields):
        with self.lock:
            self.file.write(json.dumps({"e": kind, **fields}) + "\n")

    def next_number(self):
        with self.lock:
            self.numbers += 1
            return self.numbers

    def close(self):
        self.file.close()


class Submitter(threading.Thread):
    def __init__(self, socket, history, seed, pause):
        super().__init__(daemon=True)
        self.client = Client(socket)
        self.history = history
        self.random = random.Random(seed)
        self.pause = pause  # seconds between two requests at most
        self.mine = []      # ids, and whether they have a unique key
        self.stopping = threading.Event()
        self.acknowledged = 0

    def run(self):
        actions = [(self.submit, 55), (self.submit_many, 8), (self.submit_unique, 14), (self.greet, 5),
                   (self.look, 10), (self.cancel, 5), (self.retry, 3)]
        while not self.stopping.wait(self.random.uniform(0, self.pause)):
            self.random.choices([a for a, _ in actions], [weight for _, weight in actions])[0]()

    def stop(self):
        self.stopping.set()
        self.join()
        self.client.close()

    def new_task(self):
        plugin, how, _, ms_max = self.random.choices(WORK, [weight for _, _, weight, _ in WORK])[0]
        is_long = ms_max > 1000  # longer than a daemon that is told to stop waits for it
        task = {"op": plugin + ".work", "timeout": "1s" if how == "hang" else "8s" if is_long else "4s",
                "args": {"n": self.history.next_number(), "ms": self.random.randint(0, ms_max), "how": how},
                "attempts_max": 1 if how == "ok" and self.random.random() < (0.5 if is_long else 0.1)
                else 1000}
        if self.random.random() < 0.15:
            task["delay"] = f"{self.random.randint(1, 3000)}ms"
        if self.random.random() < 0.1:
            task["queue"] = "narrow"
        task["priority"] = self.random.randint(-100, 100)
        return task

    def acknowledge(self, task, row, new, sent):
        args = task["args"]
        self.history.add("submit", id=row["id"], new=new, key=task.get("unique_key"), n=args.get("n", 0),
                         how=args.get("how", "ok"), op=task["op"], attempts_max=task["attempts_max"],
                         sent=sent, acked=boot_ns())
        self.mine.append((row["id"], "unique_key" in task))
        self.acknowledged += 1

    def send(self, task):
        wait = "?wait=300ms" if self.random.random() < 0.1 else ""
        sent = boot_ns()
        status, row = self.client.ask("POST", "/v1/tasks" + wait, task)
        if status in (200, 201):
            self.acknowledge(task, row, status == 201, sent)

    def submit(self):
        self.send(self.new_task())

    def submit_unique(self):
        task = self.new_task()
        task["unique_key"] = f"key-{self.random.randint(1, 6)}"
        self.send(task)

    def submit_many(self):
        tasks = [self.new_task() for _ in range(self.random.randint(2, 20))]
        sent = boot_ns()
        status, rows = self.client.ask("POST", "/v1/tasks", tasks)
        if status == 201:
            for task, row in zip(tasks, rows):
                self.acknowledge(task, row, True, sent)

    def greet(self):
        name = f"somebody {self.history.next_number()}"
        self.send({"op": "hello.greet", "args": {"name": name}, "attempts_max": 1000})

    def look(self):
        if not self.mine:
            return
        task, _ = self.random.choice(self.mine)
        sent = boot_ns()
        status, record = self.client.ask("GET", "/v1/tasks/" + task)
        if status in (200, 404):
            self.history.add("get", id=task, status=status, state=record.get("state"), sent=sent,
                             acked=boot_ns())

    def cancel(self):
        if not self.mine:
            return
        task, _ = self.random.choice(self.mine[-20:])
        # Asked for, whether the answer comes or not.
        self.history.add("cancel", id=task, state=None, sent=boot_ns(), acked=boot_ns())
        sent = boot_ns()
        status, record = self.client.ask("POST", f"/v1/tasks/{task}/cancel")
        if status == 200:
            self.history.add("cancel", id=task, state=record["state"], sent=sent, acked=boot_ns())

    def retry(self):
        if not self.mine:
            return
        task, has_key = self.random.choice(self.mine)
        status, record = self.client.ask("GET", "/v1/tasks/" + task)
        if status != 200 or has_key or record["state"] not in OVER:
            return
        sent = boot_ns()
        status, _ = self.client.ask("POST", f"/v1/tasks/{task}/retry")
        # An answer that did not come may be a retry, too: it is noted with a number that proves nothing.
        if status in (0, 200):
            self.history.add("retry", id=task, attempt=record["attempt"] if status == 200 else -1,
                             sent=sent, acked=boot_ns())
