"""LitServe with the same classifier, as its documentation recommends, in processes of its own."""

import contextlib
import json
import os
import signal
from dataclasses import dataclass

from benchkit.client import Connection, in_parallel
from benchkit.processes import Service, free_port, wait_until
from benchkit.settings import ROOT


@dataclass(frozen=True)
class Shape:
    workers: int
    #: The most photos that one call of the model takes.
    batch: int

    def __str__(self):
        return f"{self.workers} x {self.batch}"

    @property
    def connections(self):
        """Enough that a full batch waits for every worker while it runs another."""
        return max(2 * self.workers * self.batch, 8)


#: Workers x batch. The documentation sets a worker for each core of a machine without an accelerator; one worker with
#: all threads is tried as well, each with batches and without.
SHAPES = [Shape(workers, batch) for workers in (1, 2) for batch in (1, 8, 16)]


#: With batches and as many workers as it has unless told otherwise.
DEFAULT_SHAPES = [shape for shape in SHAPES if shape.workers == 1 and shape.batch > 1]


class LitServe(Service):
    def __init__(self, settings, shape, name):
        self.shape, self.port = shape, free_port()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("Benchmarks", "Benchmarks/rivals")),
            "PYTHONDONTWRITEBYTECODE": "1",
            "BENCH_MODEL": str(settings.classifier),
            "BENCH_PORT": str(self.port),
            "BENCH_WORKERS": str(shape.workers),
            "BENCH_BATCH": str(shape.batch),
            "BENCH_THREADS": str(max(settings.threads // shape.workers, 1)),
        }
        super().__init__((settings.python, "-m", "litserve_run"), settings.folder, name, environment)
        try:
            wait_until(self._is_ready, 60, "LitServe is ready")
        except BaseException:
            self.stop()
            raise

    def classify(self, paths, bar=None):
        """The best class of each photo."""

        def ask(connection, path):
            return connection.wanted(200, "POST", "/predict", path.read_bytes(), content_type="image/jpeg")

        answers = in_parallel(self.port, self.shape.connections, paths, ask, bar)
        return [json.loads(answer)["index"] for answer in answers]

    def stop(self):
        # It starts processes in its own session, and leaves some behind when it is asked to end.
        super().stop()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _is_ready(self):
        self.check()
        with contextlib.suppress(OSError), Connection(self.port) as connection:
            return connection.call("GET", "/health")[0] == 200
        return False
