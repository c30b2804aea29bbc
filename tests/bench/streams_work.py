# SPDX-License-Identifier: Apache-2.0
"""What streams_httpx.py and streams_aiohttp.py have in common: the same work as bench_streams_curl.

  tests/bench/streams_httpx.py PORT [STREAMS [TOKENS]]

Reads so many streaming chats of the simulator at once, in one asyncio loop: cuts the lines, parses
the JSON of those that begin with "data: " and puts the strings together.  Prints one line of JSON.
"""
import asyncio
import json
import resource
import sys
import time

HEADERS = {"Authorization": "Bearer hf_test", "Content-Type": "application/json"}


def chat(tokens):
    return json.dumps({"model": "openai/gpt-oss-120b", "stream": True, "max_tokens": tokens,
                       "messages": [{"role": "user", "content": "count"}]})


class Reader:
    """Puts one answer together from its lines."""

    def __init__(self):
        self.parts, self.first_ms, self.done = [], None, False

    def take(self, line):
        if not line.startswith("data: "):
            return
        if line == "data: [DONE]":
            self.done = True
            return
        for choice in json.loads(line[6:])["choices"]:
            text = choice["delta"].get("content")
            if text is None:
                continue
            if self.first_ms is None:
                self.first_ms = (time.monotonic_ns() - int(text[1:])) / 1e6  # "t" and when it was sent
            self.parts.append(text)

    def check(self, tokens):
        wanted = [f" w{i}" for i in range(1, tokens)]
        if not self.done or self.parts[1:] != wanted:
            sys.exit(f"tokens are missing: {len(self.parts)} of {tokens} came")


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def measure(read_all):
    """`read_all(url, body, readers)` is a coroutine that fills a reader for each stream."""
    port, streams, tokens = (int(given) for given in sys.argv[1:2] + (sys.argv[2:] + ["64", "100"][len(sys.argv) - 2:]))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    readers = [Reader() for _ in range(streams)]
    begin = time.monotonic()
    asyncio.run(read_all(f"http://127.0.0.1:{port}/v1/chat/completions", chat(tokens), readers))
    wall = time.monotonic() - begin
    for reader in readers:
        reader.check(tokens)
    used = resource.getrusage(resource.RUSAGE_SELF)
    first = [reader.first_ms for reader in readers]
    print(json.dumps({"streams": streams, "tokens": tokens, "wall_s": round(wall, 3),
                      "tokens_per_s": round(streams * tokens / wall), "peak_mb": round(used.ru_maxrss * 1024 / 1e6, 1),
                      "cpu_us_per_token": round((used.ru_utime + used.ru_stime) * 1e6 / (streams * tokens), 2),
                      "first_token_p50_ms": round(percentile(first, 0.5), 2),
                      "first_token_p99_ms": round(percentile(first, 0.99), 2)}))
