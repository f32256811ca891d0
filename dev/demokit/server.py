"""The server that the demo runs against: the built binary in a process of its own, on a free port, with fresh data."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

_READY_SECONDS, _STOP_SECONDS, _LOG_LINES = 60, 90, 30


class DemoFailure(Exception):
    """Why the demo cannot go on."""


class Server:
    def __init__(self, keep=False):
        self._keep = keep
        self._process = None
        self._directory = Path(tempfile.mkdtemp(prefix="millrace-demo-"))
        self._data = self._directory / "data"
        self._log = self._directory / "server.log"
        self.port = _free_port()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self):
        return (self._data / "api-key").read_text().strip()

    def start(self):
        command = [_binary(), "serve", "--config", ROOT / "millrace.yaml"]
        command += ["--data", self._data, "--port", str(self.port)]
        with self._log.open("wb") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
            self._process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **streams)
        deadline = time.monotonic() + _READY_SECONDS
        while not self._is_ready():
            self.check_alive()
            if time.monotonic() > deadline:
                raise DemoFailure(f"the server was not ready after {_READY_SECONDS} s")
            time.sleep(0.05)

    def check_alive(self):
        status = self._process.poll()
        if status is not None:
            raise DemoFailure(f"the server ended by itself with status {status}")

    def stop(self):
        """SIGTERM, and nothing but exit status 0 will do."""
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise DemoFailure(f"the server did not stop within {_STOP_SECONDS} s of SIGTERM") from None
        if status != 0:
            raise DemoFailure(f"the server stopped with status {status}, not 0")

    def close(self):
        """Whatever happened, no process stays behind."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._keep:
            print(f"Data and log are in {self._directory}")
        else:
            shutil.rmtree(self._directory, ignore_errors=True)

    def log_tail(self):
        try:
            return self._log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        except OSError:
            return []

    def _is_ready(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _binary():
    path = Path(os.environ.get("MILLRACE_BIN") or ROOT / ".build" / "release" / "millrace")
    if not os.access(path, os.X_OK):
        raise DemoFailure(f"there is no {path}: run make build, or set MILLRACE_BIN")
    return path.resolve()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
