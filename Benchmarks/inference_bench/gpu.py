"""ResNet-50 in a PyTorch handler of Millrace, beside the same code in a loop without Millrace.

It needs nothing of the benchmarks' own environment, only PyTorch and Pillow, so that it runs where nothing can be
installed: `PYTHONPATH=Benchmarks python3 -m inference_bench.gpu`. The last line that it prints is JSON: photos a
second, of each run. GPU_PHOTOS and PHOTOS_PER_JOB say how many there are.
DEVICE=cpu measures without a GPU, to see that all works.
"""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from benchkit.bench import Bench, main
from benchkit.client import in_parallel
from benchkit.models import ModelServer, ModelSettings
from benchkit.progress import ProgressBar
from benchkit.settings import ROOT
from benchkit.trials import seconds_of


SKIPPED = "skipped: no GPU"
ENDPOINT, BOUNDARY = "resnet", "photos-of-a-job"


@dataclass(kw_only=True)
class GPUSettings(ModelSettings):
    PARTS = ("photos", "sentiment", "coldstart", "gpu")

    #: Photos that are classified in one measurement, the same few of them again and again.
    photos: int = 8000
    different: int = 500
    #: Both sides put so many into one call of the network.
    batch: int = 64
    photos_per_job: int = 16
    model: Path = ROOT / "Benchmarks/resnet50-model"

    @classmethod
    def read(cls):
        get = os.environ.get
        return super().read(photos=int(get("GPU_PHOTOS", 8000)), photos_per_job=int(get("PHOTOS_PER_JOB", 16)))


class GPUBench(Bench):
    """Not a table of its own: what it measures goes into that of the inference benchmark."""

    repeated = ("gpu",)

    def __init__(self, settings):
        super().__init__(settings)
        # Imported here: without a GPU, PyTorch and Pillow need not be there.
        sys.path.insert(0, str(settings.model))
        from network import Classifier

        from .photos import make_photos

        few = make_photos(settings.folder / "photos", min(settings.different, settings.photos))
        self.photos = [few[number % len(few)] for number in range(settings.photos)]
        self.classifier = Classifier()
        self.loop(self.photos[: 2 * settings.batch], None)

    def run_gpu(self, number):
        settings = self.settings
        seconds, _ = seconds_of(lambda: self.loop(self.photos, ProgressBar("loop", len(self.photos))))
        self.figures.add("loop", len(self.photos) / seconds)
        data = self.fresh("gpu", number)
        jobs_in_batch = max(settings.batch // settings.photos_per_job, 1)
        with ModelServer(settings, data, ENDPOINT, settings.model, items=jobs_in_batch) as server:
            self.jobs(server, self.photos[: 4 * settings.batch], None)
            bar = ProgressBar("Millrace", len(self.photos) // settings.photos_per_job)
            seconds, _ = seconds_of(lambda: self.jobs(server, self.photos, bar))
        self.figures.add("millrace", len(self.photos) / seconds)
        shutil.rmtree(data)

    def loop(self, photos, bar):
        for start in range(0, len(photos), self.settings.batch):
            self.classifier.classify(photos[start : start + self.settings.batch])
            if bar:
                bar.show(min(start + self.settings.batch, len(photos)))

    def jobs(self, server, photos, bar):
        """Several photos a job, until the last result is there."""
        each = self.settings.photos_per_job
        groups = [photos[start : start + each] for start in range(0, len(photos), each)]
        before = server.succeeded()

        def submit(connection, paths):
            return server.submit(connection, form(paths), f"multipart/form-data; boundary={BOUNDARY}")

        submitted = in_parallel(server.port, 8, groups, submit)
        server.wait_for(len(groups), 900, before, bar)
        answer = json.loads(server.result(server.connection, submitted[-1]))
        if len(answer["classes"]) != len(groups[-1]):
            raise RuntimeError(f"a job of {len(groups[-1])} photos has {len(answer['classes'])} classes")

    def print_table(self):
        print(json.dumps(self.figures.values))


def form(paths):
    parts = []
    for path in paths:
        head = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
        parts += [head.encode(), path.read_bytes(), b"\r\n"]
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


def has_gpu():
    if shutil.which("nvidia-smi") is None:
        return False
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


if __name__ == "__main__":
    if os.environ.get("DEVICE") == "cpu" or has_gpu():
        main(GPUBench, GPUSettings.read())
    else:
        print(SKIPPED)
