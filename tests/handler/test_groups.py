"""One handler, many log groups: what a program sees."""

from __future__ import annotations

import logging
import logging.config
import os
import sys

import pytest

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.delivery.pool import MOST_SENDERS

from ..conftest import balanced
from ..programs import HANG_LIMIT

TENANTS = "/app/{record:tenant|none}"


def test_each_tenant_has_a_group_of_its_own(fake, logger, attach):
    handler = attach(log_group_name=TENANTS)
    logger.info("one", extra={"tenant": "acme"})
    logger.info("two", extra={"tenant": "globex"})
    logger.info("of nobody")
    assert handler.flush()
    groups = {name: fake.messages(name, "s") for name in fake.groups}
    assert groups == {"/app/acme": ["one"], "/app/globex": ["two"], "/app/none": ["of nobody"]}
    assert handler.stats.delivered == 3
    assert balanced(handler.stats)


def test_a_filter_may_say_which_tenant_a_record_is_of(fake, logger, attach):
    """A context variable, in a web application: no call of the logger has to name the tenant."""

    def add_tenant(record):
        record.tenant = "acme"
        return True

    handler = attach(log_group_name=TENANTS)
    handler.addFilter(add_tenant)
    logger.info("m")
    assert handler.flush()
    assert fake.messages("/app/acme", "s") == ["m"]


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted as Linux shows them")
def test_fifty_groups_have_no_more_threads_than_one(fake, logger, attach):
    """One drives, and eight make requests. `threading` does not know them."""
    before = set(os.listdir("/proc/self/task"))
    handler = attach(log_group_name=TENANTS)
    for number in range(200):
        logger.info("%d", number, extra={"tenant": f"t{number % 50}"})
    assert handler.flush(HANG_LIMIT)
    # Those that make requests wait for more of them, for ten seconds.
    assert len(set(os.listdir("/proc/self/task")) - before) <= 1 + MOST_SENDERS
    assert len(fake.groups) == 50
    assert all(len(fake.messages(name, "s")) == 4 for name in fake.groups)


@pytest.mark.parametrize("use_queues", [True, False])
def test_the_environment_names_the_group(fake, logger, attach, monkeypatch, use_queues):
    monkeypatch.setenv("STAGE", "prod")
    handler = attach(log_group_name="/app/{env:STAGE|dev}/{env:COLOUR|blue}", use_queues=use_queues)
    logger.info("m")
    assert handler.flush()
    assert fake.messages("/app/prod/blue", "s") == ["m"]
    assert handler.log_group_name == "/app/{env:STAGE|dev}/{env:COLOUR|blue}"


def test_a_template_is_plain_data_for_a_configuration(fake, monkeypatch):
    monkeypatch.setenv("STAGE", "prod")
    handler = {
        "()": CloudWatchLogsHandler,
        "log_group_name": "/app/{env:STAGE}/{logger_name}",
        "log_stream_name": "s",
        "boto3_client": fake.client(),
    }
    loggers = {"shop.groups": {"handlers": ["cloudwatch"], "level": "INFO", "propagate": False}}
    logging.config.dictConfig(
        {"version": 1, "disable_existing_loggers": False, "handlers": {"cloudwatch": handler}, "loggers": loggers}
    )
    (made,) = logging.getLogger("shop.groups").handlers
    logging.getLogger("shop.groups").info("m")
    assert made.flush()
    assert fake.messages("/app/prod/shop.groups", "s") == ["m"]
    made.close()


def test_a_tenant_cannot_choose_another_group(fake, logger, attach):
    """The name may come from a request."""
    handler = attach(log_group_name=TENANTS)
    for tenant in ("../audit", "/aws/lambda/shop", "x" * 100_000, "a:b*c\n\u2028", "\ud800", "", ["a"], 7, None):
        logger.info("m", extra={"tenant": tenant})
    assert handler.flush()
    assert all(name.startswith("/app/") and "/" not in name[5:] for name in fake.groups)
    assert handler.stats.delivered == 9


def test_another_stream_is_one_in_the_same_group(fake, logger, attach, monkeypatch):
    monkeypatch.setenv("STAGE", "prod")
    handler = attach(log_group_name="/app/{env:STAGE}")
    logger.info("first")
    monkeypatch.setenv("STAGE", "other")
    handler.log_stream_name = "later"
    logger.info("second")
    assert handler.flush()
    assert {name: sorted(group.streams) for name, group in fake.groups.items()} == {"/app/prod": ["later", "s"]}


def test_a_wrong_template_is_refused_when_the_handler_is_made():
    with pytest.raises(ValueError, match=r"log_group_name='/app/\{tenant\}': an unknown field 'tenant'; the fields"):
        CloudWatchLogsHandler("/app/{tenant}")


def test_the_handler_shows_its_templates(attach):
    handler = attach(log_group_name=TENANTS)
    assert repr(handler).startswith("<CloudWatchLogsHandler '/app/{record:tenant|none}' 's' ")
