"""What every benchmark is told by its environment; the scripts in `dev` prepare what it names."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(kw_only=True)
class Settings:
    #: The parts that ONLY may name.
    PARTS: ClassVar[tuple] = ()

    binary: Path  # millrace
    bench: Path  # millrace-bench
    folder: Path  # of this run: everything that is written
    parts: tuple
    runs: int = 3
    python: Path = Path(sys.executable)

    @classmethod
    def read(cls, **own):
        """Settings from the environment, with those that one benchmark has of its own."""
        get = os.environ.get
        folder = Path(tempfile.mkdtemp(prefix="millrace-bench-", dir=get("BENCH_FOLDER", ROOT / ".build"))).resolve()
        settings = cls(
            binary=Path(get("MILLRACE_BIN", ROOT / ".build/release/millrace")).resolve(),
            bench=Path(get("MILLRACE_BENCH_BIN", ROOT / ".build/release/millrace-bench")).resolve(),
            folder=folder,
            runs=int(get("RUNS", 3)),
            parts=tuple(get("ONLY", ",".join(cls.PARTS)).split(",")),
            **own,
        )
        try:
            settings.check()
        except SystemExit:
            folder.rmdir()
            raise
        return settings

    def check(self):
        unknown = set(self.parts) - set(self.PARTS)
        if unknown:
            sys.exit(f"ONLY knows {', '.join(self.PARTS)}, not {', '.join(sorted(unknown))}")
        kind = subprocess.check_output(["stat", "-f", "-c", "%T", self.folder], text=True).strip()
        if kind in ("tmpfs", "ramfs"):
            sys.exit(f"{self.folder} is in memory, where an fsync costs nothing: name another with BENCH_FOLDER")
