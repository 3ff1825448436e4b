"""Formatters of other libraries work untouched: what they make of a record is what arrives, and nothing else of it."""

import io
import json
import logging
import sys

import ecs_logging
import pytest
import structlog
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from pythonjsonlogger.json import JsonFormatter

FORMATTERS = {
    "logging": lambda: logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"),
    "python-json-logger": lambda: JsonFormatter("%(levelname)s %(name)s %(message)s", json_ensure_ascii=False),
    "structlog": lambda: structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder()],
    ),
    "ecs-logging": lambda: ecs_logging.StdlibFormatter(stack_trace_limit=5),
    "aws-lambda-powertools": lambda: LambdaPowertoolsFormatter(service="shop"),
}


def an_exception():
    try:
        {}["basket"]
    except KeyError:
        return sys.exc_info()


RECORDS = {
    "text": {"msg": "order %d of %s", "args": (17, "Zoë")},
    "extra": {"msg": "order", "number": 17, "customer": {"name": "Zoë"}},
    "dict": {"msg": {"event": "order", "message": "order", "number": 17}},
    "exception": {"msg": "no basket", "exc_info": an_exception(), "levelno": logging.ERROR, "levelname": "ERROR"},
}


@pytest.fixture(params=FORMATTERS)
def formatter(request):
    return FORMATTERS[request.param]()


@pytest.mark.parametrize("attributes", RECORDS.values(), ids=RECORDS)
def test_what_a_formatter_says_arrives_as_it_says_it(fake, attach, formatter, attributes):
    """The standard library's own handler with the same formatter is the witness."""
    written = io.StringIO()
    witness = logging.StreamHandler(written)
    witness.terminator = ""
    handler = attach()
    for each in (witness, handler):
        each.setFormatter(formatter)
    record = logging.makeLogRecord({"name": "shop", "levelno": 20, "levelname": "INFO", **attributes})
    handler.handle(record)
    witness.handle(record)
    assert handler.flush()
    assert fake.messages("g", "s") == [written.getvalue()]


@pytest.mark.parametrize("name", [name for name in FORMATTERS if name != "logging"])
def test_extra_becomes_fields_of_one_json_document(fake, logger, attach, name):
    """CloudWatch Logs Insights discovers fields of messages that are JSON from the first to the last character."""
    handler = attach()
    handler.setFormatter(FORMATTERS[name]())
    logger.info("order", extra={"number": 17, "customer": "Zoë"})
    assert handler.flush()
    (message,) = fake.messages("g", "s")
    document = json.loads(message)
    assert (document["number"], document["customer"]) == (17, "Zoë")


def test_structlogs_own_events_come_through_its_formatter(fake, logger, attach):
    """They reach logging as a dict, which is not to be made JSON of twice."""
    handler = attach()
    handler.setFormatter(FORMATTERS["structlog"]())
    structlog.wrap_logger(
        logger, processors=[structlog.stdlib.add_log_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter]
    ).info("order", number=17)
    assert handler.flush()
    assert [json.loads(message) for message in fake.messages("g", "s")] == [
        {"event": "order", "number": 17, "level": "info"}
    ]
