"""Secrets and personal data are replaced before a text reaches the handler: in message, extra fields and tracebacks.

``Redacting`` goes in front of any formatter class. It gives the formatter a changed copy of the record. A filter would
change the record itself, for all other handlers: Sentry, for example, would see no exception any more. If redaction
fails, the record is sent without its message, never with it.
"""

import copy
import datetime
import decimal
import logging
import logging.config
import re
import uuid
from collections.abc import Mapping
from typing import Any

from pythonjsonlogger.json import JsonFormatter

GONE = "[redacted]"
# Values of fields with such a name are replaced, whatever they are.
SECRET_NAMES = re.compile(
    r"pass(word|wd|phrase)|secret|token|api[_-]?key|authorization|cookie|credential", re.IGNORECASE
)
# What is replaced anywhere in a text. A pattern begins at the beginning of a word, or at characters that what follows
# cannot have: so even a text of a megabyte is searched in no time.
PATTERNS = [
    (re.compile(r"\b(bearer|basic) [\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {GONE}"),
    # password=…, "token": "…", api-key: …
    (
        re.compile(
            r"((?:pass(?:word|wd|phrase)|secret|token|api[_-]?key)[\w-]{0,20}[\\\"']{0,4}\s{0,3}[=:]\s{0,3}"
            r"(?:(\\{0,3}\")|(\\{0,3}')|))"
            r"(?(2)(?:\\.|[^\"\\\n])+|(?(3)(?:\\.|[^'\\\n])+|[^\s\\\"'&,;}]+))",
            re.IGNORECASE,
        ),
        rf"\1{GONE}",
    ),
    # Passwords in URLs, access keys of AWS, JSON web tokens.
    (re.compile(r"(://[^\s:/@]*:)[^\s/@]+@"), rf"\1{GONE}@"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), GONE),
    (re.compile(r"(?<![\w-])eyJ[\w-]+\.[\w-]+(?:\.[\w-]+)?"), GONE),
    # E-mail addresses, and numbers as long as a card's.
    (re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), GONE),
    (re.compile(r"(?<![\w.])[2-6](?:[ -]?\d){12,18}(?!\w|\.\d)"), GONE),
]
PLAIN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
CONTAINERS = (Mapping, list, tuple, set, frozenset)
HARMLESS = (int, float, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta, uuid.UUID, type(None))


def redacted(value: Any) -> Any:
    """Return the value without secrets, also inside of dicts and lists. Objects become text."""
    if isinstance(value, Mapping):
        return {
            redacted(name if isinstance(name, HARMLESS) else str(name)): (
                GONE if SECRET_NAMES.search(str(name)) else redacted(inner)
            )
            for name, inner in value.items()
        }
    if isinstance(value, tuple):
        return tuple(redacted(inner) for inner in value)
    if isinstance(value, CONTAINERS):
        return [redacted(inner) for inner in value]
    text = before = str(value)
    for pattern, by in PATTERNS:
        text = pattern.sub(by, text)
    return value if text == before and isinstance(value, HARMLESS) else text


class Redacting(logging.Formatter):
    """The first base class of a formatter of your own: ``class Lines(Redacting, logging.Formatter)``."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(self.copy_of(record))
        except Exception as error:
            # Neither the message of this error nor anything of the record: both may have what is secret.
            place = f"{record.name} in line {record.lineno} of {record.filename}"
            return f"{record.levelname} {place} is not shown: redaction failed by {type(error).__name__}"

    def copy_of(self, record: logging.LogRecord) -> logging.LogRecord:
        clean = copy.copy(record)
        if isinstance(record.msg, (Mapping, list)):
            clean.msg = redacted(record.msg)
        else:
            # What has names inside is looked at before it is text. A number stays one, for `%d`.
            if isinstance(record.args, tuple):
                clean.args = tuple(redacted(one) if isinstance(one, CONTAINERS) else one for one in record.args)
            elif record.args:
                clean.args = redacted(record.args)
            clean.msg = redacted(clean.getMessage())
        clean.args = ()
        if record.exc_info or record.exc_text:
            trace = self.formatException(record.exc_info) if record.exc_info else record.exc_text
            clean.exc_info, clean.exc_text = None, redacted(trace)
        if record.stack_info:
            clean.stack_info = redacted(record.stack_info)
        beside = {name: vars(clean).pop(name) for name in set(vars(clean)) - PLAIN}
        vars(clean).update(redacted(beside))
        return clean


class RedactedJson(Redacting, JsonFormatter):
    """python-json-logger's documents without secrets."""


class RedactedLines(Redacting, logging.Formatter):
    """Lines of text without secrets."""


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": RedactedJson, "fmt": "%(levelname)s %(name)s %(message)s"}},
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "formatter": "json",
        },
    },
    "root": {"level": "INFO", "handlers": ["cloudwatch"]},
}

log = logging.getLogger("shop")


def main() -> None:
    logging.config.dictConfig(LOGGING)
    log.info("order %d by %s", 17, "zoe@example.com", extra={"headers": {"Authorization": "Bearer s3cr3t-t0ken"}})
    log.info({"message": "paid", "number": 17, "card": "4111 1111 1111 1111", "password": "hunter2"})
    try:
        raise ConnectionError("no answer from postgres://shop:hunter2@db/orders?token=s3cr3t")
    except ConnectionError:
        log.exception("order failed")


if __name__ == "__main__":
    main()
