# SPDX-License-Identifier: Apache-2.0
"""What a disk may hold after a power cut, computed from the log that disk.c writes.

Everything that was synced is there.  Of what was written after a file's last sync a random subset of
its 512-byte sectors is there, from hardly any to nearly all.
"""
import pathlib
import struct

SECTOR = 512
WRITE, TRUNCATE, SYNC, REMOVE = 1, 2, 3, 4
HEAD = struct.Struct("<IIqQ")  # kind, size of the name, offset, size of the data


def records(log):
    """(kind, name, offset, data) of the log's bytes; the last one may be cut."""
    at = 0
    while at + HEAD.size <= len(log):
        kind, name_size, offset, size = HEAD.unpack_from(log, at)
        begin = at + HEAD.size + name_size
        if begin + size > len(log):
            return
        yield kind, log[at + HEAD.size:begin].decode(), offset, log[begin:begin + size]
        at = begin + size


def put(content, offset, data):
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset:offset + len(data)] = data


def resize(content, size):
    if len(content) > size:
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


class Disk:
    """Files by name, as they were on the disk when the log began."""

    def __init__(self, files):
        self.durable = {name: bytearray(content) for name, content in files.items()}
        self.pending = {}  # by name: what was done since its last sync

    def replay(self, log):
        for kind, name, offset, data in records(log):
            if kind == REMOVE:
                self.durable.pop(name, None)
                self.pending.pop(name, None)
            elif kind == SYNC:
                content = self.durable.setdefault(name, bytearray())
                for of_kind, at, bytes_ in self.pending.pop(name, []):
                    resize(content, at) if of_kind == TRUNCATE else put(content, at, bytes_)
            else:
                self.pending.setdefault(name, []).append((kind, offset, data))

    def after_power_cut(self, random):
        """Contents by name; one of the many that may be."""
        survives = random.random()
        image = {name: bytearray(content) for name, content in self.durable.items()}
        for name, changes in self.pending.items():
            content = image.setdefault(name, bytearray())
            for kind, offset, data in changes:
                if kind == TRUNCATE:
                    if random.random() < survives:
                        resize(content, offset)
                    continue
                for at in range(0, len(data), SECTOR):
                    if random.random() < survives:
                        put(content, offset + at, data[at:at + SECTOR])
        return image


def files_of(folder):
    """The store's files that are on the disk; not its shared memory and locks."""
    return {path.name: path.read_bytes() for path in pathlib.Path(folder).iterdir()
            if path.is_file() and not path.name.endswith(("-shm", ".lock", ".copy", "ballast"))}


def cut_power(folder, before, log, random):
    """Makes `folder` what is found after the power came back.  Its daemon is dead."""
    disk = Disk(before)
    disk.replay(log)
    image = disk.after_power_cut(random)
    folder = pathlib.Path(folder)
    for name in files_of(folder):
        if name not in image:
            (folder / name).unlink()
    for name, content in image.items():
        (folder / name).write_bytes(content)
    for path in folder.glob("*-shm"):
        path.unlink()
