"""What a run is told by its environment; `dev/bench-queue` sets the paths."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchkit.settings import ROOT, Settings

DEEP_WHERE_DISK_IS_SMALL, ROOM_FOR_MORE = 1_000_000, 40e9


@dataclass(kw_only=True)
class QueueSettings(Settings):
    PARTS = ("rivals", "bulk", "single", "latency", "engine", "deep", "idle")

    built: Path = ROOT / ".build/bench"  # a folder with the compiled C programs
    model: Path
    deep: int = 1_000_000
    #: How long the runs are, 1 being several seconds each. Below it, figures say little.
    scale: float = 1
    rate: int = 500
    batch: int = 500
    items_max: int = 500

    @classmethod
    def read(cls):
        get = os.environ.get
        return super().read(
            model=Path(get("BENCH_MODEL", ROOT / "Benchmarks/noop-model")).resolve(),
            deep=int(get("DEEP", 1_000_000)),
            scale=float(get("SCALE", 1)),
        )

    def check(self):
        super().check()
        if self.deep > DEEP_WHERE_DISK_IS_SMALL and shutil.disk_usage(self.folder).free < ROOM_FOR_MORE:
            print(f"The disk has less than 40 GB free: {DEEP_WHERE_DISK_IS_SMALL:,} jobs wait in the deep queue.")
            self.deep = DEEP_WHERE_DISK_IS_SMALL
