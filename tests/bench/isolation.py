# SPDX-License-Identifier: Apache-2.0
"""The same plugins in the daemon's process and in processes of their own, side by side.

`daemon` is a function that starts one: daemon(name, settings, plugins, fixtures) as in tests/bench/run.
"""
import http.client
import json
import os
import pathlib
import re
import select
import socket
import statistics
import subprocess
import time

from goals import below, ratio_at_least, ratio_at_most

PLUGINS = ("hello", "metrics", "cloudinary")
ISOLATED = "".join(f'[plugin.{plugin}]\nisolation = "process"\n' for plugin in PLUGINS)
RESTARTS = 15


class Client:
    """One connection that stays, for answers within a fraction of a millisecond."""

    def __init__(self, path):
        self.connection = http.client.HTTPConnection("localhost")
        self.connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connection.sock.connect(str(path))

    def call(self, method, path, body=None):
        self.connection.request(method, path, None if body is None else json.dumps(body))
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text!r}")
        return json.loads(text)

    def plugin(self, name):
        return self.call("GET", f"/v1/plugins/{name}")

    def run(self, op, state="succeeded"):
        task = self.call("POST", "/v1/tasks", {"op": op, "attempts_max": 1})["id"]
        while (seen := self.call("GET", f"/v1/tasks/{task}")["state"]) != state:
            if seen in ("failed", "timed_out", "cancelled"):
                raise RuntimeError(f"{op} {seen}")
            time.sleep(0.001)


def cpu_ns(pid):
    """What the whole process has used, also threads that ended: the kernel's clock of it."""
    return time.clock_gettime_ns(~pid << 3 | 2)


def private_dirty_kb(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"Private_Dirty:\s+(\d+)", text)[1])


def measure_tasks(daemon, load, tasks, count):
    """Tasks per second end to end, in turn, so that what else the machine does hits both alike."""
    figures = {"in_process": [], "isolated": []}
    with daemon("e2e_in_process") as within, daemon("e2e_isolated", ISOLATED) as isolated:
        pair = [("in_process", within), ("isolated", isolated)]
        for turn in range(count):
            for name, one in pair if turn % 2 == 0 else reversed(pair):
                figures[name].append(load(one.socket, "e2e", tasks, 1000, "hello.greet")["per_second"])
    return {name: statistics.median(all_of) for name, all_of in figures.items()}


def measure_idle(daemon, seconds):
    """CPU, in percent of one processor, and memory of those that have worked once and now wait."""
    with daemon("idle_in_process") as within, daemon("idle_isolated", ISOLATED) as isolated:
        pids = {"in_process": within.process.pid, "isolated": isolated.process.pid}
        for one in (within, isolated):
            Client(one.socket).call("POST", "/v1/tasks", {"op": "hello.greet", "args": {"name": "you"}})
        client = Client(isolated.socket)
        children = {name: client.plugin(name)["pid"] for name in PLUGINS}
        del client
        time.sleep(min(3, seconds))  # until what the requests left behind is done
        pids.update(children)
        began, before = time.monotonic_ns(), {name: cpu_ns(pid) for name, pid in pids.items()}
        time.sleep(seconds)
        took = time.monotonic_ns() - began
        used = {name: 100 * (cpu_ns(pid) - before[name]) / took for name, pid in pids.items()}
        dirty = {name: private_dirty_kb(pid) for name, pid in children.items()}
    bare = subprocess.Popen(["sleep", "60"])
    time.sleep(0.1)
    floor = private_dirty_kb(bare.pid)
    bare.kill()
    bare.wait()
    return {"seconds": seconds, "cpu": used, "dirty_kb": dirty, "cpu_of_child": max(used[name] for name in PLUGINS),
            "dirty_kb_of_child": max(dirty.values()), "bare_dirty_kb": floor}


def measure_restarts(daemon, program, times=RESTARTS):
    """Milliseconds from the death of a child that crashed to its plugin being ready again.  Between
    two crashes it works, so that each restart is a first one."""
    starts, took = [], []
    for _ in range(times):
        began = time.monotonic()
        subprocess.run([program], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        starts.append((time.monotonic() - began) * 1000)
    settings = '[plugin.bench]\nisolation = "process"\nrestart_failures_max = 1000\n'
    with daemon("restarts", settings, plugins=(), fixtures=("bench",)) as one:
        client = Client(one.socket)
        for _ in range(times):
            client.run("bench.stamp")
            pid = client.plugin("bench")["pid"]
            dead = select.poll()
            dead.register(os.pidfd_open(pid), select.POLLIN)
            client.call("POST", "/v1/tasks", {"op": "bench.crash", "attempts_max": 1})
            if not dead.poll(10_000):
                raise RuntimeError("the child did not crash")
            began = time.monotonic()
            while True:
                plugin = client.plugin("bench")
                if plugin["state"] == "ready" and plugin["pid"] not in (pid, None):
                    break
                if time.monotonic() > began + 10:
                    raise RuntimeError(f"it does not come back: {plugin}")
                time.sleep(0.0005)
            took.append((time.monotonic() - began) * 1000)
    return {"ms": took, "p50_ms": statistics.median(took), "max_ms": max(took),
            "program_ms": statistics.median(starts)}


def add_rows(rows, r):
    calls, idle, restarts = r["calls"], r["idle_processes"], r["restarts"]
    within, isolated = calls["in_process"], calls["isolated"]
    rows.add("plugin call, one at a time, in-process", within["one_us"], "us", ratio_at_most(1.3),
             within["floor_us"], "us bare two-thread hop")
    rows.add("... isolated", isolated["one_us"], "us", ratio_at_most(1.5), isolated["floor_us"],
             "us bare socketpair ping-pong")
    rows.add("plugin call, 64 in flight, in-process", within["many_us"], "us", below(5, "us"),
             within["floor_us"], "us bare two-thread hop")
    rows.add("... isolated, 64 in flight", isolated["many_us"], "us", below(20, "us"), isolated["floor_us"],
             "us bare socketpair ping-pong")
    rows.add("end to end, isolated", r["e2e_modes"]["isolated"], "tasks/s", ratio_at_least(0.6),
             r["e2e_modes"]["in_process"], "tasks/s in-process")
    rows.add("idle CPU of the daemon, in-process plugins", idle["cpu"]["in_process"], "%", below(0.1, "%"))
    rows.add("... isolated plugins", idle["cpu"]["isolated"], "%", below(0.1, "%"))
    rows.add("... of a child, the busiest of three", idle["cpu_of_child"], "%", below(0.1, "%"))
    rows.add("Private_Dirty of an idle child, the largest of three", idle["dirty_kb_of_child"], "KB",
             below(2048, "KB"), idle["bare_dirty_kb"], "KB of sleep(1)")
    rows.add("crashed child to ready, p50", restarts["p50_ms"], "ms", below(50, "ms"), restarts["program_ms"],
             "ms start of its program alone")
    rows.add(f"crashed child to ready, longest of {len(restarts['ms'])}", restarts["max_ms"], "ms", below(50, "ms"))
