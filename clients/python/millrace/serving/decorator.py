"""``@handler``: the three lines that make a function a model."""

import os
from typing import Any, Callable, List, Optional

from .item import Item


class Handler:
    """A function that takes a batch. Calling it calls the function, so it can be tested like any other."""

    def __init__(self, function: Callable[[List[Item]], Any], setup: Optional[Callable[[], Any]], batch_max: int):
        if batch_max < 1:
            raise ValueError("batch_max is at least 1")
        self.function = function
        self.setup = setup
        self.batch_max = batch_max
        self.__name__ = getattr(function, "__name__", "handler")
        self.__doc__ = function.__doc__

    def __call__(self, batch: List[Item]) -> Any:
        return self.function(batch)

    def serve(self) -> None:
        """Serves the runner that started this process. Started by hand, it runs one item from the command line."""
        socket_path = os.environ.get("MILLRACE_HANDLER_SOCKET")
        if socket_path:
            from .server import serve

            serve(socket_path, self.function, self.setup, self.batch_max)
        else:
            from .tryout import try_out

            try_out(self)


def handler(
    function: Optional[Callable[[List[Item]], Any]] = None,
    *,
    batch_max: int = 1,
    setup: Optional[Callable[[], Any]] = None,
) -> Any:
    """Makes a handler of a function that takes a list of items and returns a result for each, in order.

    ``setup`` is called once, before the first batch: load the model there. ``batch_max`` is how many items one call may
    get. Use it bare (``@handler``) or with arguments (``@handler(batch_max=8)``).

    A result is anything JSON can carry, an ``Output``, a list of them, a ``Result`` (both) or a ``Failure``. A function
    with ``yield`` gives ``(item, result)`` pairs instead, in any order, each of which is answered at once.
    """

    def make(function: Callable[[List[Item]], Any]) -> Handler:
        return Handler(function, setup, batch_max)

    return make if function is None else make(function)
