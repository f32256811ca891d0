"""Connects to the runner, loads the model and works off batches until told to stop."""

import signal
import socket
import sys
import traceback
from typing import Any, Callable, List, Optional

from . import frames
from .batches import Batch
from .control import EXIT_RUNNER_GONE, Control, leave, shares_memory
from .item import Item


def serve(
    socket_path: str,
    function: Callable[[List[Item]], Any],
    setup: Optional[Callable[[], Any]],
    batch_max: int,
) -> None:
    """Never returns."""
    _prepare_process()
    control = Control(_connect(socket_path))
    control.start()
    work = _connect(socket_path)
    frames.send(work, {"type": "hello", "channel": "work"})
    _load(setup, control)
    control.send({"type": "ready", "batchMax": batch_max, "features": ["shm"] if shares_memory() else []})
    _work_off(work, control, function)


def _prepare_process() -> None:
    # Ctrl-C in a terminal reaches the whole process group: the runner decides what happens to running items, not we.
    # SIGTERM keeps its default, which ends the process even in the middle of native code: the runner sends it only to
    # a handler that did not answer in time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(path)
    return connection


def _load(setup: Optional[Callable[[], Any]], control: Control) -> None:
    if setup is None:
        return
    try:
        setup()
    except BaseException as error:
        traceback.print_exc()
        message = traceback.format_exception_only(type(error), error)[-1].strip()
        control.send({"type": "fatal", "message": message[:4096]})
        leave(1)


def _work_off(work: socket.socket, control: Control, function: Callable[[List[Item]], Any]) -> None:
    try:
        while True:
            message = frames.receive(work)
            if message is None:
                leave(EXIT_RUNNER_GONE)
            if message["type"] != "run":
                raise frames.ProtocolError(f"unknown message {message['type']}")
            Batch(message, control, work).run(function)
    except (OSError, frames.ProtocolError, KeyError) as error:
        print(f"millrace: work channel: {error!r}", file=sys.stderr)
        leave(EXIT_RUNNER_GONE)
