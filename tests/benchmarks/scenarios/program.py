"""What the scenarios' programs share: logging configured from the environment, and a journal of calls that returned.

Must not know: which handler it is, nor what arrives.
"""

import json
import logging
import logging.config
import os
import time

# Written to with one call a line, so that threads, forked children and signal handlers may all do it.
_journal = os.open(os.environ["SCENARIO_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


class Stripped(logging.Formatter):
    """A formatter that may leave nothing of a message."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).strip()


def configure(*, level: str = "INFO", formatter: type[logging.Formatter] = logging.Formatter) -> None:
    """Configure logging as a program does at its start, and tell that the program has got so far."""
    handler = {**json.loads(os.environ["SCENARIO_HANDLER"]), "formatter": "text"}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"text": {"()": formatter}},
            "handlers": {"cloudwatch": handler},
            "root": {"handlers": ["cloudwatch"], "level": level},
        }
    )
    print("configured", flush=True)


def log(key: object, *, logger: str = "program", size: int = 0, age: float = 0.0) -> None:
    """Log a message that is known by its key, ``size`` characters longer and ``age`` seconds older than need be."""
    text = f"<{key} {size} {'x' * size}>" if size else f"<{key}>"
    target = logging.getLogger(logger)
    if age:
        record = target.makeRecord(logger, logging.INFO, __file__, 0, text, (), None)
        record.created -= age
        target.handle(record)
    else:
        target.info(text)
    os.write(_journal, f"{time.time():.6f} {key}\n".encode())


def note(text: str) -> None:
    """Say something that belongs into the table."""
    print(f"note: {text}", flush=True)
