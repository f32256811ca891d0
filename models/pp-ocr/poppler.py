"""Calls poppler's command-line tools: never through a shell, always with a time limit, stopped when the job is."""

import contextlib
import os
import resource
import selectors
import subprocess
import time

from millrace import Failure

import limits

_POLL_SECONDS = 0.05
#: Of standard output and of standard error, each; what a tool says beyond it is read and dropped.
_OUTPUT_BYTES_MAX = 1 << 20


def call(arguments, check):
    """Runs a tool and gives its standard output. ``check`` is called meanwhile and may raise to stop it.

    Raises ``Failure`` with what the tool's complaint means for the caller.
    """
    process = _start([str(argument) for argument in arguments])
    try:
        output, errors = _wait(process, check, arguments[0])
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()
    if process.returncode != 0:
        raise _failure(errors)
    return output.decode("utf-8", "replace")


def damaged(message):
    hint = "Open it in a viewer and print it into a new PDF, then send that."
    return Failure("pdf_damaged", message, hint=hint)


def _start(arguments):
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    try:
        process = subprocess.Popen(arguments, env=environment, **pipes)
    except FileNotFoundError:
        raise Failure(
            "poppler_missing", f"{arguments[0]} is not installed", hint="Install poppler-utils on the worker's machine."
        ) from None
    for limit in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE):
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, limit, (limits.TOOL_BYTES_MAX, limits.TOOL_BYTES_MAX))
    return process


def _wait(process, check, name):
    """Standard output and error of a tool that has ended."""
    deadline = time.monotonic() + limits.TOOL_SECONDS_MAX

    def still_wanted():
        check()
        if time.monotonic() > deadline:
            raise damaged(f"{name} needed more than {limits.TOOL_SECONDS_MAX} s for one page")

    kept = _read(process, still_wanted)
    while True:
        still_wanted()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
            return kept


def _read(process, still_wanted):
    """Standard output and error to their ends, bounded while they are read: a hostile file can make a tool talk
    without end."""
    kept = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for pipe in kept:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            still_wanted()
            for key, _ in selector.select(_POLL_SECONDS):
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    selector.unregister(key.fileobj)
                output = kept[key.fileobj]
                output += chunk[: _OUTPUT_BYTES_MAX - len(output)]
    return kept.values()


def _failure(errors):
    text = errors.decode("utf-8", "replace").strip()
    if "Incorrect password" in text:
        return Failure("pdf_encrypted", "the PDF needs a password", hint="Save it without a password and send that.")
    last = text.splitlines()[-1] if text else "no reason given"
    return damaged(f"the PDF cannot be read: {last}")
