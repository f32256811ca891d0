"""What a run is told by its environment; `dev/bench-scaling` names it."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from benchkit.settings import ROOT

PARTS = ("cells", "speed", "chaos")


@dataclass(frozen=True)
class ScalingSettings:
    binary: Path
    #: CSV files of arrivals.
    traces: tuple
    parts: tuple
    stretches: tuple
    seeds: tuple
    days: float

    @classmethod
    def read(cls):
        get = os.environ.get
        folder = get("TRACES")
        traces = tuple(sorted(Path(folder).glob("*.csv"))) if folder else ()
        parts = tuple(get("ONLY", ",".join(PARTS)).split(","))
        unknown = set(parts) - set(PARTS)
        if unknown:
            sys.exit(f"ONLY knows {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
        if "cells" in parts and not traces:
            sys.exit("name a folder with CSV files of arrivals (arrival_s,input_size,output_size) with TRACES")
        return cls(
            binary=Path(get("MILLRACE_BIN", ROOT / ".build/release/millrace")).resolve(),
            traces=traces,
            parts=parts,
            stretches=tuple(float(value) for value in get("STRETCH", "4,24").split(",")),
            seeds=tuple(int(value) for value in get("SEEDS", "1,2,3").split(",")),
            days=float(get("DAYS", 1000)),
        )
