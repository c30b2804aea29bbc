# SPDX-License-Identifier: Apache-2.0
"""What is tested under systemd: rows, in order, each of which begins where the last one ended."""
import dataclasses
import datetime
import json
import pathlib
import re
import subprocess
import threading
import time

from container import Container, wait_until

UNIT = "cofounderd.service"
SOCKET = "cofounderd.socket"
SECRET = "s3cr3t-0f-th3-t3st-4711"
DATABASE = "/var/lib/cofounderd/cofounderd.db"
ROWS = []


def row(text):
    def add(function):
        ROWS.append((text, function))
        return function
    return add


@dataclasses.dataclass
class World:
    box: Container
    daemon: pathlib.Path
    older: pathlib.Path
    sdk: pathlib.Path
    worker: pathlib.Path
    source: pathlib.Path

    def ctl(self, *words, **options):
        return self.box.run("cofounderctl", *words, **options)

    def ctl_json(self, *words):
        return json.loads(self.box.must("cofounderctl", "--json", *words))

    def configure(self, text):
        self.box.write("/etc/cofounderd/conf.d/test.toml", text)

    def drop_in(self, name, text):
        path = f"/etc/systemd/system/{UNIT}.d/{name}.conf"
        if text:
            self.box.write(path, "[Service]\n" + text)
        else:
            self.box.must("rm", path)
        self.box.must("systemctl", "daemon-reload")

    def install(self, *packages):
        for package in packages:
            self.box.copy(package, f"/opt/{package.name}")
        return self.box.must("dpkg", "-i", *[f"/opt/{package.name}" for package in packages])

    def submit(self, ms, *more):
        text = self.box.must("cofounderctl", "--json", "task", "submit", "worker.work", "--arg",
                             f"ms:={ms}", *more)
        return json.loads(text)["id"]

    def state_of(self, task):
        return self.ctl_json("task", "show", task)["state"]

    def expect_success(self, tasks, seconds=30):
        for task in tasks:
            wait_until(lambda task=task: self.state_of(task) == "succeeded", seconds)
            shown = self.ctl_json("task", "show", task)
            assert shown["state"] == "succeeded", shown

    def is_active(self):
        return self.box.run("systemctl", "is-active", UNIT).stdout.strip() == "active"

    def main_pid(self):
        return self.box.show(UNIT, "MainPID")

    def running_max(self):
        return self.ctl_json("status")["running_max"]


def hosts_of(world):
    """The processes of isolated plugins."""
    return {pid for pid in world.box.processes_of("cofounderd")
            if world.box.run("cat", f"/proc/{pid}/comm").stdout == "cofounderd-plugin-host"[:15] + "\n"}


