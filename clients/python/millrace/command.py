"""Any program that reads a file and writes one becomes a model: ``python -m millrace.command -- wc -w {file}``.

The command is started once for each job, in the model's directory, with these words replaced:

    {file}      the path of the job's first file
    {files}     the paths of all its files, as so many arguments; only as an argument of its own
    {input}     the path of a file with the job's inline JSON
    {output}    the path where the command writes its result; without it, the result is what it says on standard output
    {workdir}   an empty directory, deleted afterwards

A parameter ``dpi`` is in the environment as ``MILLRACE_PARAM_DPI``. Standard error goes into the job's log. Status 0 means done; every
other fails the job as ``command_failed`` with the last lines of standard error, and 75 (``EX_TEMPFAIL``) asks for another attempt. A job
that is cancelled ends the command, with all that it started: SIGTERM, and SIGKILL two seconds later.

By hand, without Millrace: ``python -m millrace.command report.txt --set dpi=200 -- wc -w {file}``.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any, Deque, Dict, List, Optional, Sequence

from .serving import Failure, Item, Output
from .serving.decorator import Handler

EXIT_TRY_AGAIN = 75

_TAIL_LINES = 20
_TERMINATE_GRACE_SECONDS = 2
_LOOK_SECONDS = 0.1


class Command:
    """A command line with places for a job's files."""

    def __init__(self, words: Sequence[str], output: str, media_type: Optional[str] = None):
        self.words = list(words)
        self.output = output
        self.media_type = media_type
        self._writes = any("{output}" in word for word in self.words)

    def __call__(self, batch: List[Item]) -> List[Any]:
        return [self.run(item) for item in batch]

    def run(self, item: Item) -> Output:
        result = item.workdir / "result" / self.output
        result.parent.mkdir()
        tail: Deque[str] = deque(maxlen=_TAIL_LINES)
        with open(os.devnull if self._writes else result, "wb") as written:
            process = subprocess.Popen(
                self.arguments(item, result),
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.PIPE,
                env={**os.environ, **_parameters(item)},
                start_new_session=True,
            )
        listener = threading.Thread(target=_listen, args=(process, item, tail), daemon=True)
        listener.start()
        try:
            status = _wait(process, item)
        finally:
            _end(process)
            listener.join(_LOOK_SECONDS)
        if status != 0:
            raise _failure(status, "\n".join(tail))
        if not result.is_file():
            raise Failure("command_failed", "the command ended well, but wrote no result", hint="It has to write to {output}.")
        return Output(result, self.media_type, self.output)

    def arguments(self, item: Item, result: Path) -> List[str]:
        """The command line for a job."""
        arguments: List[str] = []
        for word in self.words:
            if word == "{files}":
                arguments += [str(file.path) for file in item.files]
            else:
                arguments.append(self._filled(word, item, result))
        return arguments

    def _filled(self, word: str, item: Item, result: Path) -> str:
        if "{file}" in word:
            if not item.files:
                raise Failure("missing_input", "the job has no file", hint="upload one")
            word = word.replace("{file}", str(item.files[0].path))
        if "{input}" in word:
            path = item.workdir / "input.json"
            path.write_text(json.dumps(item.input, ensure_ascii=False))
            word = word.replace("{input}", str(path))
        return word.replace("{output}", str(result)).replace("{workdir}", str(item.workdir))


def _parameters(item: Item) -> Dict[str, str]:
    def text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value)

    return {f"MILLRACE_PARAM_{name.upper()}": text(value) for name, value in item.parameters.items()}


def _listen(process: subprocess.Popen, item: Item, tail: Deque[str]) -> None:
    for line in process.stderr:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text:
            tail.append(text)
            item.log(text)


def _wait(process: subprocess.Popen, item: Item) -> int:
    while True:
        try:
            return process.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            item.check()


def _end(process: subprocess.Popen) -> None:
    """Ends the command with everything that it started."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        try:
            process.wait(_TERMINATE_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            pass
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def _failure(status: int, tail: str) -> Failure:
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    message = f"the command {how}" + (f": {tail}" if tail else "")
    return Failure("command_failed", message, retryable=status == EXIT_TRY_AGAIN or status < 0)


def main() -> None:
    own, words = sys.argv[1:], []
    if "--" in own:
        place = own.index("--")
        own, words = own[:place], own[place + 1 :]
    parser = argparse.ArgumentParser(
        prog="millrace.command", usage="python -m millrace.command [--output NAME] [--media-type TYPE] -- COMMAND...",
        description="Serves a command as a model.")
    parser.add_argument("--output", default="output.txt", help="the result's name (output.txt)")
    parser.add_argument("--media-type", help="the result's media type (by its name)")
    options, rest = parser.parse_known_args(own)
    if not words:
        parser.error("what is the command? Put it behind --")
    if "/" in options.output or options.output in ("", ".", ".."):
        parser.error("--output is a name, without /")
    # What is left is for a try by hand.
    sys.argv[1:] = rest
    command = Command(words, options.output, options.media_type)
    Handler(command, setup=None, batch_max=1).serve()


if __name__ == "__main__":
    main()
