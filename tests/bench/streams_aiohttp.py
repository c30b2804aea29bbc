#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Streaming chats by aiohttp: see streams_work.py."""
import asyncio
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import aiohttp  # noqa: E402
from streams_work import HEADERS, measure  # noqa: E402


async def read_all(url, body, readers):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0),
                                     timeout=aiohttp.ClientTimeout(total=None)) as session:
        async def read(reader):
            async with session.post(url, data=body, headers=HEADERS) as answer:
                answer.raise_for_status()
                async for line in answer.content:
                    reader.take(line.decode().rstrip("\n"))
        await asyncio.gather(*(read(reader) for reader in readers))


measure(read_all)
