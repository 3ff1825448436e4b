"""The ``logging.Handler`` for Amazon CloudWatch Logs that never blocks and never loses a record silently.

Everything a program needs is `CloudWatchLogsHandler`; `Stats` is what its ``stats`` returns. `cwlog_handler.testing`
has a strict stand-in for the service.
"""

from __future__ import annotations

from importlib import import_module

# typing's name for it is the only thing that would be needed of typing here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from .handler import CloudWatchLogsHandler
    from .ledger import Stats

__all__ = ["CloudWatchLogsHandler", "Stats"]
__version__ = "0.1.0"

_HOMES = {"CloudWatchLogsHandler": ".handler", "Stats": ".ledger"}


def __getattr__(name: str) -> object:
    # A program that imports this package and logs to the cloud only sometimes does not pay for it each time.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value
