"""What the black-box tests share: a server in a process of its own, its HTTP API, and a receiver of webhooks."""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("MILLRACE_BIN", str(ROOT / ".build/debug/millrace"))
DATA = ROOT / "Examples/data"
FINAL = {"succeeded", "failed", "cancelled", "expired"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server with a data directory of its own. `kill()` and `start()` again keep the data and the port."""

    def __init__(self, config="millrace.yaml", environment=None):
        self.folder = Path(tempfile.mkdtemp(prefix="millrace-test-"))
        self.data = self.folder / "data"
        self.port = free_port()
        self.config = config
        self.environment = {**os.environ, **(environment or {})}
        for name in list(self.environment):
            if name.startswith("MILLRACE_") and name != "MILLRACE_BIN" and name not in (environment or {}):
                del self.environment[name]
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        log = open(self.folder / "server.log", "ab")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--config", self.config, "--data", str(self.data), "--port", str(self.port)],
            cwd=ROOT, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self._is_ready, 60, "the server is ready", self)
        self.key = (self.data / "api-key").read_text().strip()

    def _is_ready(self):
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log()}"
        try:
            return self.call("GET", "/readyz", key=None)[0] == 200
        except OSError:
            return False

    def kill(self):
        """kill -9: no goodbye, no clean-up."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=90)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the server did not stop when asked to:\n{self.log()}")
        assert status == 0, f"the server stopped with status {status}:\n{self.log()}"

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")[-6000:]

    def worker_logs(self):
        return "\n".join(f"{path.name}:\n{path.read_text(errors='replace')[-3000:]}" for path in (self.data / "logs/workers").glob("*.log"))

    # The HTTP API

    def call(self, method, path, body=None, headers=None, key="own"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=70)
        try:
            headers = dict(headers or {})
            if key == "own":
                headers["Authorization"] = f"Bearer {self.key}"
            elif key:
                headers["Authorization"] = f"Bearer {key}"
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, dict((name.lower(), value) for name, value in response.getheaders()), response.read()
        finally:
            connection.close()

    def json(self, method, path, body=None, expect=200, headers=None):
        payload = None if body is None else json.dumps(body)
        headers = {**({"Content-Type": "application/json"} if body is not None else {}), **(headers or {})}
        status, _, content = self.call(method, path, payload, headers)
        assert status == expect, f"{method} {path} answered {status}, not {expect}: {content[:800]!r}"
        return json.loads(content)

    def submit_files(self, endpoint, files, fields=None, headers=None, expect=202):
        """`files`: paths, or pairs of a name and bytes."""
        boundary = uuid.uuid4().hex
        body = b""
        for name, value in (fields or {}).items():
            body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for file in files:
            name, content = (file.name, file.read_bytes()) if isinstance(file, Path) else file
            body += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'.encode()
            body += b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n"
        body += f"--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", **(headers or {})}
        status, _, content = self.call("POST", f"/v1/endpoints/{endpoint}/jobs", body, headers)
        assert status == expect, f"submitting to {endpoint} answered {status}, not {expect}: {content[:800]!r}"
        return json.loads(content)

    def submit_json(self, endpoint, body, expect=202, headers=None):
        return self.json("POST", f"/v1/endpoints/{endpoint}/jobs", body, expect, headers)

    def job(self, identifier):
        return self.json("GET", f"/v1/jobs/{identifier}")

    def workers(self):
        return self.json("GET", "/v1/workers")["workers"]

    def events(self, identifier):
        """All events of a finished job, as pairs of a name and its data."""
        return self._parse_events(self.call("GET", f"/v1/jobs/{identifier}/events")[2])

    @staticmethod
    def _parse_events(content):
        events = []
        for block in content.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
            if "event" in fields:
                events.append((fields["event"], json.loads(fields["data"])))
        return events

    def events_so_far(self, identifier):
        """The states of a job up to now, as pairs like those of `events`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        content = b""
        try:
            connection.request("GET", f"/v1/jobs/{identifier}/events", headers={"Authorization": f"Bearer {self.key}"})
            response = connection.getresponse()
            while chunk := response.read1(65536):
                content += chunk
        except TimeoutError:
            pass
        finally:
            connection.close()
        return self._parse_events(content)

    def wait(self, identifier, state="succeeded", seconds=120):
        """Waits until the job has ended and says how; it must have ended as `state`."""
        wait_until(lambda: self.job(identifier)["state"] in FINAL, seconds, f"job {identifier} has ended", self)
        job = self.job(identifier)
        assert job["state"] == state, f"job {identifier} is {job['state']}, not {state}: {job.get('error')}\n{self.worker_logs()}"
        return job


def wait_until(condition, seconds, what, server=None):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain until {what}" + (f"\n{server.log()}\n{server.worker_logs()}" if server else ""))
        time.sleep(0.05)


class Receiver:
    """Takes webhooks on a port of its own and checks their signatures."""

    def __init__(self, secret, refuse=0):
        self.secret = base64.b64decode(secret.removeprefix("whsec_"))
        self.received = []
        self.refuse = refuse
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.refuse > 0:
                    outer.refuse -= 1
                    self.send_response(503)
                    self.end_headers()
                    return
                outer.received.append((self.headers["webhook-id"], json.loads(body), outer.is_signed(self.headers, body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/done"

    def is_signed(self, headers, body):
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.new(self.secret, text, hashlib.sha256).digest()).decode()
        return wanted in headers["webhook-signature"].split(" ")

    def of(self, job):
        """The ids under which this job's end was told, and the messages."""
        messages = [message for message in self.received if message[1]["data"]["id"] == job]
        assert all(signed for _, _, signed in messages), "a webhook has a wrong signature"
        return {identifier for identifier, _, _ in messages}, [body for _, body, _ in messages]


SECRET = "whsec_" + base64.b64encode(b"a secret for the black-box tests").decode()
WEBHOOKS = {"MILLRACE_WEBHOOK_SECRET": SECRET, "MILLRACE_WEBHOOK_ALLOWED_HOSTS": "127.0.0.1"}


def demo_jobs(server, callback=None):
    """Submits the four real jobs, each long enough to be hit in its middle, and gives their ids by endpoint."""
    fields = {"callback": callback} if callback else {}
    comments = (DATA / "comments-1000.csv").read_bytes()
    header, rows = comments.split(b"\n", 1)
    photos = sorted((DATA / "photos").glob("*.jpg")) + sorted((DATA / "photos").glob("*.png"))
    return {
        "ocr": server.submit_files("ocr", [DATA / "report/medical-report-4pages.pdf"], fields)["id"],
        "classify": server.submit_files("classify", (photos * 64)[:64], fields)["id"],
        "sentiment": server.submit_files("sentiment", [("many.csv", header + b"\n" + rows * 4)], fields)["id"],
        "train": server.submit_json(
            "train", {"input": {}, "parameters": {"epochs": 6, "trainSamples": 30000}, **({"callback": callback} if callback else {})})["id"],
    }


def recorded_once(server, receiver, job):
    """One final state among the events, one id among the webhooks."""
    wait_until(lambda: receiver.of(job)[0], 60, f"the webhook of {job} has come", server)
    finals = [data for name, data in server.events(job) if name == "state" and data["state"] in FINAL]
    assert len(finals) == 1, f"job {job} ended {len(finals)} times: {finals}"
    identifiers, bodies = receiver.of(job)
    assert len(identifiers) == 1, f"job {job} was told under {len(identifiers)} ids"
    assert all(body == bodies[0] for body in bodies), "a repeated webhook has another body"
