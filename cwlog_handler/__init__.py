"""The ``logging.Handler`` for Amazon CloudWatch Logs that never blocks and never loses a record silently.

Everything a program needs is `CloudWatchLogsHandler`; `Stats` is what its ``stats`` returns, and `LostEvent` what a
function given as ``on_lost`` gets. `cwlog_handler.testing` has a strict stand-in for the service.

    import logging
    from cwlog_handler import CloudWatchLogsHandler

    logging.getLogger().addHandler(CloudWatchLogsHandler("my-app"))
    logging.getLogger("shop").warning("stock is low")

## The way of a record

![A record is formatted on the calling thread, put into a bounded buffer, and sent in batches by a background thread.](
../.docs/record.svg)

The calling thread gives a record its text and the name of its stream, and puts it into an inbox. It does not wait for
the network, and no error is raised. The first record starts a background thread. This thread moves each record into the
buffer of its stream, makes batches of waiting records, and sends the batches to the service. The answer of the service,
or the error of the network, decides what happens next. A batch that fails is sent again unchanged.

Every event is counted in `Stats` as exactly one of delivered, rejected, dropped and pending.

## At the end of the process

![At the interpreter's end, waiting records are delivered for close_timeout at most; stderr says how many are left.](
../.docs/exit.svg)

Your program has to call nothing. Waiting records are delivered at the end of the interpreter, at a SIGTERM that nothing
handles, and at the end of a child process of multiprocessing or Celery. All handlers deliver at the same time, each for
its ``close_timeout`` at most. If records are left then, stderr says how many, and why. Only an end without warning
(SIGKILL, ``os._exit``, ``os.execv``, a crash) loses the records that have not been delivered. Unless there was an
outage, these are the records of about the last second. With ``spool_dir``, waiting records survive the process on disk.

If a platform freezes the process between calls, as AWS Lambda does, call `CloudWatchLogsHandler.flush` before you
return.
"""

from __future__ import annotations

from importlib import import_module

# Type checkers take a variable of this name for True. The one in `typing` would cost the import of that module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.ledger import Stats
    from .core.lost import LostEvent
    from .handler import CloudWatchLogsHandler

__all__ = ["CloudWatchLogsHandler", "LostEvent", "Stats"]
__version__ = "0.1.0"

_HOMES = {"CloudWatchLogsHandler": ".handler", "LostEvent": ".core.lost", "Stats": ".core.ledger"}


def __getattr__(name: str) -> object:
    # The handler is loaded when it is first used: a program that may not need it imports this package at little cost.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value
