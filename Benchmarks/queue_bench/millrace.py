"""`millrace serve` as it is, with one endpoint whose model gives its input back."""

import time

from benchkit import server
from benchkit.processes import answer_of, wait_until

SETTINGS = """\
auth: none
logLevel: warning
endpoints:
  noop:
    model: {model}
    scaling: {{ min: {workers}, max: {most} }}
    batching: {{ itemsMax: {batch}, waitMax: {wait} }}
"""


class Server(server.Server):
    def __init__(self, settings, data, workers=2, wait="0ms"):
        config = SETTINGS.format(
            model=settings.model, workers=workers, most=max(workers, 1), batch=settings.items_max, wait=wait
        )
        super().__init__(settings, data, config, "noop", workers)

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
