"""Reads the journal that shim/disk_journal.c writes."""

import struct
from dataclasses import dataclass

HEADER = struct.Struct("<QIIQQQIHHQ")
MAGIC = 0x314C4E524A53484D
CREATE, WRITE, TRUNCATE, SYNC, RENAME, LINK, UNLINK, FOLDER = range(1, 9)


@dataclass(slots=True)
class Record:
    at: int
    """Where it stands in the journal: its order, and what syncs refer to."""
    kind: int
    seconds: float
    """On the monotonic clock."""
    node: int
    position: int
    path: str
    other: str
    data: bytes


def read(path):
    """All whole records. One that a killed process left torn is passed over: what it tells of was never synced."""
    with open(path, "rb") as file:
        content = file.read()
    records = []
    at = 0
    while at + HEADER.size <= len(content):
        magic, kind, size, nanoseconds, node, position, _, path_size, other_size, check = \
            HEADER.unpack_from(content, at)
        begin, end = at + HEADER.size, at + HEADER.size + size
        if magic != MAGIC or check != magic ^ nanoseconds ^ node ^ position ^ (size << 32 | kind) or end > len(content):
            at = content.find(MAGIC.to_bytes(8, "little"), at + 1)
            if at < 0:
                break
            continue
        first, second = begin + path_size, begin + path_size + other_size
        records.append(Record(
            at, kind, nanoseconds / 1e9, node, position, content[begin:first].decode(), content[first:second].decode(),
            content[second:end]))
        at = end
    return records
