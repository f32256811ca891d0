"""What a run is told by its environment; `dev/bench-scaling` names it."""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchkit.settings import ROOT

PARTS = ("cells", "reality", "speed", "chaos")
#: On which the policy was tuned; what is replayed for real.
TUNED_ON = "azure-code-2023"


@dataclass(frozen=True)
class ScalingSettings:
    binary: Path
    #: CSV files of arrivals.
    traces: tuple
    parts: tuple
    stretches: tuple
    seeds: tuple
    days: float
    #: Jobs replayed on real workers, for each of some seeds.
    replayed: int
    replays: tuple
    folder: Path
    python: Path = Path(sys.executable)

    @classmethod
    def read(cls):
        get = os.environ.get
        traces = tuple(sorted(Path(get("TRACES", ROOT / "Benchmarks/traces")).glob("*.csv")))
        parts = tuple(get("ONLY", ",".join(PARTS)).split(","))
        unknown = set(parts) - set(PARTS)
        if unknown:
            sys.exit(f"ONLY knows {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
        if not traces:
            sys.exit("there is no CSV file of arrivals (arrival_s,input_size,output_size) in the folder that TRACES names")
        return cls(
            binary=Path(get("MILLRACE_BIN", ROOT / ".build/release/millrace")).resolve(),
            traces=traces,
            parts=parts,
            stretches=tuple(float(value) for value in get("STRETCH", "4,24").split(",")),
            seeds=tuple(int(value) for value in get("SEEDS", "1,2,3").split(",")),
            days=float(get("DAYS", 1000)),
            replayed=int(get("JOBS", 250)),
            replays=(1, 2, 3),
            folder=Path(tempfile.mkdtemp(prefix="millrace-bench-", dir=get("BENCH_FOLDER", ROOT / ".build"))).resolve(),
        )

    @property
    def replayed_trace(self):
        return next((trace for trace in self.traces if trace.stem == TUNED_ON), self.traces[0])
