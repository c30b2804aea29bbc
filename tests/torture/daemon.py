# SPDX-License-Identifier: Apache-2.0
"""A real daemon in a folder of its own, that can be killed, frozen, and given a bad disk."""
import http.client
import json
import mmap
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

PLUGINS = ["plugins/hello.so", "fixtures/tortured.so", "fixtures/tortured-apart.so"]
CONFIG = """
stop_timeout = "5s"
[paths]
state = "{folder}/state"
scratch = "{folder}/scratch"
[store]
{store}
[scheduler]
running_max = 64
retry_first = "5ms"
retry_most = "200ms"
[scheduler.queues]
narrow = 2
[control]
socket = "{folder}/control.sock"
group = ""
[control.access]
admin = ["{user}"]
operate = []
[plugins]
directories = ["{folder}/shipped", "{folder}/plugins"]
isolation = "in-process"
[plugin.tortured-apart]
isolation = "process"
[log]
target = "stderr"
"""


def boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def wait_until(is_true, seconds, every=0.01):
    """What `is_true` said last."""
    end = time.monotonic() + seconds
    while True:
        value = is_true()
        if value or time.monotonic() >= end:
            return value
        time.sleep(every)  # lint: sleeps, it polls another process


class Control:
    """The page that disk.c looks at; see its struct control."""
    FIELDS = {"wall_offset_ns": (0, "<q"), "slow_us": (8, "<I"), "write_error_permille": (12, "<I"),
              "sync_error_permille": (16, "<I"), "full_permille": (20, "<I"), "is_logging": (24, "<I"),
              "seed": (28, "<I"), "faults": (32, "<Q")}

    def __init__(self, path):
        path.write_bytes(bytes(4096))
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 4096)

    def set(self, **fields):
        for name, value in fields.items():
            at, form = self.FIELDS[name]
            struct.pack_into(form, self.page, at, value)

    def get(self, name):
        at, form = self.FIELDS[name]
        return struct.unpack_from(form, self.page, at)[0]

    def heal_disk(self):
        self.set(slow_us=0, write_error_permille=0, sync_error_permille=0, full_permille=0)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client:
    """One connection, made again when it broke.  ask() gives (status, JSON), or (0, None) when there
    was no answer: then nobody knows what became of the request."""

    def __init__(self, path, timeout=30):
        self.path = path
        self.timeout = timeout
        self.connection = None

    def ask(self, method, target, body=None):
        try:
            if self.connection is None:
                self.connection = UnixConnection(self.path, self.timeout)
            data = None if body is None else json.dumps(body, separators=(",", ":"))
            self.connection.request(method, target, data)
            answer = self.connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return 0, None

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Daemon:
    def __init__(self, build, folder, store, disk_library):
        self.build = pathlib.Path(build)
        self.folder = folder
        self.state = folder / "state"
        self.process = None
        self.journals = 0
        self.disk_library = disk_library
        for name in ("state", "scratch", "plugins", "shipped"):
            (folder / name).mkdir(parents=True)
        for file in PLUGINS:
            shutil.copy(self.build / file, folder / "plugins")
        self.control = Control(folder / "control.page")
        self.log_of_disk = folder / "disk.log"
        self.config = folder / "cofounderd.toml"
        kind = 'kind = "sqlite"' if store == "sqlite" else f'kind = "postgres"\ndsn = "{store}"'
        user = "root" if os.getuid() == 0 else os.environ["USER"]
        self.config.write_text(CONFIG.format(folder=folder, store=kind, user=user))
        self.socket = folder / "control.sock"
        self.client = Client(self.socket, timeout=10)

    def environment(self):
        more = {"LD_PRELOAD": str(self.disk_library), "TORTURE_CONTROL": str(self.folder / "control.page"),
                "TORTURE_DISK": str(self.state), "TORTURE_LOG": str(self.log_of_disk)}
        asan = os.environ.get("ASAN_OPTIONS", "")
        more["ASAN_OPTIONS"] = asan + (":" if asan else "") + "verify_asan_link_order=0"
        return dict(os.environ, **more)

    def start(self):
        self.keep_journals()
        with open(self.folder / "daemon.log", "ab") as log:
            self.process = subprocess.Popen([self.build / "bin/cofounderd", "--config", self.config],
                                            env=self.environment(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)

    def wait_answer(self, seconds=60):
        """Whether it answers, be it that its store is away."""
        def is_there():
            return not self.runs() or self.client.ask("GET", "/v1/health")[0] != 0
        return wait_until(is_there, seconds) and self.runs()

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        if self.runs():
            self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=30):
        """Its exit code after SIGTERM; None: it had to be killed."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def keep_journals(self):
        """Names for the plugins' journals that the next start does not remove."""
        for path in (self.folder / "scratch/task").glob("*/journal"):
            kept = {journal.stat().st_ino for journal in self.folder.glob("journal-*")}
            if path.stat().st_ino not in kept:
                os.link(path, self.folder / f"journal-{self.journals}")
                self.journals += 1

    def children(self):
        """The processes of isolated plugins."""
        return [pid for pid in descendants(self.process.pid) if comm_of(pid).startswith("cofounderd-plug")]

    def backup(self, file):
        """Whether it could be made; a bad disk may not let it."""
        made = subprocess.run([self.build / "bin/cofounderctl", "--socket", self.socket, "store", "backup",
                               "--replace", file], capture_output=True, text=True)
        return made.returncode == 0

    def check_store(self, file=None):
        """What is wrong with a file that no daemon uses; its own when none is named."""
        checked = subprocess.run([self.build / "bin/cofounderd", "--check-store",
                                  file or self.state / "cofounderd.db"], capture_output=True, text=True)
        return [] if checked.returncode == 0 else checked.stdout.splitlines() or ["it cannot be checked"]


def comm_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def descendants(pid):
    found = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            children = pathlib.Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
        except OSError:
            continue
        for child in children:
            found.append(int(child))
            found.extend(descendants(int(child)))
    return found


class Watch(threading.Thread):
    """Notes when processes of plugins were seen alive for the last time."""

    def __init__(self, daemon, history):
        super().__init__(daemon=True)
        self.of = daemon
        self.history = history
        self.until = {}
        self.gone = set()
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(0.02):
            if self.of.runs():
                for pid in [self.of.process.pid] + self.of.children():
                    self.until.setdefault(pid, 0)
            for pid in list(self.until):
                if pid in self.gone:
                    continue
                now = boot_ns()  # before the look: it was alive at least until then
                if self.lives(pid):
                    self.until[pid] = now
                else:
                    self.gone.add(pid)

    @staticmethod
    def lives(pid):
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (OSError, IndexError):
            return False
        return state not in ("Z", "X")

    def stop(self):
        self.stopping.set()
        self.join()
        for pid, until in self.until.items():
            if until:
                self.history.add("alive", pid=pid, until=until)
