"""The handler's side of the handler protocol, version 1."""

from .decorator import Handler, handler
from .item import Cancelled, Checkpoint, InputFile, Item, Lost
from .outcomes import Failure, Output, Result
from .tensors import Image, Tensor

__all__ = [
    "Cancelled",
    "Checkpoint",
    "Failure",
    "Handler",
    "Image",
    "InputFile",
    "Item",
    "Lost",
    "Output",
    "Result",
    "Tensor",
    "handler",
]
