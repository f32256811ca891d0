"""The models in Examples, each as its README says, through the public API. What needs a library that is not there says so and is left out."""

import io
import json
import os
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from _millrace import DATA, ROOT, Server

EXAMPLES = ROOT / "Examples"
PYTHON = os.environ.get("MILLRACE_PYTHON", str(ROOT / ".venv/bin/python"))
PAGE = DATA / "report/medical-report-page1.txt"


def has(module, python):
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


def result(server, job, name=None):
    return server.call("GET", f"/v1/jobs/{job}/result" + (f"/{name}" if name else ""))[2]


def check_python(server):
    job = server.submit_files("count", [PAGE], {"top": 3})["id"]
    server.wait(job)
    counted = Counter(re.findall(r"\w+", PAGE.read_text().lower()))
    found = json.loads(result(server, job))
    assert found == {"total": sum(counted.values()), "top": [list(pair) for pair in counted.most_common(3)]}, found


def check_onnx(server):
    job = server.submit_json("fashion", json.loads((EXAMPLES / "onnx-model/ankle-boot.json").read_text()))["id"]
    server.wait(job)
    logits = json.loads(result(server, job))["outputs"]["logits"]
    labels = (EXAMPLES / "onnx-model/labels.txt").read_text().splitlines()
    assert labels[logits.index(max(logits))] == "Ankle boot", logits


def check_shell(server):
    text = PAGE.read_text()
    job = server.submit_files("statistics", [PAGE])["id"]
    done = server.wait(job)
    assert [output["name"] for output in done["outputs"]] == ["statistics.json"], done["outputs"]
    found = json.loads(result(server, job))
    assert found == {"lines": text.count("\n"), "words": len(text.split()), "longest": max(map(len, text.splitlines()))}, found
    # A parameter is an environment variable of the script.
    job = server.submit_files("statistics", [("pairs.txt", b"a;b;c d\n")], {"separator": ";"})["id"]
    server.wait(job)
    assert json.loads(result(server, job))["words"] == 3


def check_sklearn(server):
    body = {"input": json.loads((EXAMPLES / "sklearn-model/three.json").read_text())}
    jobs = [server.submit_json("digits", body)["id"] for _ in range(5)]
    bad = server.submit_json("digits", {"input": {"pixels": [[1, 2]]}})["id"]
    for job in jobs:
        server.wait(job)
        assert json.loads(result(server, job)) == {"digit": 3}
    assert server.wait(bad, state="failed")["error"]["code"] == "bad_input"


def check_pytorch(server):
    names = ["coffee.png", "chelsea.png", "rocket.jpg"]
    photos = [DATA / "photos" / name for name in names]
    plain = server.submit_files("sharpness", photos)["id"]
    mapped = server.submit_files("sharpness", photos[:1], {"edges": "true"})["id"]
    server.wait(plain)
    done = server.wait(mapped)
    found = json.loads(result(server, plain))["photos"]
    print("pytorch:", found)
    assert [photo["file"] for photo in found] == names
    assert all(photo["sharpness"] > 1 for photo in found), found
    alone = json.loads(result(server, mapped))["photos"][0]
    assert alone == found[0], (alone, found[0])
    assert [output["name"] for output in done["outputs"]] == ["result.json", "edges.npy"], done["outputs"]
    check_edges(result(server, mapped, "edges.npy"), alone["sharpness"])


def check_edges(content, sharpness):
    assert content.startswith(b"\x93NUMPY\x01\x00"), content[:20]
    try:
        import numpy
    except ImportError:
        return print("skipped: the map of edges is not read, no NumPy here")
    edges = numpy.load(io.BytesIO(content))
    assert (edges.shape, edges.dtype) == ((1, 254, 254), numpy.float32), (edges.shape, edges.dtype)
    assert abs(edges.var(ddof=1) - sharpness) < 0.02 * sharpness, (edges.var(ddof=1), sharpness)


def run(endpoints, python, *checks):
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "millrace.yaml"
        models = "".join(f"  {name}: {{ model: {EXAMPLES / model} }}\n" for name, model in endpoints.items())
        config.write_text(f"endpoints:\n{models}")
        with Server(str(config), {"MILLRACE_PYTHON": python}) as server:
            for check in checks:
                check(server)
                print(f"ok: {check.__name__}")


run({"count": "python-model", "fashion": "onnx-model", "statistics": "shell-model"}, PYTHON, check_python, check_onnx, check_shell)
for name, module, model, check in (
    ("digits", "sklearn", "sklearn-model", check_sklearn),
    ("sharpness", "torch", "pytorch-model", check_pytorch),
):
    # A Python that has the library, where it is not the one of the project.
    python = os.environ.get(f"MILLRACE_TEST_PYTHON_{module.upper()}", PYTHON)
    if has(module, python):
        run({name: model}, python, check)
    else:
        print(f"skipped: no {'PyTorch' if module == 'torch' else 'scikit-learn'} in {python}")
