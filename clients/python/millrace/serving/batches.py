"""Runs one batch through the handler and answers for every item of it."""

import inspect
import socket
import traceback
from typing import Any, Callable, Dict, List

from . import frames
from .control import EXIT_RUNNER_GONE, Control, leave
from .item import Cancelled, Item
from .outcomes import Failure, answer

_MESSAGE_LENGTH_MAX = 4096
#: A log line keeps its first 4096 characters; of a traceback the end matters.
_TRACEBACK_LENGTH_MAX = 4096


class Batch:
    """One ``run`` message being worked on."""

    def __init__(self, message: Dict[str, Any], control: Control, work: socket.socket):
        self._id = message["batch"]
        self._control = control
        self._work = work
        entries = message["items"]
        self.items = [Item(entry, control, alone=len(entries) == 1) for entry in entries]

    def run(self, function: Callable[[List[Item]], Any]) -> None:
        """Every item is answered, or the batch as a whole is; nothing that the handler raises gets out."""
        self._control.adopt(self.items)
        try:
            self._call(function)
            self._demand_answers()
        except Cancelled as stop:
            self._stopped(stop)
        except Failure as failure:
            self._broken(failure.code, failure.message, failure)
        except MemoryError as error:
            self._broken("out_of_memory", _last_line(error), error)
        except Exception as error:
            out_of_memory = type(error).__name__ == "OutOfMemoryError"  # PyTorch's, without importing it
            self._broken("out_of_memory" if out_of_memory else "handler_error", _last_line(error), error)
        else:
            self._send({"type": "done"})
        finally:
            self._control.release(self.items)

    def _call(self, function: Callable[[List[Item]], Any]) -> None:
        outcomes = function(list(self.items))
        if inspect.isgenerator(outcomes):
            for item, outcome in outcomes:
                self._answer(item, outcome)
            return
        outcomes = list(outcomes) if isinstance(outcomes, (list, tuple)) else [outcomes]
        if len(outcomes) != len(self.items):
            self._contract_broken(f"{len(outcomes)} results for a batch of {len(self.items)}")
            return
        for item, outcome in zip(self.items, outcomes):
            self._answer(item, outcome)

    def _answer(self, item: Item, outcome: Any) -> None:
        if item.answered:
            raise ValueError(f"item {item.id} was answered twice")
        if isinstance(outcome, Cancelled):
            self._send_for(item, {"type": "cancelled"})
        elif isinstance(outcome, Failure):
            self._send_for(item, _error(outcome))
        else:
            self._send_result(item, outcome)

    def _send_result(self, item: Item, outcome: Any) -> None:
        try:
            self._send_for(item, {"type": "result", **answer(outcome, item.workdir, self._control.share(self._id))})
        except (TypeError, ValueError, FileNotFoundError, frames.ProtocolError) as error:
            self._send_for(item, _error(Failure("result_invalid", str(error), hint="The model's handler needs a fix.")))

    def _demand_answers(self) -> None:
        if any(not item.answered for item in self.items):
            self._contract_broken("no answer for some items of the batch")

    def _contract_broken(self, what: str) -> None:
        """A fault in the handler itself: trying again, or trying halves, would change nothing."""
        failure = Failure("handler_contract", f"the handler gave {what}", hint="The model's handler needs a fix.")
        for item in self.items:
            if not item.answered:
                self._send_for(item, _error(failure))

    def _stopped(self, stop: Cancelled) -> None:
        for item in self.items:
            if not item.answered and (item is stop.item or item.cancelled):
                self._send_for(item, {"type": "cancelled"})
        if all(item.answered for item in self.items):
            self._send({"type": "done"})
        else:
            message = "the batch was given up because one item of it was stopped"
            self._send({"type": "failed", "code": "batch_interrupted", "message": message, "retryable": True})

    def _broken(self, code: str, message: str, error: Exception) -> None:
        """The function raised: an item alone has failed; several are tried again in halves by the runner."""
        remaining = [item for item in self.items if not item.answered]
        expected = isinstance(error, Failure)
        if not expected:
            self._log_traceback(error)
        if len(self.items) == 1 and remaining:
            self._send_for(remaining[0], _error(error if expected else Failure(code, message, retryable=True)))
        if len(self.items) == 1 or not remaining:
            self._send({"type": "done"})
            return
        retryable = error.retryable if expected else True
        self._send({"type": "failed", "code": code, "message": message[:_MESSAGE_LENGTH_MAX], "retryable": retryable})

    def _log_traceback(self, error: Exception) -> None:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        line: Dict[str, Any] = {"type": "log", "level": "error", "message": text[-_TRACEBACK_LENGTH_MAX:]}
        if len(self.items) == 1:
            line["item"] = self.items[0].id
        self._control.send(line)

    def _send_for(self, item: Item, fields: Dict[str, Any]) -> None:
        self._send({**fields, "item": item.id})
        item.answered = True

    def _send(self, fields: Dict[str, Any]) -> None:
        frame = frames.encode({**fields, "batch": self._id})
        try:
            self._work.sendall(frame)
        except OSError:
            leave(EXIT_RUNNER_GONE)


def _error(failure: Failure) -> Dict[str, Any]:
    fields: Dict[str, Any] = {
        "type": "error",
        "code": failure.code,
        "message": failure.message[:_MESSAGE_LENGTH_MAX],
        "retryable": failure.retryable,
    }
    if failure.hint is not None:
        fields["hint"] = failure.hint[:_MESSAGE_LENGTH_MAX]
    if failure.retry_after is not None:
        fields["retryAfterSeconds"] = failure.retry_after
    return fields


def _last_line(error: BaseException) -> str:
    return traceback.format_exception_only(type(error), error)[-1].strip()
