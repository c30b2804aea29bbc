#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Streaming chats by httpx: see streams_work.py."""
import asyncio
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import httpx  # noqa: E402
from streams_work import HEADERS, measure  # noqa: E402


async def read_all(url, body, readers):
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as client:
        async def read(reader):
            async with client.stream("POST", url, content=body, headers=HEADERS) as answer:
                answer.raise_for_status()
                async for line in answer.aiter_lines():
                    reader.take(line.rstrip("\n"))
        await asyncio.gather(*(read(reader) for reader in readers))


measure(read_all)
