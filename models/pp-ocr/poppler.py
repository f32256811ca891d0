"""Calls poppler's command-line tools: never through a shell, always with a time limit, stopped when the job is."""

import contextlib
import os
import resource
import subprocess
import time

from millrace import Failure

import limits

_POLL_SECONDS = 0.05
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
    return output[:_OUTPUT_BYTES_MAX].decode("utf-8", "replace")


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
    deadline = time.monotonic() + limits.TOOL_SECONDS_MAX
    while True:
        check()
        try:
            return process.communicate(timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise damaged(f"{name} needed more than {limits.TOOL_SECONDS_MAX} s for one page") from None


def _failure(errors):
    text = errors.decode("utf-8", "replace").strip()
    if "Incorrect password" in text:
        return Failure("pdf_encrypted", "the PDF needs a password", hint="Save it without a password and send that.")
    last = text.splitlines()[-1] if text else "no reason given"
    return damaged(f"the PDF cannot be read: {last}")
