"""The control channel: a thread of its own reads it, so that pings and cancellations never wait for the model."""

import os
import socket
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence

from . import frames, tensors
from .item import Item
from .outcomes import Share

#: The runner is gone, or does not speak our protocol: nobody is left to answer to (EX_SOFTWARE).
EXIT_RUNNER_GONE = 70

_EARLY_CANCELS_MAX = 1024


def leave(status: int) -> None:
    """Ends the process at once, from any thread, without waiting for the model."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(status)


def shares_memory() -> bool:
    """Whether both sides know shared memory."""
    return tensors.is_supported() and "shm" in os.environ.get("MILLRACE_HANDLER_FEATURES", "").split(",")


class Control:
    """Sends from any thread; receives on its own."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self._sending = threading.Lock()
        self._state = threading.Condition()
        self._items: Dict[int, Item] = {}
        # `cancel` may overtake the `run` it is about, for they come on two channels: remember it until then.
        self._early_cancels: "OrderedDict[int, str]" = OrderedDict()
        self._sequence = 0
        self._replies: Dict[int, Dict[str, Any]] = {}
        # Memory of answers, by batch, until the runner has them.
        self._shared: Dict[int, List[int]] = {}

    def start(self) -> None:
        self.send({"type": "hello", "channel": "control", "protocol": 1, "pid": os.getpid()})
        threading.Thread(target=self._listen, name="millrace-control", daemon=True).start()

    def send(self, message: Dict[str, Any]) -> None:
        frame = frames.encode(message)
        try:
            with self._sending:
                self._connection.sendall(frame)
        except OSError:
            leave(EXIT_RUNNER_GONE)

    def adopt(self, items: Iterable[Item]) -> None:
        """From now on these items are running."""
        with self._state:
            for item in items:
                self._items[item.id] = item
                reason = self._early_cancels.pop(item.id, None)
                if reason:
                    item.cancel(reason)

    def release(self, items: Iterable[Item]) -> None:
        with self._state:
            for item in items:
                self._items.pop(item.id, None)

    def share(self, batch: int) -> Optional[Share]:
        """How to hand over the tensors of a batch's answers; None when the runner takes none."""
        self._forget(before=batch)
        if not shares_memory():
            return None

        def share(arrays: Sequence[tensors.Tensor]) -> List[Dict[str, Any]]:
            descriptor, entries = tensors.share(arrays)
            with self._state:
                self._shared.setdefault(batch, []).append(descriptor)
            return entries

        return share

    def _forget(self, before: int) -> None:
        """Lets the memory of earlier batches go."""
        with self._state:
            gone = [self._shared.pop(batch) for batch in list(self._shared) if batch < before]
        for descriptor in (descriptor for descriptors in gone for descriptor in descriptors):
            os.close(descriptor)

    def store_checkpoint(self, item: Item, path: Path, position: Any) -> Optional[str]:
        """Waits for the runner's word. None: durable; else why not. Raises ``Cancelled`` when the item should stop."""
        with self._state:
            self._sequence += 1
            sequence = self._sequence
        message = {"type": "checkpoint", "item": item.id, "seq": sequence, "path": str(path), "position": position}
        self.send(message)
        with self._state:
            self._state.wait_for(lambda: sequence in self._replies or item.cancelled not in (None, "draining"))
            reply = self._replies.pop(sequence, None)
        if reply is None:
            raise item.stop()
        return None if reply.get("ok") else str(reply.get("message") or "the runner did not say why")

    def _listen(self) -> None:
        try:
            while True:
                message = frames.receive(self._connection)
                if message is None:
                    leave(EXIT_RUNNER_GONE)
                self._take(message)
        except (OSError, frames.ProtocolError, KeyError) as error:
            print(f"millrace: control channel: {error!r}", file=sys.stderr)
            leave(EXIT_RUNNER_GONE)

    def _take(self, message: Dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "ping":
            if message.get("batch") is not None:
                self._forget(before=message["batch"] + 1)
            self.send({"type": "pong", "seq": message["seq"]})
        elif kind == "cancel":
            self._cancel(message["item"], message.get("reason", "cancelled"))
        elif kind == "checkpointed":
            with self._state:
                self._replies[message["seq"]] = message
                self._state.notify_all()
        elif kind == "shutdown":
            leave(0)
        else:
            raise frames.ProtocolError(f"unknown message {kind}")

    def _cancel(self, identifier: int, reason: str) -> None:
        with self._state:
            item = self._items.get(identifier)
            if item is not None:
                item.cancel(reason)
                self._state.notify_all()
                return
            self._early_cancels[identifier] = reason
            while len(self._early_cancels) > _EARLY_CANCELS_MAX:
                self._early_cancels.popitem(last=False)
