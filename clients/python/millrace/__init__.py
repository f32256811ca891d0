"""Millrace for Python.

``millrace.serving`` is the handler's side of the handler protocol: put ``@handler`` on a function that takes a batch.
The names below are the whole public surface of it.
"""

from .serving import (
    Cancelled,
    Checkpoint,
    Failure,
    Handler,
    Image,
    InputFile,
    Item,
    Lost,
    Output,
    Result,
    Tensor,
    handler,
)

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
