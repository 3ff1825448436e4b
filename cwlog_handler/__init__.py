"""The ``logging.Handler`` for Amazon CloudWatch Logs that never blocks and never loses a record silently.

Everything a program needs is `CloudWatchLogsHandler`; `Stats` is what its ``stats`` returns. `cwlog_handler.testing`
has a strict stand-in for the service.
"""

from .handler import CloudWatchLogsHandler
from .ledger import Stats

__all__ = ["CloudWatchLogsHandler", "Stats"]
__version__ = "0.1.0"
