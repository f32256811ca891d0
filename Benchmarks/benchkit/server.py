"""`millrace serve` as it is, with one endpoint, on a data directory of its own."""

import os
from pathlib import Path

from .client import Connection
from .processes import Service, free_port, wait_until
from .settings import ROOT

ENDED = "succeeded,failed,cancelled,expired"


class Server(Service):
    """Waits until the server and the workers that it always has are ready."""

    def __init__(self, settings, data, config, endpoint, workers):
        """`config` is the text of a settings file in which `endpoint` has at least so many workers."""
        self.settings, self.port, self.endpoint, self.workers = settings, free_port(), endpoint, workers
        data = Path(data)
        data.mkdir(exist_ok=True)
        path = data.parent / f"{data.name}.yaml"
        path.write_text(config)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
        super().__init__(
            (settings.binary, "serve", "--config", path, "--data", data, "--port", self.port),
            data.parent,
            data.name,
            environment,
            # Where the handlers' Python package is found, wherever the binary is.
            cwd=ROOT,
        )
        self.connection = Connection(self.port)
        try:
            wait_until(self._is_ready, 60, "the server and its workers are ready")
        except BaseException:
            self.stop()
            raise

    def stop(self):
        self.connection.close()
        super().stop()

    def get(self, path):
        return self.connection.get(path)

    def worker_list(self):
        return self.get("/v1/workers")["workers"]

    def count(self, states):
        return self.get(f"/v1/jobs/count?endpoint={self.endpoint}&state={states}")["count"]

    def succeeded(self):
        return self.count("succeeded")

    def wait_for(self, jobs, seconds, before=0, bar=None, last=None):
        """Waits until so many jobs have ended, all of them well, beside those that had `before`.

        To ask costs the machine that is measured a millisecond, again and again: with the id of the `last` job, the server is asked to
        tell when that one has ended, and only then about all.
        """
        if last:
            self.get(f"/v1/jobs/{last}?wait={seconds}")

        def ended():
            count = self.count(ENDED) - before
            if bar:
                bar.show(count)
            return count >= jobs

        wait_until(ended, seconds, f"{jobs} jobs have ended", every=0.01 if last else 0.05)
        succeeded = self.succeeded() - before
        if succeeded != jobs:
            raise RuntimeError(f"{succeeded} of {jobs} jobs succeeded")

    def _is_ready(self):
        self.check()
        try:
            status, _ = self.connection.call("GET", "/readyz")
        except OSError:
            return False
        return status == 200 and sum(worker["state"] != "starting" for worker in self.worker_list()) >= self.workers
