"""What a run is told by its environment; `dev/bench-ocr` prepares the rest."""

import os
from dataclasses import dataclass
from pathlib import Path

from benchkit.models import MODELS, ModelSettings


@dataclass(kw_only=True)
class OCRSettings(ModelSettings):
    PARTS = ("process", "system")

    #: Under load, each of them the whole report.
    jobs: int = 16
    model: Path

    @classmethod
    def read(cls):
        get = os.environ.get
        return super().read(jobs=int(get("JOBS", 16)), model=Path(get("BENCH_MODEL", MODELS / "pp-ocr")).resolve())
