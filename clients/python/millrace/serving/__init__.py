"""The handler's side of the handler protocol, version 1."""

from .decorator import Handler, handler
from .item import Cancelled, Checkpoint, InputFile, Item, Lost
from .outcomes import Failure, Output, Result

__all__ = [
    "Cancelled",
    "Checkpoint",
    "Failure",
    "Handler",
    "InputFile",
    "Item",
    "Lost",
    "Output",
    "Result",
    "handler",
]
