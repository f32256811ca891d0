"""`millrace serve` as it is, with one endpoint whose model gives its input back."""

import http.client
import json
import os
import time
from pathlib import Path

from .processes import Service, answer_of, free_port, wait_until

SETTINGS = """\
auth: none
logLevel: warning
endpoints:
  noop:
    model: {model}
    scaling: {{ min: {workers}, max: {most} }}
    batching: {{ itemsMax: {batch}, waitMax: {wait} }}
"""


class Server(Service):
    """A server on a data directory; waits until it and its workers are ready."""

    def __init__(self, settings, data, workers=2, wait="0ms"):
        self.settings, self.port, self.workers = settings, free_port(), workers
        data = Path(data)
        data.mkdir(exist_ok=True)
        config = data.parent / f"{data.name}.yaml"
        config.write_text(
            SETTINGS.format(
                model=settings.model, workers=workers, most=max(workers, 1), batch=settings.items_max, wait=wait
            )
        )
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
        super().__init__(
            (settings.binary, "serve", "--config", config, "--data", data, "--port", self.port),
            data.parent,
            data.name,
            environment,
        )
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            wait_until(self._is_ready, 60, "the server and its workers are ready")
        except BaseException:
            self.stop()
            raise

    def stop(self):
        self.connection.close()
        super().stop()

    def get(self, path):
        self.connection.request("GET", path)
        response = self.connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"GET {path} answered {response.status}: {content[:300]!r}")
        return json.loads(content)

    def _is_ready(self):
        self.check()
        try:
            self.connection.request("GET", "/readyz")
            response = self.connection.getresponse()
            response.read()
        except OSError:
            self.connection.close()
            return False
        if response.status != 200:
            return False
        workers = self.get("/v1/workers")["workers"]
        return sum(worker["state"] != "starting" for worker in workers) >= self.workers

    def succeeded(self):
        return self.get("/v1/jobs/count?endpoint=noop&state=succeeded")["count"]

    def submit(self, mode, jobs, **options):
        arguments = [self.settings.built / "loadgen", mode, "--port", self.port, "--jobs", jobs]
        for name, value in options.items():
            arguments += [f"--{name}", value]
        return answer_of(arguments)

    def run(self, mode, jobs, **options):
        """Submits jobs and waits until all are recorded as succeeded; jobs a second, submitted and end to end."""
        before = self.succeeded()
        answer = self.submit(mode, jobs, **options)
        wait_until(lambda: self.succeeded() - before >= jobs, 300, f"{jobs} jobs have succeeded")
        seconds = time.monotonic() - answer["startedNanoseconds"] / 1e9
        return {"submit": answer["rate"], "endToEnd": jobs / seconds, "seconds": seconds, "late": answer["late"]}
