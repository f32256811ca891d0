"""Models behind HTTP: the example, which the worker starts, watches and ends; and a server of the Open Inference Protocol
that is already running, goes away, and comes back."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from _millrace import DATA, ROOT, Server, free_port, wait_until

OPEN_INFERENCE = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200 if self.path in ("/v2/health/ready", "/v2/models/sum/ready") else 404, {})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "inputs" not in request:
            return self.answer(400, {"error": "there are no inputs"})
        outputs = [{"name": "sum", "shape": [1], "datatype": "FP32", "data": [sum(i["data"])]} for i in request["inputs"]]
        self.answer(200, {"model_name": "sum", "id": request.get("id"), "outputs": outputs})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def processes(word):
    """The processes with a word in their command line, by number."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(word.encode() in text for text in words):
                found[int(entry.name)] = words
    return found


def model_servers(folder):
    """Those that the example's worker started, not the shell that holds on to them."""
    return [number for number, words in processes("server.py").items() if b"sh" not in words[0].split(b"/")[-1] and runs_in(number, folder)]


def runs_in(number, folder):
    try:
        return os.readlink(f"/proc/{number}/cwd") == str(folder)
    except OSError:
        return False


def result(server, job):
    return json.loads(server.call("GET", f"/v1/jobs/{job}/result")[2])


def started_here(server, folder):
    table = DATA / "comments-1000.csv"
    job = server.submit_files("describe", [table], {"decimals": "1"})["id"]
    server.wait(job)
    described = result(server, job)
    assert described["rows"] == 1000 and described["columns"]["label"]["type"] in ("text", "number"), described
    job = server.submit_json("describe", {"input": {"table": "a,b\n1,x\n2.25,y\n"}, "parameters": {"decimals": 2}})["id"]
    server.wait(job)
    assert result(server, job)["columns"]["a"]["mean"] == 1.62, result(server, job)
    print(f"described: {result(server, job)}")
    error = server.wait(server.submit_json("describe", {"input": {"table": 5}})["id"], state="failed")["error"]
    assert error["code"] == "invalid_input" and "this is no table" in error["message"], error
    print(f"{error['code']}: {error['message']}")
    problem = server.submit_files("describe", [table, table], expect=422)
    assert problem["code"] == "too_many_files", problem

    # The model server is killed: the next job has another.
    before = model_servers(folder)
    assert len(before) == 1, before
    os.kill(before[0], signal.SIGKILL)
    server.wait(server.submit_files("describe", [table])["id"])
    after = model_servers(folder)
    assert len(after) == 1 and after != before, (before, after)

    # The worker is killed: nothing of its model server is left.
    workers = [worker["processID"] for worker in server.workers() if worker["endpoint"] == "describe"]
    assert len(workers) == 1, server.workers()
    os.kill(workers[0], signal.SIGKILL)
    wait_until(lambda: after[0] not in model_servers(folder), 20, "the killed worker's model server is gone", server)
    server.wait(server.submit_files("describe", [table])["id"])


def already_running(server, port, script):
    request = {"id": "7", "inputs": [{"name": "x", "shape": [3], "datatype": "FP32", "data": [1, 2, 3.5]}]}
    # Nobody is there yet: the job waits.
    job = server.submit_json("sum", {"input": request})["id"]
    wait_until(lambda: server.json("GET", "/v1/endpoints/sum").get("problem"), 60, "the endpoint says what is wrong", server)
    problem = server.json("GET", "/v1/endpoints/sum")["problem"]
    assert f"http://127.0.0.1:{port}" in problem and "refused" in problem, problem
    print(f"problem: {problem[:200]}")
    assert server.job(job)["state"] == "queued", server.job(job)
    running = subprocess.Popen([sys.executable, script, str(port)])
    try:
        server.wait(job)
        assert result(server, job)["outputs"][0]["data"] == [6.5], result(server, job)
        assert result(server, job)["id"] == "7"
        error = server.wait(server.submit_json("sum", {"input": {"x": 1}})["id"], state="failed")["error"]
        assert error["message"].endswith("400: there are no inputs"), error
        server.stop()
        assert running.poll() is None, "a server that was already running was ended"
    finally:
        running.kill()
        running.wait()


def main():
    # The example in a folder of its own, so that its processes are told from others.
    server = Server()
    folder = server.folder / "describe"
    folder.mkdir()
    for file in (ROOT / "Examples/http-model").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    port = free_port()
    (server.folder / "sum").mkdir()
    (server.folder / "sum/model.yaml").write_text(
        "name: sum\nrunner: http\naccepts: [application/json]\n"
        f"server: {{ protocol: open-inference, model: sum, url: 'http://127.0.0.1:{port}/', startMax: 2s }}\n")
    script = Path(tempfile.mkdtemp(prefix="millrace-test-")) / "open_inference.py"
    script.write_text(OPEN_INFERENCE)
    config = server.folder / "millrace.yaml"
    config.write_text("endpoints: { describe: { model: describe }, sum: { model: sum } }\n")
    server.config = str(config)
    server.environment["MILLRACE_PYTHON"] = sys.executable
    with server:
        started_here(server, folder)
        already_running(server, port, str(script))
    wait_until(lambda: not model_servers(folder), 20, "nothing of the model servers is left")


main()
