"""Patience with calls that know no deadline of their own."""

from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Within(Protocol):
    def __call__(self, seconds: float, call: Callable[[], T], /) -> T:
        """What `call` answers or raises; TimeoutError when that takes longer than `seconds`."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """What `call` answers or raises; TimeoutError when that takes longer. For calls that know no deadline.

    One that hangs is left to itself: it holds no lock of ours, and ends with its own timeouts or the process.
    """
    box: SimpleQueue[Callable[[], T]] = SimpleQueue()

    def run() -> None:
        try:
            value = call()
        except BaseException as error:  # noqa: BLE001 - raised again, in the thread that waits
            box.put(partial(_raised, error))
        else:
            box.put(lambda: value)

    Thread(target=run, daemon=True).start()
    try:
        outcome = box.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    return outcome()


def _raised(error: BaseException) -> Any:
    raise error
