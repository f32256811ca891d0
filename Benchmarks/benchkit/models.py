"""The repository's models on both sides: as an endpoint of Millrace, and in ONNX Runtime from Python."""

import importlib.util
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .processes import answer_of
from .server import Server
from .settings import ROOT, Settings

MODELS, EXAMPLES = ROOT / "models", ROOT / "Examples/data"

CONFIG = """\
auth: none
logLevel: warning
threads: {threads}
python: {python}
{onnxruntime}
endpoints:
  {endpoint}:
    model: {model}
    scaling: {{ min: {workers}, max: 1, idle: {idle} }}
    {batching}
"""


@dataclass(kw_only=True)
class ModelSettings(Settings):
    #: Inside one operator, on all sides.
    threads: int = 2

    @classmethod
    def read(cls, **own):
        return super().read(threads=int(os.environ.get("THREADS", 2)), **own)


class ModelServer(Server):
    """One endpoint as its `model.yaml` says, with one worker or, until a job comes, none."""

    def __init__(self, settings, data, endpoint, model, workers=1, idle="30s", items=None):
        """`items` share one call of the model, where that is not to be as the model says."""
        library = runtime_library()
        config = CONFIG.format(
            threads=settings.threads,
            python=settings.python,
            onnxruntime=f"onnxruntime: {library}" if library else "",
            endpoint=endpoint,
            model=model,
            workers=workers,
            idle=idle,
            batching=f"batching: {{ itemsMax: {items} }}" if items else "",
        )
        super().__init__(settings, data, config, endpoint, workers)

    def submit(self, connection, body, content_type, query=""):
        """The id of a new job with one file, or with several in a form."""
        path = f"/v1/endpoints/{self.endpoint}/jobs{query}"
        return json.loads(connection.wanted(202, "POST", path, body, content_type=content_type))["id"]

    def result(self, connection, job):
        return connection.wanted(200, "GET", f"/v1/jobs/{job}/result")


def runtime_library():
    """The file of this interpreter's ONNX Runtime, which Millrace is told to use as well."""
    found = importlib.util.find_spec("onnxruntime")
    return next((Path(found.origin).parent / "capi").glob("libonnxruntime.so*"), None) if found else None


def session(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def millrace_bench(settings, command, *arguments):
    """What `millrace-bench COMMAND` answers; nothing when this build has no such command."""
    commands = subprocess.run([settings.bench, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    if not any(line.split()[:1] == [command] for line in commands.splitlines()):
        return None
    library = runtime_library()
    environment = {**os.environ, **({"MILLRACE_ONNXRUNTIME": str(library)} if library else {})}
    return answer_of((settings.bench, command, *arguments), env=environment)
