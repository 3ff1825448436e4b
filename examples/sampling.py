"""A filter that sends a share of the DEBUG and INFO records, and every WARNING and above.

All records of a request are kept, or none: the decision is made by the request's id, so every process that sees the
same id decides the same. A record outside of any request is kept by chance. The field ``sample_rate`` says for how many
records one stands: ``stats sum(sample_rate)`` in CloudWatch Logs Insights estimates how many there were.
"""

import hashlib
import logging
import logging.config
import random
from collections.abc import Mapping

from request_ids import RequestIds, request_id


class Sampling(logging.Filter):
    """Keep a share of the records of a level. It needs the ids, so name it after the filter that adds them.

    ``shares`` has a number from 0 to 1 for a level, and for those between it and the next lower one that is named.
    ``by`` are the attributes that may have the id; the first that is there decides.
    """

    def __init__(self, shares: Mapping[str, float], by: tuple[str, ...] = ("traceId", "request_id")) -> None:
        super().__init__()
        levels = {logging.getLevelName(name): share for name, share in shares.items()}
        if not all(isinstance(level, int) and level < logging.WARNING for level in levels):
            raise ValueError(f"shares={shares!r}: write names of levels below WARNING, such as INFO")
        if not all(0 <= share <= 1 for share in levels.values()):
            raise ValueError(f"shares={shares!r}: write numbers from 0 to 1")
        self.shares = sorted(levels.items())
        self.by = by

    def filter(self, record: logging.LogRecord) -> bool:
        share = next((share for level, share in self.shares if record.levelno <= level), 1.0)
        if share == 0 or self.place(record) >= share:
            return False
        record.sample_rate = round(1 / share, 3)
        return True

    def place(self, record: logging.LogRecord) -> float:
        """Return where a record stands between 0 and 1. A smaller share keeps some of what a larger one keeps."""
        for name in self.by:
            if (identifier := getattr(record, name, "-")) not in ("-", "", None):
                digest = hashlib.blake2b(str(identifier).encode(errors="replace"), digest_size=6).digest()
                return int.from_bytes(digest, "big") / 2**48
        return random.random()


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request_ids": {"()": RequestIds},
        "sampling": {"()": Sampling, "shares": {"DEBUG": 0.1, "INFO": 0.5}},
    },
    "formatters": {
        "json": {"()": "pythonjsonlogger.json.JsonFormatter", "fmt": "%(levelname)s %(message)s"},
    },
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "filters": ["request_ids", "sampling"],
            "formatter": "json",
        },
    },
    "loggers": {"shop": {"level": "DEBUG", "handlers": ["cloudwatch"]}},
}

log = logging.getLogger("shop")


def serve(number: int) -> None:
    request_id.set(f"r-{number}")
    log.debug("the basket is read")
    log.info("ordered")
    if number == 7:
        log.warning("only 2 left")


def main() -> None:
    logging.config.dictConfig(LOGGING)
    for number in range(20):
        serve(number)


if __name__ == "__main__":
    main()
