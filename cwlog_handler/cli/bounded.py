"""Calls that may hang, made so that nobody waits for them too long.

Must not know: what is called. Name look-ups, credential processes and a client of the user's have no time-out of ours.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what ``call`` returns, or raise what it raises; TimeoutError if ``seconds`` were not enough.

    The call is made on a daemon thread; after a TimeoutError it goes on there, and nobody learns what comes of it.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="cwlog-handler-doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {seconds:g} s")
    if errors:
        raise errors[0]
    return results[0]
