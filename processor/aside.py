"""Runs a blocking call in a daemon thread: one that hangs blocks neither its caller nor the exit of the process."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def aside(call: Callable[[], T]) -> Future[T]:
    """Start a call in a separate thread, and return its future."""
    outcome: Future[T] = Future()

    def make() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001  whatever it is, the waiting thread raises it
            outcome.set_exception(error)

    threading.Thread(target=make, daemon=True).start()
    return outcome
