"""From a submit with no worker at all to the result, beside what loading the model takes by itself."""

import json
import time

from benchkit.models import ModelServer, session
from benchkit.processes import wait_until
from benchkit.progress import ProgressBar
from benchkit.trials import seconds_of


ENDPOINT = "classify"


def cold_starts(settings, data, photo):
    """For each start: seconds to the result, what the server says of the worker's start, and seconds in which ONNX
    Runtime makes a session in this process. One start before these is for the page cache."""
    content = photo.read_bytes()
    model = next(settings.classifier.glob("*.onnx"))
    starts = []
    bar = ProgressBar("cold starts", settings.cold_starts + 1)
    with ModelServer(settings, data, ENDPOINT, settings.classifier, workers=0, idle="1s") as server:
        for number in range(settings.cold_starts + 1):
            wait_until(lambda: not server.worker_list(), 60, "no worker is left")
            # Until the last of what a stopping worker does is over.
            time.sleep(1)
            seconds, job = seconds_of(lambda: _run(server, content))
            loading, _ = seconds_of(lambda: session(model, settings.threads))
            if number > 0:
                starts.append((seconds, job["timing"]["coldStartSeconds"], loading))
            bar.step()
    return starts


def _run(server, content):
    """The job, when its result is there."""
    path = f"/v1/endpoints/{ENDPOINT}/jobs"
    answer = server.connection.wanted(200, "POST", path, content, content_type="image/jpeg", prefer="wait=60")
    job = json.loads(answer)
    if job["state"] != "succeeded":
        raise RuntimeError(f"the job is {job['state']}: {job.get('error')}")
    return job
