"""The wall clock of the server and its workers, which can be set while they run; their monotonic clock stays true."""

import mmap
import struct

import shims

# Within half a day in all, so that no retention ends.
OFFSET_MAX = 43_200


class Clock:
    def __init__(self, folder):
        self.folder, self.file, self.offset, self.preload = folder, folder / "clock", 0.0, None
        self.file.write_bytes(bytes(8))
        with open(self.file, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 8)

    def variables(self):
        self.preload = self.preload or shims.build("wall_clock", self.folder)
        return {"LD_PRELOAD": self.preload, "CHAOS_CLOCK": str(self.file)}

    def step(self, seconds):
        self.offset = max(-OFFSET_MAX, min(OFFSET_MAX, self.offset + seconds))
        self.memory[:] = struct.pack("<q", round(self.offset * 1e9))
