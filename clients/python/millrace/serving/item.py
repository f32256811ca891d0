"""One item of a batch, as a handler sees it."""

import math
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, List, Optional, Protocol, Union

from . import tensors

#: Progress in between is dropped when it comes faster than this; the last step of an item never is.
PROGRESS_INTERVAL_SECONDS = 0.05

#: What a job's log keeps of one line.
_TEXT_LENGTH_MAX = 4096


class Cancelled(BaseException):
    """The item was asked to stop: let it pass, or tidy up and raise it again.

    Not an ``Exception``, so that ``except Exception`` in a handler does not swallow it. ``reason`` is ``cancelled``,
    ``timeout``, ``draining`` (the worker goes away: a last checkpoint may still be saved) or ``lost``.
    """

    def __init__(self, item: "Item", reason: str):
        super().__init__(f"stopped: {reason}")
        self.item = item
        self.reason = reason


class Lost(Cancelled):
    """The lease is gone: somebody else runs this job, and nothing said here is recorded any more."""


@dataclass(frozen=True)
class InputFile:
    """A file that came with the job. ``filename`` is the caller's word for it: show it, never open it."""

    name: str
    filename: str
    path: Path
    media_type: str
    bytes: int
    #: Where its pixels lie in shared memory, as the protocol says it.
    shared: Optional[Dict[str, Any]] = field(default=None, repr=False)

    @cached_property
    def image(self) -> tensors.Image:
        """The file as a decoded image, for a model with ``options: { decode: image }``. Look at it before the item is answered."""
        if self.shared is None:
            raise AttributeError("the file was not decoded; put options: { decode: image } into model.yaml")
        return tensors.opened(self.shared)


@dataclass(frozen=True)
class Checkpoint:
    """Where an earlier attempt got to: its file and the position it was saved with."""

    path: Path
    position: Any


class Link(Protocol):
    """What an item needs from the connection to its runner."""

    def send(self, message: Dict[str, Any]) -> None: ...

    def store_checkpoint(self, item: "Item", path: Path, position: Any) -> Optional[str]: ...


class Item:
    """One example of a batch: its inputs, and the way to say how it is going. Safe to use from any thread."""

    def __init__(self, message: Dict[str, Any], link: Link, alone: bool):
        self.id: int = message["item"]
        self.job: str = message.get("job", "")
        self.endpoint: str = message.get("endpoint", "")
        self.attempt: int = message.get("attempt", 1)
        self.parameters: Dict[str, Any] = message.get("parameters") or {}
        self.input: Any = message.get("input")
        self.files: List[InputFile] = [_input_file(entry) for entry in message.get("files") or []]
        self.workdir = Path(message["workdir"])
        self.checkpoint: Optional[Checkpoint] = _checkpoint(message.get("checkpoint"))
        self.answered = False
        self._link = link
        self._alone = alone
        self._reason: Optional[str] = None
        self._told_at = -math.inf
        self._lock = threading.Lock()

    @property
    def image(self) -> tensors.Image:
        """The decoded image of a job with one file; see ``InputFile.image``."""
        if len(self.files) != 1:
            raise ValueError(f"the job has {len(self.files)} files; look at the image of each")
        return self.files[0].image

    @property
    def cancelled(self) -> Optional[str]:
        """Why the item should stop, or None: true in a condition once it should."""
        return self._reason

    def check(self) -> None:
        """Raises ``Cancelled`` (or ``Lost``) once the item should stop. Cheap: call it in every inner loop."""
        if self._reason is not None:
            raise self.stop()

    def progress(
        self,
        done: float,
        total: Optional[float] = None,
        unit: Optional[str] = None,
        message: Optional[str] = None,
        **metrics: float,
    ) -> None:
        """Says how far the item is. Raises ``Cancelled`` as ``check`` does, when the item is alone in its batch:
        in a larger batch a raise would cost its neighbours their results, so look at ``cancelled`` there."""
        if self._alone:
            self.check()
        if self.answered or not self._is_time_to_tell(done, total):
            return
        report: Dict[str, Any] = {"type": "progress", "item": self.id, "done": done}
        report.update({key: value for key, value in (("total", total), ("unit", unit)) if value is not None})
        if message is not None:
            report["message"] = str(message)[:1024]
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        if finite:
            report["metrics"] = finite
        self._link.send(report)

    def log(self, message: str, level: str = "info") -> None:
        """A line for the job's log. ``level`` is ``debug``, ``info``, ``warning`` or ``error``."""
        if level not in ("debug", "info", "warning", "error"):
            raise ValueError(f"no such log level: {level}")
        self._link.send({"type": "log", "item": self.id, "level": level, "message": str(message)[:_TEXT_LENGTH_MAX]})

    def save_checkpoint(self, content: Union[str, Path, bytes], position: Any) -> bool:
        """Stores a file (a path, or bytes) from which a later attempt can go on, and waits until it is durable.

        Answers False, with a warning in the log, when it could not be stored: that is a pity, not a failure. Raises
        ``Cancelled`` when the item should stop, except while draining: a last checkpoint is welcome then.
        """
        if self._reason not in (None, "draining"):
            raise self.stop()
        path = self._checkpoint_file(content)
        trouble = self._link.store_checkpoint(self, path, position)
        if trouble is None:
            return True
        self.log(f"the checkpoint was not stored: {trouble}", level="warning")
        return False

    def cancel(self, reason: str) -> None:
        """For the channel: asks the item to stop. ``lost`` outranks what was said before."""
        if self._reason is None or reason == "lost":
            self._reason = reason

    def stop(self) -> Cancelled:
        """The exception that ends this item."""
        reason = self._reason or "cancelled"
        return Lost(self, reason) if reason == "lost" else Cancelled(self, reason)

    def _is_time_to_tell(self, done: float, total: Optional[float]) -> bool:
        now = time.monotonic()
        with self._lock:
            if total is not None and done >= total or now - self._told_at >= PROGRESS_INTERVAL_SECONDS:
                self._told_at = now
                return True
            return False

    def _checkpoint_file(self, content: Union[str, Path, bytes]) -> Path:
        if not isinstance(content, (bytes, bytearray, memoryview)):
            return Path(content).resolve()
        path = self.workdir.resolve() / ".millrace-checkpoint"
        path.write_bytes(content)
        return path


def _input_file(entry: Dict[str, Any]) -> InputFile:
    return InputFile(
        name=entry.get("name", "file"),
        filename=entry.get("filename") or entry.get("name", "file"),
        path=Path(entry["path"]),
        media_type=entry.get("mediaType", "application/octet-stream"),
        bytes=entry.get("bytes", 0),
        shared=entry.get("image"),
    )


def _checkpoint(entry: Optional[Dict[str, Any]]) -> Optional[Checkpoint]:
    return Checkpoint(Path(entry["path"]), entry.get("position")) if entry else None
