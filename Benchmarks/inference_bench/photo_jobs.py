"""Photos through Millrace: a job for each."""

import json
import time
from dataclasses import dataclass

from benchkit.client import in_parallel
from benchkit.models import ModelServer

ENDPOINT, WARM_UP = "classify", 32


@dataclass
class PhotoJobs:
    """Seconds since the first photo was sent."""

    submitted: float  # until the last job had its 202
    ended: float  # until the last result was there
    fetched: float  # until all results were here
    classes: list


def classify(settings, data, paths):
    """A fresh server with one warm worker, over HTTP."""
    with ModelServer(settings, data, ENDPOINT, settings.classifier) as server:
        warm = len(submit_all(server, settings, paths[:WARM_UP]))
        server.wait_for(warm, 120)
        start = time.perf_counter()
        jobs = submit_all(server, settings, paths)
        submitted = time.perf_counter()
        server.wait_for(len(paths), 900, warm, last=jobs[-1])
        ended = time.perf_counter()
        results = in_parallel(server.port, settings.connections, jobs, server.result)
        fetched = time.perf_counter()
    classes = [best_class(result) for result in results]
    return PhotoJobs(submitted - start, ended - start, fetched - start, classes)


def submit_all(server, settings, paths):
    def submit(connection, path):
        return server.submit(connection, path.read_bytes(), "image/jpeg")

    return in_parallel(server.port, settings.connections, paths, submit)


def best_class(result):
    return json.loads(result)["images"][0]["classes"][0]["index"]
