#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_png.py WIDTH HEIGHT FILE: a real PNG full of noise, which does not compress."""
import random
import struct
import sys
import zlib

width, height, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
noise = random.Random(width * height)


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


rows = b"".join(b"\0" + noise.randbytes(width * 3) for _ in range(height))
with open(name, "wb") as out:
    out.write(b"\x89PNG\r\n\x1a\n")
    out.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)))
    out.write(chunk(b"IDAT", zlib.compress(rows, 1)))
    out.write(chunk(b"IEND", b""))
