"""Makes a call that may hang, and waits for it only a limited time.

Owns: the thread that makes the call. Must not know: what is called. It is used for calls to which no time-out can be
given: name look-ups, credential processes, and a client that the user has made.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what ``call`` returns, or raise what it raises. Raises TimeoutError if it takes longer than ``seconds``.

    The call is made on a daemon thread. After a TimeoutError it goes on there, and its result is ignored.
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
