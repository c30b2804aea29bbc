# SPDX-License-Identifier: Apache-2.0
"""This machine once more, booted by systemd-nspawn on an overlay of / and thrown away afterwards.

The script that uses it runs itself again in a process and a mount namespace of its own: whatever
happens to it, every process of the container, the mounts and the memory that they lie in go with it.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

MARK = "COFOUNDER_INSIDE_NAMESPACE"


def why_not():
    """Why no container can be booted here, or None."""
    if os.geteuid() != 0:
        return "only root can boot a container"
    for tool in ("systemd-nspawn", "unshare", "nsenter", "setpriv", "dpkg"):
        if not shutil.which(tool):
            return f"there is no {tool}"
    probe = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "sh", "-c",
         "mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/r && "
         "mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r"],
        capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        return "no overlay of / can be mounted: " + probe.stderr.strip()
    return None


def enter_namespace():
    """Runs this script again where all that it leaves behind ends with it."""
    if os.environ.get(MARK):
        return
    os.environ[MARK] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                          sys.executable, *sys.argv])


def wait_until(is_true, seconds=20):
    """Looks again and again at a state of others; what it saw last."""
    end = time.monotonic() + seconds
    while True:
        seen = is_true()
        if seen or time.monotonic() > end:
            return seen
        time.sleep(0.05)


class Container:
    def __init__(self):
        self.base = pathlib.Path("/mnt")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4g", "tmpfs", self.base], check=True)
        for name in ("upper", "work", "root"):
            (self.base / name).mkdir()
        self.upper = self.base / "upper"
        self.root = self.base / "root"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir=/,upperdir={self.upper},workdir={self.base}/work", self.root],
                       check=True)
        self._prepare()
        self.log = open(self.base / "console", "w+", encoding="utf-8")
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "--boot", "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",
             "--register=no", "--keep-unit", "--quiet",
             "--private-network", "--machine=cofounderd-test", "--console=pipe",
             f"--directory={self.root}", "systemd.unit=basic.target"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.leader = wait_until(self._find_leader)
        if not self.leader or not wait_until(self._is_up, 60):
            raise RuntimeError("the container does not boot: " + self.console())

    def _prepare(self):
        # Of this machine, not of the container.
        for name in ("etc/machine-id", "etc/resolv.conf", "usr/sbin/policy-rc.d",
                     "var/lib/man-db/auto-update"):
            (self.root / name).unlink(missing_ok=True)
        (self.root / "etc/machine-id").touch()

    def _find_leader(self):
        if self.nspawn.poll() is not None:
            return None
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rsplit(")", 1)[1].split()
                if fields[1] == str(self.nspawn.pid) and (path.parent / "exe").resolve().name == "systemd":
                    return path.parent.name
            except OSError:
                continue  # it has ended meanwhile
        return None

    def _is_up(self):
        return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def console(self):
        self.log.seek(0)
        return self.log.read()[-4000:]

    def run(self, *words, user=None, seconds=90):
        """A command in the container, as root or as `user`."""
        start = ["nsenter", "--target", self.leader, "--all", "--"]
        if user:
            group = self.run("id", "-g", user).stdout.strip()
            start += ["setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups", "--"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                       "DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_PAGER": ""}
        return subprocess.run(start + [str(word) for word in words], capture_output=True, text=True,
                              errors="replace", timeout=seconds, env=environment, check=False,
                              stdin=subprocess.DEVNULL, cwd="/")

    def must(self, *words, **options):
        """Its output; it has to succeed."""
        done = self.run(*words, **options)
        assert done.returncode == 0, \
            f"{' '.join(map(str, words))} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def shell(self, text):
        return self.must("bash", "-c", text)

    def write(self, path, text, mode=0o644):
        # From inside: the container has file systems of its own, on /run for instance.
        self.must("bash", "-c", f"mkdir -p \"$(dirname '{path}')\" && printf %s \"$1\" >'{path}' && "
                  f"chmod {mode:o} '{path}'", "-", text)

    def copy(self, source, target):
        target = self.root / target.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)

    def show(self, unit, name):
        return self.must("systemctl", "show", "--value", "-p", name, unit).strip()

    def journal(self, *more):
        return self.must("journalctl", "--no-pager", "-u", "cofounderd.service", "-o", "cat", *more)

    def processes_of(self, user):
        """Pids, as the container counts them."""
        listed = self.run("ps", "-o", "pid=", "-u", user).stdout
        return set(re.findall(r"\d+", listed))

    def end(self):
        self.nspawn.kill()
        self.nspawn.wait()
