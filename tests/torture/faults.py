# SPDX-License-Identifier: Apache-2.0
"""What befalls a daemon.  Conditions last for a round, events strike in the middle of it."""
import os
import shutil
import signal
import subprocess
import time

import power_cut
from daemon import wait_until


class Torturer:
    """Does one round after the other; `history` gets what the checker has to know."""

    def __init__(self, daemon, history, random, small_disk, only=()):
        self.daemon = daemon
        self.history = history
        self.random = random
        self.small_disk = small_disk
        self.done = {}  # how often each fault was made
        self.conditions = [self.slow_disk, self.write_errors, self.sync_errors, self.full_disk, self.wrong_clock]
        self.events = [self.kill, self.kill, self.kill_while_it_starts, self.stop_and_start, self.freeze,
                       self.kill_children, self.freeze_child, self.power_cut, self.power_cut,
                       self.second_daemon, self.backup]
        if only:
            self.conditions = [fault for fault in self.conditions if fault.__name__ in only]
            self.events = [fault for fault in self.events if fault.__name__ in only]

    def count(self, name):
        self.done[name] = self.done.get(name, 0) + 1

    def pause(self, least, most):
        time.sleep(self.random.uniform(least, most))  # lint: sleeps, so long the daemon works

    def round(self):
        """What was wrong with the daemon itself; None: nothing."""
        conditions = self.some_of(self.conditions, [0, 1, 1, 2])
        events = self.some_of(self.events, [1, 1, 2])
        for condition in conditions:
            self.count(condition.__name__)
            condition()
        for event in events:
            self.pause(0.1, 1.0)
            self.count(event.__name__)
            problem = event()
            if problem:
                return problem
        self.pause(0.1, 0.8)
        self.heal()
        return self.expect_service()

    def some_of(self, faults, counts):
        return self.random.sample(faults, min(self.random.choice(counts), len(faults)))

    def heal(self):
        self.heal_disk()
        self.set_clock(0)

    def heal_disk(self):
        self.daemon.control.heal_disk()
        (self.daemon.state / "ballast").unlink(missing_ok=True)

    def expect_service(self):
        if not self.daemon.runs():
            self.note_death()
            return "it ended by itself"
        probe = {"op": "hello.greet", "args": {"name": "are you there"}, "attempts_max": 1000, "priority": 100}

        def is_served():
            status, row = self.daemon.client.ask("POST", "/v1/tasks?wait=5s", probe)
            return status == 201 and row["state"] == "succeeded"
        if not wait_until(is_served, 60, every=0.1):
            return "it did not resume its work within a minute after all faults were over"
        self.restart_plugins()
        return None

    def restart_plugins(self):
        """A plugin that failed too often waits for an operator."""
        status, plugin = self.daemon.client.ask("GET", "/v1/plugins/tortured-apart")
        if status == 200 and plugin["state"] in ("failed", "quarantined"):
            self.daemon.client.ask("POST", "/v1/plugins/tortured-apart/restart")

    def note_death(self):
        self.history.add("died", code=self.daemon.process.returncode)

    def start(self):
        """Starts it again, also when the disk is bad: then it may need several times."""
        def answers():
            if not self.daemon.runs():
                self.daemon.start()
            return self.daemon.wait_answer(5)
        if wait_until(answers, 15, every=0.1):
            return None
        self.heal()
        return None if wait_until(answers, 60, every=0.1) else "it does not come up any more"

    # ---- conditions ------------------------------------------------------------------------------

    def slow_disk(self):
        self.daemon.control.set(slow_us=self.random.choice([500, 5_000, 50_000]))

    def write_errors(self):
        self.daemon.control.set(seed=self.random.getrandbits(32),
                                write_error_permille=self.random.choice([2, 20, 200]))

    def sync_errors(self):
        self.daemon.control.set(seed=self.random.getrandbits(32),
                                sync_error_permille=self.random.choice([5, 50, 300]))

    def full_disk(self):
        if not self.small_disk:
            self.daemon.control.set(full_permille=self.random.choice([20, 300, 1000]))
            return
        with open(self.daemon.state / "ballast", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def wrong_clock(self):
        self.set_clock(self.random.choice([-1, 1]) * self.random.randint(1, 250) * 10**9)

    def set_clock(self, offset):
        if self.daemon.control.get("wall_offset_ns") != offset:
            self.history.add("jump", ns=offset)
            self.daemon.control.set(wall_offset_ns=offset)

    # ---- events ----------------------------------------------------------------------------------

    def note_kill(self):
        self.history.add("kill", pid=self.daemon.process.pid)

    def kill(self):
        for _ in range(self.random.choice([1, 1, 3])):
            self.note_kill()
            self.daemon.kill()
            problem = self.start()
            if problem:
                return problem
            self.pause(0, 0.4)
        return None

    def kill_while_it_starts(self):
        for _ in range(self.random.randint(1, 4)):
            self.note_kill()
            self.daemon.kill()
            self.daemon.start()
            self.pause(0, 0.1)
        return self.start()

    def stop_and_start(self):
        if self.daemon.stop() is None:
            self.note_kill()
        return self.start()

    def freeze(self):
        """Longer than the deadline of a task, at times; meanwhile nobody takes over."""
        self.daemon.signal(signal.SIGSTOP)
        self.pause(0.1, 0.5)
        if self.random.random() < 0.5:
            self.second_daemon()
        self.pause(0.1, self.random.choice([1, 6]))
        self.daemon.signal(signal.SIGCONT)

    def second_daemon(self):
        folder = self.daemon.folder / "second"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        config = self.daemon.config.read_text().replace(f"{self.daemon.folder}/", f"{folder}/")
        config = config.replace("[store]", f'[store]\npath = "{self.daemon.state}/cofounderd.db"')
        (folder / "state").mkdir()
        (folder / "shipped").mkdir()
        shutil.copytree(self.daemon.folder / "plugins", folder / "plugins")
        (folder / "cofounderd.toml").write_text(config)
        try:
            ended = subprocess.run([self.daemon.build / "bin/cofounderd", "--config", folder / "cofounderd.toml"],
                                   capture_output=True, text=True, timeout=30)
            refused = ended.returncode == 1 and "in use" in ended.stderr
        except subprocess.TimeoutExpired:
            refused = False
        self.history.add("second", came_up=not refused)

    def kill_children(self):
        for _ in range(self.random.randint(1, 4)):
            for pid in self.daemon.children():
                self.history.add("kill", pid=pid)
                kill_if_there(pid, signal.SIGKILL)
            self.pause(0.05, 0.6)

    def freeze_child(self):
        for pid in self.daemon.children():
            kill_if_there(pid, signal.SIGSTOP)
            self.pause(0.2, self.random.choice([1, 6]))
            kill_if_there(pid, signal.SIGCONT)

    def power_cut(self):
        """All that was written is in a log; what was synced is there afterwards, and chance decides
        about the rest."""
        self.note_kill()
        self.daemon.kill()
        self.heal_disk()
        self.daemon.log_of_disk.write_bytes(b"")
        before = power_cut.files_of(self.daemon.state)
        self.daemon.control.set(is_logging=1)
        problem = self.start()
        if problem:
            return problem
        self.pause(0.1, 2.0)
        self.note_kill()
        self.daemon.kill()
        self.daemon.control.set(is_logging=0)
        power_cut.cut_power(self.daemon.state, before, self.daemon.log_of_disk.read_bytes(), self.random)
        self.daemon.log_of_disk.write_bytes(b"")
        return self.start()

    def backup(self):
        """While all goes on: a backup that was made is whole."""
        file = self.daemon.folder / "backup.db"
        if self.daemon.backup(file):
            self.history.add("integrity", problems=self.daemon.check_store(file))
        else:
            self.count("backup refused")


def kill_if_there(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
