"""The power fails: everything dies, and the disk holds what a disk may hold then."""

import shutil
import sqlite3
import time

import image
import journal
import shims


class Power:
    def __init__(self, host, drops_syncs=False):
        self.host, self.drops_syncs = host, drops_syncs
        self.preload = None
        self.journal, self.base = host.folder / "journal", host.disk.path / "base"
        self.disk, self.since = None, 0.0
        self.void = None
        """From when to when what was received was never sent."""
        self.faults = []

    def variables(self):
        self.preload = self.preload or shims.build("disk_journal", self.host.folder)
        return {
            "LD_PRELOAD": self.preload, "CHAOS_JOURNAL": str(self.journal), "CHAOS_FOLDER": str(self.host.data),
            **({"CHAOS_DROP_SYNCS": "1"} if self.drops_syncs else {}),
        }

    def begin(self):
        """Before a server starts, while nobody writes: everything that is there counts as synced."""
        shutil.rmtree(self.base, ignore_errors=True)
        self.journal.unlink(missing_ok=True)
        self.disk = image.Disk(self.host.data, self.base)

    def mark(self):
        """The load begins: the power does not fail before this."""
        self.since = time.monotonic()

    def cut(self, random):
        self.host.kill_everything()
        # The receiver may still be reading what was sent.
        time.sleep(0.05)
        until = time.monotonic()
        records = journal.read(self.journal)
        place = image.choose_cut(records, self.since, random)
        begin = records[place].seconds if place < len(records) else until
        self.void = (begin, until)
        self.disk.replay(records[:place])
        self._replace(random)
        self._check()
        self.begin()
        self.host.start()

    def _replace(self, random):
        new = self.host.disk.path / "image"
        shutil.rmtree(new, ignore_errors=True)
        self.disk.write_image(new, image.Chance(random))
        shutil.rmtree(self.host.data)
        new.rename(self.host.data)

    def _check(self):
        """The database must be whole. On a copy: looking at it would change what the server finds."""
        copy = self.host.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for name in ("millrace.sqlite", "millrace.sqlite-wal"):
            if (self.host.data / name).exists():
                shutil.copyfile(self.host.data / name, copy / name)
        try:
            with sqlite3.connect(copy / "millrace.sqlite") as connection:
                rows = connection.execute("PRAGMA integrity_check").fetchall()
            connection.close()
        except sqlite3.DatabaseError as error:
            rows = [(str(error),)]
        if rows != [("ok",)]:
            self.faults.append(f"after the power cut the database is not whole: {rows[:5]}")
        shutil.rmtree(copy)
