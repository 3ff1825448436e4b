"""The ``logging.Handler`` for Amazon CloudWatch Logs that never blocks and never loses a record silently.

Everything a program needs is `CloudWatchLogsHandler`; `Stats` is what its ``stats`` returns. `cwlog_handler.testing`
has a strict stand-in for the service.

    import logging
    from cwlog_handler import CloudWatchLogsHandler

    logging.getLogger().addHandler(CloudWatchLogsHandler("my-app"))
    logging.getLogger("shop").warning("stock is low")

## The way of a record

![A record is formatted on the calling thread, put into a bounded buffer, and sent in batches by a background thread.](
../.docs/record.svg)

On the calling thread a record is given its text and its stream's name, and put into an inbox: nothing there waits for
the network, and nothing raises. A background thread, which the first record starts, takes it on: into the buffer of its
stream, from there with others into a batch, and with that to the service. What the service or the network answers
decides what comes next; a batch that fails is sent again unchanged.

Every event is counted in `Stats` as delivered, rejected, dropped or pending, and in no two of them.

## At the end of the process

![At the end of the interpreter, what waits is delivered for close_timeout at most; what is left is told on stderr.](
../.docs/exit.svg)

Nobody has to call anything: the end of the interpreter, SIGTERM that nobody handles, and the end of a child process of
multiprocessing or Celery each deliver what waits, for ``close_timeout`` seconds at most over all handlers. What is left
then is told on stderr, with the reason. Only what ends the process on the spot (SIGKILL, ``os._exit``, ``os.execv``,
a crash) loses what has not been delivered: without an outage, a second's worth.

Where a platform freezes the process between calls, as AWS Lambda does, call `CloudWatchLogsHandler.flush` before you
return.
"""

from __future__ import annotations

from importlib import import_module

# typing's name for it is the only thing that would be needed of typing here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.ledger import Stats
    from .handler import CloudWatchLogsHandler

__all__ = ["CloudWatchLogsHandler", "Stats"]
__version__ = "0.1.0"

_HOMES = {"CloudWatchLogsHandler": ".handler", "Stats": ".core.ledger"}


def __getattr__(name: str) -> object:
    # A program that imports this package and logs to the cloud only sometimes does not pay for it each time.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value