def fields_of(world, pid):
    """/proc/PID/status."""
    return dict(line.split(":\t", 1) for line in
                world.box.must("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line)


def group_of(world, pid):
    """Its control group of version 2; "" on a system without."""
    found = re.search(r"^0::(/.*)$", world.box.must("cat", f"/proc/{pid}/cgroup"), re.M)
    return found[1] if found else ""


def limit_of(world, pid, name):
    """The hard limit."""
    limits = world.box.must("cat", f"/proc/{pid}/limits")
    return re.search(name + r" +\S+ +(\S+)", limits)[1]


def expect(is_true, text):
    assert is_true, text


# ---- from the package to the first client ---------------------------------------------------------

@row("a package of a lower version installs; account, folder and socket are there, nothing runs yet")
def install(world):
    box = world.box
    world.install(world.older)
    expect(box.run("dpkg", "--audit").stdout == "", "dpkg --audit complains")
    expect(re.match(r"cofounderd:x:\d+:\d+:.*:/var/lib/cofounderd:/usr/sbin/nologin",
                    box.must("getent", "passwd", "cofounderd")), "the account")
    expect(box.must("stat", "-c", "%U:%G %a", "/run/cofounderd") == "cofounderd:cofounderd 755\n",
           "the folder of the socket")
    expect(box.must("stat", "-c", "%U:%G %a", "/run/cofounderd/control.sock") ==
           "cofounderd:cofounderd 660\n", "the socket")
    for unit in (UNIT, SOCKET):
        expect(box.must("systemctl", "is-enabled", unit) == "enabled\n", unit + " is not enabled")
    expect(box.run("systemctl", "is-active", SOCKET).stdout == "active\n", "the socket is not active")
    expect(not world.is_active(), "the daemon runs before anybody wanted it")
    box.must("useradd", "--no-create-home", "--groups", "cofounderd", "member")
    box.must("useradd", "--no-create-home", "stranger")


@row("the first client activates it, as it was installed: READY and STATUS")
def first_client(world):
    status = world.ctl("status")
    expect(status.returncode == 0, status.stderr + world.box.journal())
    expect(world.is_active(), "the daemon does not run")
    expect(world.box.show(UNIT, "Type") == "notify", "not Type=notify")
    text = world.box.show(UNIT, "StatusText")
    expect(re.fullmatch(r"\d+/\d+ plugins ready, \d+ tasks running", text), text)
    greeting = world.box.must("cofounderctl", "task", "submit", "hello.greet", "--arg", "name=world",
                              "--wait=20s")
    expect("Hello, world!" in greeting, greeting)
    return text


@row("it runs as its own user, without capabilities, under seccomp, with its limits")
def confined(world):
    pid = world.main_pid()
    status = fields_of(world, pid)
    uid = world.box.must("id", "-u", "cofounderd").strip()
    expect(set(status["Uid"].split()) == {uid}, status["Uid"])
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        expect(int(status[name], 16) == 0, f"{name} {status[name]}")
    expect(status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", "not confined")
    # Its other settings bring the same two flags, so each is looked at by itself.
    expect(world.box.show(UNIT, "NoNewPrivileges") == "yes", "NoNewPrivileges")
    calls = world.box.show(UNIT, "SystemCallFilter").split()
    expect("landlock_restrict_self" in calls and "openat" in calls, calls)
    for call in ("setpriority", "mount", "reboot", "setuid", "ptrace"):
        expect(call not in calls, f"{call} is allowed")
    expect(world.box.show(UNIT, "LimitNOFILE") == "65536", "LimitNOFILE")
    # systemd cannot give more than the container has got.
    allowed = min(65536, int(limit_of(world, "1", "Max open files")))
    expect(limit_of(world, pid, "Max open files") == str(allowed), "descriptors")
    expect(limit_of(world, pid, "Max core file size") == "0", "cores")
    expect(world.box.show(UNIT, "Delegate") == "yes", "Delegate")
    modes = world.box.must("stat", "-c", "%U %a", "/var/lib/cofounderd", "/var/cache/cofounderd")
    expect(modes == "cofounderd 700\n" * 2, modes)


@row("stop, and the socket stays; the next client starts it again; the tasks are still known")
def stop_and_connect(world):
    known = world.ctl_json("task", "list")["tasks"]
    expect(known, "no task is known")
    world.box.must("systemctl", "stop", UNIT)
    expect(not world.is_active(), "it runs")
    expect(world.box.run("test", "-S", "/run/cofounderd/control.sock").returncode == 0, "no socket")
    expect(world.box.must("systemctl", "is-active", SOCKET) == "active\n", "the socket is not active")
    expect([t["id"] for t in world.ctl_json("task", "list")["tasks"]] == [t["id"] for t in known],
           "other tasks")
    world.box.must("systemctl", "restart", UNIT)
    expect(world.ctl("health").returncode == 0, "not well after a restart")


# ---- configuration --------------------------------------------------------------------------------

@row("reload: a good configuration is taken, as root by systemctl and by cofounderctl")
def reload_good(world):
    world.box.copy(world.worker, "/usr/local/lib/cofounderd/plugins/worker.so")
    world.box.must("systemctl", "restart", UNIT)
    pid = world.main_pid()
    world.configure("[scheduler]\nrunning_max = 71\n")
    world.box.must("systemctl", "reload", UNIT)
    expect(world.running_max() == 71, "systemctl reload came back before it was done")
    world.configure("[scheduler]\nrunning_max = 72\n")
    world.box.must("cofounderctl", "config", "reload")
    expect(world.running_max() == 72, "not taken")
    expect(world.main_pid() == pid and world.is_active(), "it was restarted")


@row("reload: a bad one fails, says why, and changes nothing")
def reload_bad(world):
    pid = world.main_pid()
    world.configure("[scheduler]\nrunning_max = 73\nrunning_maximum = 1\n")
    since = world.box.must("date", "+%s.%N").strip()
    done = world.box.run("systemctl", "reload", UNIT)
    expect(done.returncode != 0, "systemctl reload says that it went well")
    said = wait_until(lambda: re.search(r"running_maximum", world.box.journal("--since", "@" + since)))
    expect(said, "the journal does not say why")
    done = world.ctl("config", "reload")
    expect(done.returncode == 1 and "running_maximum" in done.stderr, done)
    expect(world.running_max() == 72 and world.main_pid() == pid and world.is_active(), "it changed")


@row("reload: of a good and of a bad one refused to a member of the group and to a stranger")
def reload_others(world):
    for text in ("[scheduler]\nrunning_max = 74\n", "[scheduler]\nrunning_maximum = 1\n"):
        world.configure(text)
        done = world.ctl("config", "reload", user="member")
        expect(done.returncode == 4 and "admin" in done.stderr, done)
        expect("running_max" not in done.stderr, f"it was read for somebody who may not: {done}")
        expect(world.ctl("status", user="member").returncode == 0, "a member may operate")
        for command in (("config", "reload"), ("status",)):
            done = world.ctl(*command, user="stranger")
            expect(done.returncode in (4, 5), done)
        for user in ("member", "stranger", "cofounderd"):
            expect(world.box.run("systemctl", "reload", UNIT, user=user).returncode != 0, user)
        done = world.ctl("config", "reload", user="cofounderd")
        expect(done.returncode == 4, f"the daemon's own user has rights: {done}")
        expect(world.running_max() == 72, "it changed")
    # Only an administrator hears what is wrong with it.
    done = world.ctl("config", "reload")
    expect(done.returncode == 1 and "running_maximum" in done.stderr, done)


@row("a wrong configuration and wrong usage end it for good: no restart after 78 and 64")
def no_restart(world):
    for status, config, start in ((78, "nonsense = 1\n", ""),
                                  (64, "", "ExecStart=\nExecStart=/usr/sbin/cofounderd --nonsense\n")):
        world.configure(config)
        world.drop_in("start", start or "# nothing\n")
        done = world.box.run("systemctl", "restart", UNIT)
        expect(done.returncode != 0, "it started")
        expect(world.box.show(UNIT, "ExecMainStatus") == str(status), world.box.show(UNIT, "ExecMainStatus"))
        expect(world.box.show(UNIT, "ActiveState") == "failed", world.box.show(UNIT, "ActiveState"))
        expect(world.box.show(UNIT, "NRestarts") == "0", "it was tried again")
    world.configure("")
    world.drop_in("start", "")
    world.box.must("systemctl", "reset-failed", UNIT)
    world.box.must("systemctl", "start", UNIT)


# ---- trouble --------------------------------------------------------------------------------------

@row("watchdog: a daemon that stands still is replaced, and its tasks survive")
def watchdog(world):
    expect(world.box.show(UNIT, "WatchdogUSec") == "30s", "WatchdogSec")
    world.drop_in("watchdog", "WatchdogSec=2\n")
    world.box.must("systemctl", "restart", UNIT)
    pid = world.main_pid()
    world.expect_success([world.submit(3000)])  # longer than WatchdogSec: it is fed
    tasks = [world.submit(0, "--delay", "4s")]
    expect(world.main_pid() == pid, "a healthy daemon was killed: " + world.box.journal("-n", "20"))
    tasks += [world.submit(1500) for _ in range(3)]
    world.box.must("kill", "-STOP", pid)
    expect(wait_until(lambda: world.main_pid() not in (pid, "0")), "it was not replaced")
    expect("Watchdog timeout" in world.box.journal("-n", "100"), "not by the watchdog")
    world.expect_success(tasks)
    world.drop_in("watchdog", "")
    world.box.must("systemctl", "restart", UNIT)


@row("kill -9 of the daemon: no process stays, it is back, and its tasks go on")
def kill(world):
    world.configure('[plugin.worker]\nisolation = "process"\n')
    world.box.must("systemctl", "restart", UNIT)
    tasks = [world.submit(1000) for _ in range(5)]
    before = world.box.processes_of("cofounderd")
    pid = world.main_pid()
    expect(pid in before, before)
    expect(hosts_of(world), "there is no process of a plugin that could stay")
    world.box.must("kill", "-KILL", pid)
    expect(wait_until(lambda: world.main_pid() not in (pid, "0") and world.is_active()), "not back")
    left = before & world.box.processes_of("cofounderd")
    expect(not left, f"these stayed: {left}")
    world.expect_success(tasks)
    world.configure("")
    world.box.must("systemctl", "restart", UNIT)


@row("systemctl stop ends within the configured time, and what ran runs again")
def stop_in_time(world):
    world.configure('stop_timeout = "4s"\n')
    world.box.must("systemctl", "restart", UNIT)
    task = world.submit(3500)
    expect(wait_until(lambda: world.state_of(task) == "running"), "the task does not run")
    began = time.monotonic()
    world.box.must("systemctl", "stop", UNIT)
    took = time.monotonic() - began
    expect(took < 5.5, f"it took {took:.1f} s")
    expect(world.box.show(UNIT, "Result") == "success", world.box.show(UNIT, "Result"))
    expect(not world.box.processes_of("cofounderd"), "processes stayed")
    world.expect_success([task])
    expect(world.ctl_json("task", "show", task)["attempt"] >= 1, "no attempt")
    return f"{took:.1f} s"


# ---- secrets and the journal ----------------------------------------------------------------------

@row("journal: lines of plugins carry plugin, task, call and attempt as fields")
def journal_fields(world):
    task = world.submit(0, "--arg", "log:=true")
    world.expect_success([task])

    def lines():
        out = world.box.must("journalctl", "--no-pager", "-o", "json", "COF_PLUGIN=worker",
                             "COF_TASK=" + task)
        return [json.loads(line) for line in out.splitlines()]
    expect(wait_until(lines), "the journal cannot be asked for a plugin's task")
    line = lines()[0]
    for name in ("COF_CALL", "COF_ATTEMPT"):
        expect(re.fullmatch(r"\d+", line.get(name, "")), f"no {name}: {line}")
    expect(line["_SYSTEMD_UNIT"] == UNIT and line["SYSLOG_IDENTIFIER"] == "cofounderd", line)
    expect(line["PRIORITY"] == "6" and "fills the pipe" in line["MESSAGE"], line)


@row("credentials: used, readable by nobody else, in no log, argv, environment, file or core")
def credentials(world):
    box = world.box
    box.write("/etc/cofounderd/secret", SECRET, 0o600)
    world.drop_in("credential", "LoadCredential=cloudinary_api_secret:/etc/cofounderd/secret\n")
    # In a process of its own, which is looked at as well.
    world.configure('[log]\nlevel = "debug"\n[plugin.cloudinary]\nisolation = "process"\ncloud_name = "demo"\n'
                    'api_key = "1234"\napi_secret = { credential = "cloudinary_api_secret" }\n')
    box.must("systemctl", "restart", UNIT)
    plugins = {plugin["id"]: plugin["state"] for plugin in world.ctl_json("status")["plugins"]}
    expect(plugins["cloudinary"] == "ready", plugins)
    # It is used: the upload fails at the network, not at the secret.
    box.write("/tmp/a.png", "not a picture")
    shown = world.ctl("task", "submit", "cloudinary.upload", "--file", "file=/tmp/a.png", "--attempts", "1",
                      "--wait=60s")
    expect("secret" not in shown.stdout.lower(), shown.stdout)
    path = f"/run/credentials/{UNIT}/cloudinary_api_secret"
    expect(box.must("cat", path) == SECRET, "the credential is not there")
    for user in ("member", "stranger"):
        for file in (path, "/etc/cofounderd/secret",
                     *[f"/proc/{world.main_pid()}/{name}" for name in ("environ", "maps", "auxv")]):
            expect(box.run("cat", file, user=user).returncode != 0, f"{user} reads {file}")
    expect(hosts_of(world), "there is no process of a plugin")
    for pid in box.processes_of("cofounderd"):
        seen = box.must("cat", f"/proc/{pid}/environ", f"/proc/{pid}/cmdline")
        expect(SECRET not in seen, f"process {pid} shows it")
    for told in (box.must("journalctl", "--no-pager", "-o", "export"), shown.stdout + shown.stderr,
                 box.must("cofounderctl", "--json", "config", "show"),
                 box.must("systemctl", "show", UNIT), box.must("cofounderctl", "metrics")):
        expect(SECRET not in told, "it is told")

    box.must("systemctl", "kill", "--kill-whom=main", "--signal=SEGV", UNIT)
    ended = wait_until(lambda: re.search(r"Main process exited, code=(\w+), status=11",
                                         box.journal("-n", "50")))
    expect(ended and ended[1] == "killed", f"{ended and ended[1]}: it left a core")
    # All that the container wrote: the upper layer, and its file systems in memory.
    files = subprocess.run(["grep", "-rlaFs", SECRET, box.upper], capture_output=True, text=True,
                           check=False).stdout.split()
    files += box.run("grep", "-rlaFs", SECRET, "/tmp", "/run").stdout.split()
    expect(set(files) <= {f"{box.upper}/etc/cofounderd/secret", path}, files)
    expect(wait_until(world.is_active), "not back")
    world.configure("")
    world.drop_in("credential", "")
    box.must("systemctl", "restart", UNIT)


# ---- isolated plugins -----------------------------------------------------------------------------

@row("isolated plugins: their processes are confined further, and what they try is denied")
def children(world):
    box = world.box
    for name in ("connect-control", "file-in-constructor"):
        box.copy(world.worker.parent / f"{name}.so", f"/usr/local/lib/cofounderd/plugins/{name}.so")
    world.configure("".join(f'[plugin.{name}]\nisolation = "process"\non_start_error = "ignore"\n'
                            for name in ("worker", "connect-control", "file-in-constructor")))
    box.must("systemctl", "restart", UNIT)
    world.expect_success([world.submit(10)])
    main = fields_of(world, world.main_pid())
    others = hosts_of(world)
    expect(len(others) == 2, f"{others} are the processes of worker and connect-control")
    for pid in others:
        status = fields_of(world, pid)
        expect(status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status)
        expect(int(status["Seccomp_filters"]) > int(main["Seccomp_filters"]), "no filter of its own")
        expect(int(status["CapEff"], 16) == 0 and status["Uid"] == main["Uid"], status)
        expect(box.must("cat", f"/proc/{pid}/environ") == "", "it has an environment")
        expect(limit_of(world, pid, "Max core file size") == "0", "cores")
    # The control socket is there for the group that they belong to; the sandbox is what denies it.
    task = world.ctl_json("task", "submit", "connect-control.work", "--attempts", "1", "--arg",
                          "socket=/run/cofounderd/control.sock")["id"]
    wait_until(lambda: world.state_of(task) == "failed")
    shown = world.ctl_json("task", "show", task)
    expect(shown["state"] == "failed" and shown["error"]["code"] == "denied", shown)
    # It stands before the constructors run.
    plugin = next(one for one in world.ctl_json("plugin", "list")["plugins"] if one["id"] == "file-in-constructor")
    expect(plugin["state"] == "failed" and "signal 6" in plugin["last_error"]["message"], plugin)
    world.configure("")
    box.shell("rm /usr/local/lib/cofounderd/plugins/connect-control.so "
              "/usr/local/lib/cofounderd/plugins/file-in-constructor.so")
    box.must("systemctl", "restart", UNIT)
    return f"{len(others)} processes"


@row("isolated plugins: each in a control group of its own, with the limits of the configuration")
def control_groups(world):
    box = world.box
    world.configure('[plugin.worker]\nisolation = "process"\n[plugin.worker.limits]\n'
                    'memory_bytes_max = "256MiB"\nthreads_max = 30\ncpu_percent_max = 80\n')
    since = box.must("date", "+%s.%N").strip()
    box.must("systemctl", "restart", UNIT)
    world.expect_success([world.submit(10)])
    groups = world.ctl_json("status")["control_groups"]
    said = wait_until(lambda: re.search(r"isolated plugins have .*", box.journal("--since", "@" + since)))
    expect(said, "the log does not say which limits there are")
    main, others = world.main_pid(), hosts_of(world)
    expect(others, "there is no process of an isolated plugin")
    if groups["usable"]:
        root = group_of(world, main)
        expect(root.endswith(f"/{UNIT}/daemon"), root)
        root = root.removesuffix("/daemon")
        mounted = box.must("findmnt", "-n", "-t", "cgroup2", "-o", "TARGET").split()[0]
        groups_of_others = [group_of(world, pid) for pid in others]
        group = groups_of_others[0]
        expect(len(others) == 1 and re.fullmatch(re.escape(root) + r"/plugin-worker\.\d+", group),
               groups_of_others)
        for name, file, value in (("memory", "memory.max", 256 << 20), ("processes", "pids.max", None),
                                  ("cpu", "cpu.max", "80000 100000")):
            if groups[name]:
                seen = box.must("cat", f"{mounted}{group}/{file}").strip()
                expect(seen == str(value) if value else int(seen) > 30, f"{file}: {seen}")
        world.configure("")
        box.must("systemctl", "restart", UNIT)
        expect(wait_until(lambda: box.run("test", "-d", mounted + group).returncode != 0),
               "the group stayed")
    else:
        expect(groups["reason"], "no group, and no reason")
        for pid in others:
            expect("plugin-" not in group_of(world, pid), "a group, and no word of it")
        world.configure("")
        box.must("systemctl", "restart", UNIT)
    used = [name for name in ("memory", "processes", "cpu") if groups[name]]
    return f"{', '.join(used) or 'no limits'}" + (f": {groups['reason']}" if groups["reason"] else "")


# ---- upgrade, removal -----------------------------------------------------------------------------

class Clients(threading.Thread):
    """Connects again and again, in the container; counts those who were not answered."""

    def __init__(self, box):
        super().__init__()
        self.box = box
        self.refused = None
        self.start()

    def run(self):
        self.refused = self.box.run("bash", "-c", (
            "asked=0; refused=0; while [ ! -e /tmp/enough ]; do asked=$((asked+1)); "
            "curl -s -o /dev/null --max-time 60 --unix-socket /run/cofounderd/control.sock "
            "http://localhost/v1/openapi.json || refused=$((refused+1)); done; "
            "echo $asked $refused")).stdout.split()


def newest_schema(world):
    header = (world.source / "core/store/sqlite_schema.hpp").read_text()
    return int(re.search(r"sqlite_schema_version = (\d+);", header)[1])


def leave_older_schema(world):
    """The old version is of the same tree, so it knows the newest schema.  When it is stopped, its store
    is made into one as the schema before left it, with the tasks that ran."""
    newest = newest_schema(world)
    back = world.source / f"tests/vectors/schema-{newest}-to-{newest - 1}.sql"
    expect(newest == 1 or back.exists(), f"the way back from schema {newest}, {back}, is missing")
    if newest == 1:
        return newest
    world.box.copy(back, "/opt/back.sql")
    world.box.must("chmod", "644", "/opt/back.sql")
    world.drop_in("back", f"ExecStopPost=/usr/bin/sqlite3 -batch -bail {DATABASE} '.read /opt/back.sql'\n"
                  f"ExecStopPost=/bin/sh -c 'sqlite3 {DATABASE} \"PRAGMA user_version\" >/var/lib/cofounderd/was'\n")
    return newest


@row("upgrade from an older schema while tasks run: nothing is lost, no client is refused, the configuration is kept")
def upgrade(world):
    box = world.box
    newest = leave_older_schema(world)
    world.configure("[scheduler]\nrunning_max = 75\n")
    box.must("systemctl", "reload", UNIT)
    later = world.submit(0, "--delay", "1h")
    tasks = [world.submit(6000) for _ in range(10)]
    pid = world.main_pid()
    clients = Clients(box)
    world.install(world.daemon)
    expect(wait_until(lambda: world.main_pid() not in (pid, "0") and world.is_active()),
           "the new version does not run")
    if newest > 1:
        was = box.must("cat", "/var/lib/cofounderd/was").split()
        expect(was == [str(newest - 1)], f"the new version found schema {was}")
        world.drop_in("back", "")
    version = box.must("sqlite3", "-readonly", DATABASE, "PRAGMA user_version", user="cofounderd").strip()
    expect(version == str(newest), f"the store has schema {version}")
    box.must("touch", "/tmp/enough")
    clients.join()
    expect(int(clients.refused[0]) > 0 and clients.refused[1] == "0",
           f"{clients.refused[1]} of {clients.refused[0]} clients were refused")
    world.expect_success(tasks)
    expect(world.state_of(later) == "scheduled", "the scheduled task is gone")
    expect(world.running_max() == 75, "the configuration was not kept")
    version = box.must("dpkg-query", "-W", "-f=${Version}", "cofounderd")
    expect(version != "0.0.1-1", version)
    # Tasks ran when the old version was asked to go.
    asked = re.findall(r"^([\d.]+) .*: SIGTERM", box.must(
        "journalctl", "--no-pager", "-u", UNIT, "-o", "short-unix", "-n", "60"), re.M)
    ended = max(world.ctl_json("task", "show", task)["ended_at"] for task in tasks)
    ended = datetime.datetime.fromisoformat(ended.replace("Z", "+00:00")).timestamp()
    expect(ended > float(asked[-1]), "all tasks had ended before the upgrade")
    return f"to {version}, {clients.refused[0]} requests meanwhile, schema {newest - 1} to {newest}"


@row("upgrade with a store that an older version left")
def older_schema(world):
    newest = newest_schema(world)
    samples = [file for file in sorted((world.source / "tests/vectors").glob("schema-*.sql"))
               if re.fullmatch(r"schema-\d+", file.stem)]
    expect(len(samples) == newest - 1, f"schema {newest} needs tests/vectors/schema-1.sql to "
           f"schema-{newest - 1}.sql, dumps of a store with a task that waits; there are {len(samples)}")
    box = world.box
    for sample in samples:
        box.must("systemctl", "stop", UNIT, SOCKET)
        box.must("rm", "-rf", "/var/lib/cofounderd")
        box.copy(sample, "/opt/schema.sql")
        box.shell("install -d -o cofounderd -g cofounderd -m 0700 /var/lib/cofounderd && "
                  "sqlite3 /var/lib/cofounderd/cofounderd.db </opt/schema.sql && "
                  "chown cofounderd: /var/lib/cofounderd/*")
        box.must("systemctl", "start", SOCKET)
        expect(world.ctl_json("task", "list")["tasks"], sample.name + ": its tasks are gone")
    return "" if samples else "schema 1 is the first"


@row("the SDK's package: a new plugin from its template, and its manual")
def sdk(world):
    box = world.box
    world.install(world.sdk)
    box.shell("cd /tmp && cofounderctl plugin new demo && test -s demo/demo.cpp")
    for section, page in ((3, "cof-plugin"), (7, "cof-plugin-lifecycle")):
        expect(f"/man{section}/{page}.{section}" in box.must("man", "-w", str(section), page), page)
    done = box.run("bash", "-c", "cd /tmp/demo && cc -shared -o c.so -x c - "
                   "$(pkg-config --cflags --libs cofounder-sdk) <<<'#include <cofounder/plugin.h>\n"
                   "static const cof_plugin none = {.struct_size = sizeof none};\n"
                   "const cof_plugin *cof_plugin_entry_v1(void) { return &none; }'")
    expect(done.returncode == 0, done.stderr)


@row("remove: nothing runs, nothing listens, the configuration and the tasks stay")
def remove(world):
    box = world.box
    box.must("dpkg", "-r", "cofounderd")
    expect(not box.processes_of("cofounderd"), "it runs")
    expect(box.run("test", "-e", "/run/cofounderd/control.sock").returncode != 0, "the socket is there")
    expect(box.run("test", "-e", "/usr/sbin/cofounderd").returncode != 0, "the program is there")
    box.must("test", "-e", "/etc/cofounderd/conf.d/test.toml", "-a", "-e", "/etc/cofounderd/cofounderd.toml",
             "-a", "-e", "/var/lib/cofounderd/cofounderd.db")
    expect(box.run("systemctl", "is-enabled", UNIT).returncode != 0, "it is enabled")


@row("purge: no state, no configuration, no unit is left")
def purge(world):
    box = world.box
    box.must("rm", "-f", "/etc/cofounderd/conf.d/test.toml", "/etc/cofounderd/secret")
    box.must("dpkg", "-P", "cofounderd", "cofounder-sdk")
    left = box.run("bash", "-c", "ls -d /etc/cofounderd /var/lib/cofounderd /var/cache/cofounderd "
                   "/run/cofounderd /usr/lib/cofounderd /usr/include/cofounder /etc/systemd/system/*/cofounderd.*").stdout
    expect(left == "", left)
    expect(box.run("dpkg-query", "-s", "cofounderd").returncode != 0, "dpkg still knows it")
