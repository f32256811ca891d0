"""A runner for tests of handlers: starts the handler as a process and speaks the real protocol with it.

with FakeRunner([sys.executable, "handler.py"], directory="models/pp-ocr") as runner:
    answer = runner.run_one(files=["page.png"], parameters={"dpi": 200})
    assert answer.json["pages"]
"""

import mimetypes
import os
import queue
import shutil
import socket
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

from .serving import frames

Message = Dict[str, Any]


@dataclass
class Answer:
    """What the handler said about one item, and everything it said on the way there."""

    message: Message
    workdir: Path
    progress: List[Message] = field(default_factory=list)
    logs: List[Message] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return self.message["type"]

    @property
    def json(self) -> Any:
        return self.message.get("json")

    @property
    def code(self) -> Optional[str]:
        return self.message.get("code")

    def output(self, name: str) -> bytes:
        for entry in self.message.get("outputs", []):
            if entry["name"] == name:
                return Path(entry["path"]).read_bytes()
        raise KeyError(name)

    def tensor(self, name: str) -> bytes:
        """The bytes of a tensor; read them before the next batch."""
        for entry in self.message.get("tensors", []):
            if entry["name"] == name:
                with open(entry["path"], "rb") as memory:
                    return os.pread(memory.fileno(), entry["bytes"], entry["offset"])
        raise KeyError(name)


class FakeRunner:
    """One handler process. ``on_checkpoint`` and ``on_progress`` are called from the reading thread."""

    def __init__(self, command: Sequence[str], directory: Any = ".", timeout: float = 60, environment: Any = None):
        self.timeout = timeout
        self.checkpoints: List[Message] = []
        self.control: "queue.Queue[Message]" = queue.Queue()
        self.on_checkpoint: Callable[[Message], Optional[Message]] = lambda message: {"ok": True}
        self.on_progress: Callable[[Message], None] = lambda message: None
        self.root = Path(tempfile.mkdtemp(prefix="millrace-runner-"))
        self._progress: Dict[int, List[Message]] = {}
        self._logs: Dict[int, List[Message]] = {}
        self._next = 0
        self._sending = threading.Lock()
        self._start(list(command), Path(directory), environment or {})

    def __enter__(self) -> "FakeRunner":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # Talking to the handler

    def wait_ready(self) -> Message:
        return self.expect("ready", "fatal")

    def expect(self, *kinds: str) -> Message:
        """The next control message of one of these types; others in between are dropped."""
        while True:
            message = self.control.get(timeout=self.timeout)
            if message["type"] in kinds:
                return message

    def tell(self, message: Message) -> None:
        with self._sending:
            frames.send(self._control, message)

    def item(self, files: Sequence[Any] = (), **fields: Any) -> Message:
        """An item for ``run``: files are paths or ready-made entries."""
        self._next += 1
        workdir = self.root / f"item-{self._next}"
        workdir.mkdir()
        entries = [entry if isinstance(entry, dict) else file_entry(Path(entry)) for entry in files]
        base = {"item": self._next, "job": f"job-{self._next}", "endpoint": "test", "attempt": 1, "parameters": {}}
        return {**base, "input": None, "files": entries, "workdir": str(workdir), "checkpoint": None, **fields}

    def run(self, items: Sequence[Message], batch: int = 1) -> "tuple[Dict[int, Answer], Message]":
        """Runs a batch. Gives the answers by item id, and the ``done`` or ``failed`` that ended it."""
        frames.send(self._work, {"type": "run", "batch": batch, "items": list(items)})
        workdirs = {item["item"]: Path(item["workdir"]) for item in items}
        answers: Dict[int, Answer] = {}
        while True:
            message = frames.receive(self._work)
            if message is None:
                raise ConnectionError("the handler closed the work channel")
            if message["type"] in ("done", "failed"):
                self._settle()
                return answers, message
            identifier = message["item"]
            notes = self._progress.setdefault(identifier, []), self._logs.setdefault(identifier, [])
            answers[identifier] = Answer(message, workdirs[identifier], *notes)

    def run_one(self, **fields: Any) -> Answer:
        item = self.item(**fields)
        answers, _ = self.run([item])
        return answers[item["item"]]

    @property
    def noise(self) -> str:
        """What the handler wrote on standard output and standard error so far."""
        return (self.root / "output.log").read_text(errors="replace")

    def close(self) -> Optional[int]:
        """Asks the handler to end and waits for it: its exit status."""
        if self.process.poll() is None:
            try:
                self.tell({"type": "shutdown"})
            except OSError:
                pass
        try:
            status = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        for connection in (self._control, self._work, self._listener):
            connection.close()
        shutil.rmtree(self.root, ignore_errors=True)
        return status

    # Inside

    def _start(self, command: List[str], directory: Path, environment: Dict[str, str]) -> None:
        path = str(self.root / "handler.sock")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen(2)
        self._listener.settimeout(self.timeout)
        with open(self.root / "output.log", "wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env=_environment(path, directory, environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        channels = dict(self._accept() for _ in range(2))
        self._control, self._work = channels["control"], channels["work"]
        self._work.settimeout(self.timeout)
        threading.Thread(target=self._listen, daemon=True).start()

    def _accept(self) -> "tuple[str, socket.socket]":
        connection, _ = self._listener.accept()
        hello = frames.receive(connection)
        assert hello and hello["type"] == "hello", hello
        return hello["channel"], connection

    def _listen(self) -> None:
        try:
            while (message := frames.receive(self._control)) is not None:
                self._note(message)
                self.control.put(message)
        except (OSError, frames.ProtocolError):
            pass

    def _note(self, message: Message) -> None:
        kind = message["type"]
        if kind == "progress":
            self._progress.setdefault(message["item"], []).append(message)
            self.on_progress(message)
        elif kind == "log" and "item" in message:
            self._logs.setdefault(message["item"], []).append(message)
        elif kind == "checkpoint":
            self.checkpoints.append(message)
            reply = self.on_checkpoint(message)
            if reply is not None:
                self.tell({"type": "checkpointed", "item": message["item"], "seq": message["seq"], **reply})

    def _settle(self) -> None:
        """Everything sent on the control channel before the end of the batch has been read once a pong is back."""
        self.tell({"type": "ping", "seq": 0})
        self.expect("pong")


def file_entry(path: Path, name: str = "file") -> Message:
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    size = path.stat().st_size
    return {"name": name, "filename": path.name, "path": str(path.resolve()), "mediaType": media_type, "bytes": size}


def _environment(socket_path: str, directory: Path, extra: Dict[str, str]) -> Dict[str, str]:
    """As clean as the real runner's."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MILLRACE_HANDLER_SOCKET": socket_path,
        "MILLRACE_MODEL_DIR": str(directory.resolve()),
        "MILLRACE_HANDLER_FEATURES": "shm",
        **extra,
    }
