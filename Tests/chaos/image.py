"""Makes up what a disk may hold after the power failed: everything that was synced, and any part of what was not.

Nothing is taken for granted that POSIX does not promise. A file's bytes are safe when a sync of that file began after
they were written; a name is safe when a sync of its folder began after it was made. Whatever else happened before the
cut is there or not as chance has it, and a write may be there in part, cut at sectors of 512 bytes.
"""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import journal

SECTOR = 512


@dataclass
class Node:
    """A file or a folder, whatever its names."""
    is_folder: bool = False
    base: Path | None = None
    """Its content when the journal began."""
    changes: list = field(default_factory=list)
    synced: int = 0
    """Changes before this place in the journal are on the disk."""


class Disk:
    """A folder as it was when the journal began, and what the journal says happened to it up to the cut."""

    def __init__(self, folder, base):
        """`folder` is the one that is watched; `base` gets a copy of it, made now, while nobody writes."""
        self.folder, self.base = Path(folder), Path(base)
        self.nodes, self.now, self.known, self.entries = [], {}, {}, []
        self.root = self._adopt(self.folder, self.base)

    def _adopt(self, folder, copy):
        copy.mkdir(mode=0o700)
        number = self._node(os.stat(folder).st_ino, Node(is_folder=True))
        self.known[str(folder)] = number
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                child = self._adopt(Path(entry.path), copy / entry.name)
            elif entry.is_file(follow_symlinks=False) and not entry.name.endswith("-shm"):
                # Blobs never change once they have their name; everything else may be written in place.
                is_blob = "blobs" in folder.parts and "." not in entry.name
                (os.link if is_blob else shutil.copyfile)(entry.path, copy / entry.name)
                child = self._node(entry.inode(), Node(base=copy / entry.name))
                self.known[entry.path] = child
            else:
                continue
            self.entries.append((-1, (number,), [(number, entry.name, child)]))
        return number

    def _node(self, inode, node):
        self.nodes.append(node)
        self.now[inode] = len(self.nodes) - 1
        return len(self.nodes) - 1

    def replay(self, records):
        for record in records:
            if record.kind in (journal.CREATE, journal.FOLDER):
                node = Node(is_folder=record.kind == journal.FOLDER)
                self._named(record.at, record.path, self._node(record.node, node))
            elif record.kind == journal.SYNC:
                if (number := self.now.get(record.node)) is not None:
                    self.nodes[number].synced = max(self.nodes[number].synced, record.position)
            elif record.kind in (journal.WRITE, journal.TRUNCATE):
                if (number := self.now.get(record.node)) is not None:
                    self.nodes[number].changes.append(record)
            else:
                self._renamed(record)

    def _place(self, path):
        return self.known.get(os.path.dirname(path)), os.path.basename(path)

    def _named(self, at, path, number):
        folder, name = self._place(path)
        self.known[path] = number
        if folder is not None:
            self.entries.append((at, (folder,), [(folder, name, number)]))

    def _renamed(self, record):
        number = self.known.get(record.path)
        if record.kind == journal.LINK:
            if number is not None and record.other:
                self._named(record.at, record.other, number)
            return
        folder, name = self._place(record.path)
        steps, folders = [], []
        if folder is not None:
            steps.append((folder, name, None))
            folders.append(folder)
        self.known.pop(record.path, None)
        if record.kind == journal.RENAME and record.other and number is not None:
            target, name = self._place(record.other)
            self.known[record.other] = number
            if target is not None:
                steps.append((target, name, number))
                folders.append(target)
        self.entries.append((record.at, tuple(folders), steps))

    def write_image(self, target, chance):
        """Writes one image, chosen by `chance`, a `Chance`."""
        tree = {}
        for at, folders, steps in self.entries:
            safe = at < 0 or all(at < self.nodes[folder].synced for folder in folders)
            if safe or chance.keeps():
                for folder, name, number in steps:
                    if number is None:
                        tree.get(folder, {}).pop(name, None)
                    else:
                        tree.setdefault(folder, {})[name] = number
        self._write(self.root, tree, Path(target), chance)

    def _write(self, number, tree, target, chance):
        target.mkdir(mode=0o700)
        for name, child in sorted(tree.get(number, {}).items()):
            node = self.nodes[child]
            if node.is_folder:
                self._write(child, tree, target / name, chance)
            elif not name.endswith("-shm"):
                self._write_file(node, target / name, chance)

    @staticmethod
    def _write_file(node, target, chance):
        if node.base and not node.changes:
            shutil.copyfile(node.base, target) if node.base.stat().st_nlink == 1 else os.link(node.base, target)
            return
        content = bytearray(node.base.read_bytes() if node.base else b"")
        for change in node.changes:
            for offset, data in [(change.position, change.data)] if change.at < node.synced else chance.parts(change):
                if change.kind == journal.TRUNCATE:
                    del content[offset:]
                if len(content) < offset:
                    content.extend(bytes(offset - len(content)))
                content[offset:offset + len(data)] = data
        target.write_bytes(content)
        target.chmod(0o600)


class Chance:
    """What of the unsynced survives. Extremes are as likely as mixtures: each finds other faults."""

    def __init__(self, random):
        self.random = random
        self.share = random.choice([0.0, 1.0, random.random(), random.random()])
        self.torn = random.choice([0.0, 0.2])

    def keeps(self):
        return self.random.random() < self.share

    def parts(self, change):
        if not self.keeps():
            return []
        if change.kind == journal.TRUNCATE or self.random.random() >= self.torn:
            return [(change.position, change.data)]
        # Sectors are those of the file: a write may begin in the middle of one.
        parts, at, end = [], change.position, change.position + len(change.data)
        while at < end:
            until = min(end, (at // SECTOR + 1) * SECTOR)
            if self.random.random() < 0.5:
                parts.append((at, change.data[at - change.position:until - change.position]))
            at = until
        return parts


def choose_cut(records, since, random):
    """A place in the journal not before `since` (seconds): before any record, or between a write and its sync."""
    places = [index for index, record in enumerate(records) if record.seconds >= since]
    if not places:
        return len(records)
    syncs = [index for index in places if records[index].kind == journal.SYNC]
    if syncs and random.random() < 0.5:
        return random.choice(syncs)
    return random.choice(places[len(places) // 4:] + [len(records)])
