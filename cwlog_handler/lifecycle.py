"""What happens to flushers when the process forks and when it ends, also where no ``atexit`` runs.

Must not know: what a flusher does between.
"""

from __future__ import annotations

import atexit
import importlib
import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Protocol
from weakref import WeakSet

from . import own_threads, pacing
from .notices import Notices


class Watched(Protocol):
    """What is needed of a flusher here."""

    def start_over(self) -> None:
        """Begin with nothing, in a forked child."""

    def finish_within_timeout(self) -> float:
        """Return the deadline of a finish that begins now."""

    def deliver_until(self, deadline: float) -> bool:
        """Deliver what waits; say what is left at the deadline, and return False."""

    def finish(self, deadline: float) -> None:
        """The same at the interpreter's end, when no thread will be there any more."""


_SERVERS_IN_C: Final = frozenset({"uwsgi", "mod_wsgi"})

_watched: WeakSet[Watched] = WeakSet()
_seen_to_pid: int | None = None


def watch(flusher: Watched) -> None:
    """Look after a flusher for as long as it lives."""
    _watched.add(flusher)


def handle_sigterm() -> None:
    """Have the process finish before it dies of SIGTERM, where it would die at once: if nobody handles the signal.

    Only the main thread can see to it; elsewhere this does nothing. Where a server written in C runs Python, its own
    handler would not be seen, and must not be replaced.
    """
    if threading.main_thread().ident != threading.get_ident() or not _SERVERS_IN_C.isdisjoint(sys.modules):
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and os.name == "posix":
        # Not the main interpreter, or an embedding program forbids it.
        with suppress(ValueError, OSError):
            signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(*_: object) -> None:
    # First, so that whoever is impatient and sends another is obeyed at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for flusher, deadline in _deadlines():
        flusher.deliver_until(deadline)
    os.kill(os.getpid(), signal.SIGTERM)
    # Still there: process 1 of a container does not die of it.
    handle_sigterm()


def on_first_record(notices: Notices) -> None:
    """See to what the kind of process asks for, when its first record is there."""
    global _seen_to_pid
    if _seen_to_pid == os.getpid():
        return
    _seen_to_pid = os.getpid()
    _finish_in_child_of("multiprocessing")
    _finish_in_child_of("billiard")
    celery_signals = sys.modules.get("celery.signals")
    if celery_signals is not None:
        # The children of Celery's prefork pool end in os._exit, without billiard's finalizers.
        celery_signals.worker_process_shutdown.connect(_on_celery_shutdown, weak=False, dispatch_uid=__name__)
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None and not _has_threads(uwsgi.opt):
        notices.say("uwsgi", "uWSGI runs without threads, so that records are hardly sent: set enable-threads = true")


def _finish_in_child_of(package: str) -> None:
    """Have a child of multiprocessing, or of Celery's version of it, finish: it ends in ``os._exit``, not in atexit."""
    process = sys.modules.get(f"{package}.process")
    if process is not None and getattr(process.current_process(), "_parent_pid", None) is not None:
        util = importlib.import_module(f"{package}.util")
        util.Finalize(None, _finish_all, exitpriority=0)


def _on_celery_shutdown(**_: object) -> None:
    _finish_all()


def _has_threads(options: Mapping[object, object]) -> bool:
    names = {name.decode() if isinstance(name, bytes) else name for name in options}
    return not names.isdisjoint({"enable-threads", "threads"})


def _finish_all() -> None:
    for flusher, deadline in _deadlines():
        flusher.finish(deadline)


def _deadlines() -> list[tuple[Watched, float]]:
    # All of them first, so that several handlers wait side by side and not one after another.
    return [(flusher, flusher.finish_within_timeout()) for flusher in list(_watched)]


def _in_forked_child() -> None:
    own_threads.forget_all()
    pacing.forget_shared_buckets()
    for flusher in list(_watched):
        flusher.start_over()


# Registered after logging's own, so it runs before: no lock of logging is held while we wait.
atexit.register(_finish_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)
