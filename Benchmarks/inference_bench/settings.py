"""What a run is told by its environment; `dev/bench-inference` prepares the rest."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from benchkit.models import MODELS, ModelSettings


@dataclass(kw_only=True)
class InferenceSettings(ModelSettings):
    PARTS = ("photos", "sentiment", "coldstart", "gpu")

    photos: int = 1000
    rows: int = 20_000
    #: An interpreter with PyTorch, which the environment of the benchmarks has not.
    gpu_python: str = sys.executable
    classifier: Path = MODELS / "efficientnet-lite0"
    sentiment: Path = MODELS / "minilm-sentiment"
    #: Photos and rows that a setting is tried on before it is chosen.
    trial_photos: int = 100
    trial_rows: int = 500
    #: HTTP connections to Millrace.
    connections: int = 8
    cold_starts: int = 5

    @classmethod
    def read(cls):
        get = os.environ.get
        return super().read(
            photos=int(get("PHOTOS", 1000)),
            rows=int(get("ROWS", 20_000)),
            gpu_python=get("GPU_PYTHON", sys.executable),
        )
