# SPDX-License-Identifier: Apache-2.0
"""Streaming chats through the daemon, beside libcurl alone and two Python libraries: for tests/bench/run."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from goals import below, ratio_at_least, ratio_at_most

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"  # whose packages are Debian's
TARGETS = ["cofounderd", "plugin_huggingface", "huggingface_simulator", "bench_streams", "bench_streams_curl"]


class Simulator:
    """Hugging Face's router, compiled; each token is a write of its own, `interval` ms apart."""

    def __init__(self, programs, folder, interval):
        self.programs, self.folder = programs, folder
        path = folder / "simulator.port"
        path.unlink(missing_ok=True)
        self.process = subprocess.Popen([programs / "huggingface_simulator", "--port-file", path, "server=one_thread",
                                         "stamps=1", "tokens=10000000", f"interval_ms={interval}"],
                                        stdout=subprocess.DEVNULL)
        while not path.exists():
            time.sleep(0.01)
        self.port = int(path.read_text())

    def daemon(self, streams, tokens, **more):
        return self.figures(self.programs / "bench_streams", f"simulator={self.port}", f"streams={streams}",
                            f"tokens={tokens}", *(f"{name}={value}" for name, value in more.items()))

    def curl(self, streams, tokens):
        return self.figures(self.programs / "bench_streams_curl", f"simulator={self.port}", f"streams={streams}",
                            f"tokens={tokens}")

    def python(self, library, streams, tokens):
        return self.figures(PYTHON, HERE / f"streams_{library}.py", self.port, streams, tokens)

    def figures(self, *words):
        # The daemon's files belong on the disk of the checkout, as all that is measured.
        run = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True,
                             env={**os.environ, "TMPDIR": str(self.folder)})
        if run.returncode != 0:
            sys.exit(f"bench: {words[0]} ended with {run.returncode}")
        return json.loads(run.stdout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def median(runs):
    """The median of each figure; what is a text, of the first run."""
    return {key: statistics.median([run[key] for run in runs]) if not isinstance(value, str) else value
            for key, value in runs[0].items()}


def measure(result, count, scale, programs, folder):
    """1,000 chats at a person's pace, and 64 as fast as they are read, beside libcurl alone."""
    paced = max(50, int(1000 * scale))
    tokens = max(500, int(20_000 * scale))
    with Simulator(programs, folder, 50) as simulator:
        result["paced"] = median([simulator.daemon(paced, 100, interval_ms=50) for _ in range(count)])
        for library in ("httpx", "aiohttp"):
            result[f"paced_{library}"] = simulator.python(library, paced, 100)
    with Simulator(programs, folder, 0) as simulator:
        daemon, curl = [], []
        for _ in range(count):  # in turn, so that what else the machine does hits both alike
            daemon.append(simulator.daemon(64, tokens, interval_ms=0, watch=0))
            curl.append(simulator.curl(64, tokens))
        result["full"], result["full_curl"] = median(daemon), median(curl)
        result["full_watched"] = simulator.daemon(64, tokens, interval_ms=0)
        for library in ("httpx", "aiohttp"):  # they are slow: fewer tokens
            result[f"full_{library}"] = simulator.python(library, 64, max(100, tokens // 20))


def rows(table, r):
    paced, full, curl = r["paced"], r["full"], r["full_curl"]
    table.add(f"{paced['streams']:,.0f} chats, {paced['tokens']:.0f} tokens 50 ms apart", paced["wall_s"], "s",
              ratio_at_most(1.15), paced["ideal_s"], "s ideal")
    table.add("... peak memory of the daemon", paced["peak_mb"], "MB", below(150, "MB"))
    table.add("... first token to its progress event, p99", paced["first_token_p99_ms"], "ms", below(50, "ms"))
    table.add("... first token to its progress event, p50", paced["first_token_p50_ms"], "ms")
    table.add("... CPU of the daemon per token", paced["cpu_us_per_token"], "us")
    for library in ("httpx", "aiohttp"):
        other = r[f"paced_{library}"]
        table.add(f"... by Python {library}", other["wall_s"], "s", None, paced["ideal_s"], "s ideal")
        table.add(f"... by Python {library}, memory", other["peak_mb"], "MB")
        table.add(f"... by Python {library}, first token p99", other["first_token_p99_ms"], "ms")
    table.add(f"{full['streams']:.0f} chats without pauses", full["tokens_per_s"], "tokens/s", ratio_at_least(0.4),
              curl["tokens_per_s"], "tokens/s libcurl alone")
    table.add("... with a client that follows the events", r["full_watched"]["tokens_per_s"], "tokens/s", None,
              curl["tokens_per_s"], "tokens/s libcurl alone")
    table.add("... CPU of the daemon per token", full["cpu_us_per_token"], "us", None, curl["cpu_us_per_token"],
              "us libcurl alone")
    table.add("... peak memory of the daemon", full["peak_mb"], "MB", None, curl["peak_mb"], "MB libcurl alone")
    for library in ("httpx", "aiohttp"):
        table.add(f"... by Python {library}", r[f"full_{library}"]["tokens_per_s"], "tokens/s", None,
                  curl["tokens_per_s"], "tokens/s libcurl alone")
