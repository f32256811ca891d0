"""What a run is told by its environment; `dev/bench-queue` sets the paths."""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PARTS = ("rivals", "bulk", "single", "latency", "engine", "deep", "idle")
DEEP_WHERE_DISK_IS_SMALL, ROOM_FOR_MORE = 1_000_000, 40e9


@dataclass
class Settings:
    binary: Path  # millrace
    bench: Path  # millrace-bench
    built: Path  # a folder with the compiled C programs
    folder: Path  # of this run: everything that is written
    model: Path
    python: Path = Path(sys.executable)
    runs: int = 3
    deep: int = 1_000_000
    parts: tuple = PARTS
    #: How long the runs are, 1 being several seconds each. Below it, figures say little.
    scale: float = 1
    rate: int = 500
    batch: int = 500
    items_max: int = 500

    @staticmethod
    def read():
        get = os.environ.get
        root = Path(__file__).resolve().parent.parent.parent
        folder = Path(tempfile.mkdtemp(prefix="millrace-bench-", dir=get("BENCH_FOLDER", root / ".build")))
        settings = Settings(
            binary=Path(get("MILLRACE_BIN", root / ".build/release/millrace")).resolve(),
            bench=Path(get("MILLRACE_BENCH_BIN", root / ".build/release/millrace-bench")).resolve(),
            built=root / ".build/bench",
            folder=folder,
            model=Path(get("BENCH_MODEL", root / "Benchmarks/noop-model")).resolve(),
            runs=int(get("RUNS", 3)),
            deep=int(get("DEEP", 1_000_000)),
            scale=float(get("SCALE", 1)),
            parts=tuple(get("ONLY", ",".join(PARTS)).split(",")),
        )
        settings.check()
        return settings

    def check(self):
        unknown = set(self.parts) - set(PARTS)
        if unknown:
            sys.exit(f"ONLY knows {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
        kind = subprocess.check_output(["stat", "-f", "-c", "%T", self.folder], text=True).strip()
        if kind in ("tmpfs", "ramfs"):
            sys.exit(f"{self.folder} is in memory, where an fsync costs nothing: name another with BENCH_FOLDER")
        if self.deep > DEEP_WHERE_DISK_IS_SMALL and shutil.disk_usage(self.folder).free < ROOM_FOR_MORE:
            print(f"The disk has less than 40 GB free: {DEEP_WHERE_DISK_IS_SMALL:,} jobs wait in the deep queue.")
            self.deep = DEEP_WHERE_DISK_IS_SMALL
