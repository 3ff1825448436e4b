"""What Prometheus reads: through the library's own registry, exposition and parser."""

import logging
from math import inf

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cwlog_handler import CloudWatchLogsHandler, Stats
from cwlog_handler.prometheus import CloudWatchLogsCollector
from cwlog_handler.testing import access_denied, error

from ..conftest import wait_until

LABELS = {"log_group": "g", "log_stream": "s", "handler": ""}


def scraped(*handlers):
    """The metric families as Prometheus gets them, by name."""
    registry = CollectorRegistry()
    registry.register(CloudWatchLogsCollector(*handlers))
    return {f.name: f for f in text_string_to_metric_families(generate_latest(registry).decode())}


def values(family):
    return {tuple(sample.labels[name] for name in LABELS): sample.value for sample in family.samples}


def test_the_counts_arrive_with_the_handlers_labels(attach, logger):
    handler = attach()
    for number in range(3):
        logger.info("order %d", number)
    assert handler.flush(30)

    families = scraped(handler)

    (delivered,) = families["cwlog_handler_events_delivered"].samples
    assert (delivered.name, delivered.labels, delivered.value) == ("cwlog_handler_events_delivered_total", LABELS, 3)
    assert values(families["cwlog_handler_requests"]) == {("g", "s", ""): handler.stats.requests}
    assert values(families["cwlog_handler_delivered_bytes"]) == {("g", "s", ""): 3 * (7 + 26)}


def test_counts_are_counters_and_what_waits_is_a_gauge(attach, logger):
    handler = attach(send_interval=3600)
    logger.info("this one waits")

    families = scraped(handler)

    gauges = {name for name, family in families.items() if family.type == "gauge"}
    assert gauges == {
        "cwlog_handler_events_pending",
        "cwlog_handler_events_spooled",
        "cwlog_handler_pending_bytes",
    }
    assert {family.type for name, family in families.items() if name not in gauges} == {"counter"}
    assert values(families["cwlog_handler_events_pending"]) == {("g", "s", ""): 1}
    assert values(families["cwlog_handler_pending_bytes"])[("g", "s", "")] > len("this one waits")


def test_losses_are_told_by_reason_and_stand_at_zero_before_they_happen(attach, fake, logger):
    """An alert on ``rate(…{reason="overflow"})`` sees nothing of a series whose first value is its first loss."""
    fake.fail(error("InvalidParameterException", "Log event too large: 300026 bytes exceeds limit of 262144"))
    handler = attach()
    logger.info("")
    logger.info("refused")
    assert handler.flush(30)

    families = scraped(handler)

    dropped = {s.labels["reason"]: s.value for s in families["cwlog_handler_events_dropped"].samples}
    rejected = {s.labels["reason"]: s.value for s in families["cwlog_handler_events_rejected"].samples}
    assert dropped == {
        "overflow": 0,
        "too_old": 0,
        "too_new": 0,
        "empty": 1,
        "oversize": 0,
        "invalid_time": 0,
        "error": 0,
        "spool_full": 0,
        "corrupt": 0,
    }
    assert rejected == {"too_old": 0, "expired": 0, "too_new": 0, "invalid": 1}


def test_what_is_on_disk_and_what_was_found_there_is_shown(attach, fake, logger, tmp_path):
    """The first handler leaves a record on disk, as a process that ends in an outage does; the second delivers it."""
    fake.fail(access_denied(), times=None)
    first = attach(spool_dir=tmp_path / "spool", close_timeout=0)
    logger.error("this one waits")
    while not first.stats.spooled:
        first.flush(0.1)

    assert values(scraped(first)["cwlog_handler_events_spooled"]) == {("g", "s", ""): 1}
    # Its process ends: nobody holds the file any more.
    logger.removeHandler(first)
    first._flusher.finish(-inf)
    first._flusher.end_thread()
    wait_until(lambda: not first._flusher.driver.has_thread)
    first._flusher.rounds.release()
    fake.clear_faults()
    second = attach(spool_dir=tmp_path / "spool")
    logger.error("fresh")
    while second.stats.delivered < 2:
        second.flush(0.1)

    assert values(scraped(second)["cwlog_handler_events_recovered"]) == {("g", "s", ""): 1}
    assert values(scraped(second)["cwlog_handler_events_spooled"]) == {("g", "s", ""): 0}


def test_every_count_of_the_stats_is_shown(attach):
    shown = len(scraped(attach()))

    # last_error is text, and no metric; the rest is one each.
    assert shown == len(Stats.__dataclass_fields__) - 1


def test_several_handlers_are_told_apart_by_group_stream_and_name(fake):
    handlers = [CloudWatchLogsHandler(group, "s", boto3_client=fake.client()) for group in ("a", "b", "b")]
    handlers[2].set_name("audit")

    emitted = values(scraped(*handlers)["cwlog_handler_events_emitted"])

    assert emitted == {("a", "s", ""): 0, ("b", "s", ""): 0, ("b", "s", "audit"): 0}


def test_handlers_that_cannot_be_told_apart_are_added_up(fake, attach, logger):
    """Two samples with the same labels would fail the whole scrape."""
    handlers = [attach(), attach()]
    logger.info("to both")
    assert all(handler.flush(30) for handler in handlers)

    assert values(scraped(*handlers)["cwlog_handler_events_delivered"]) == {("g", "s", ""): 2}


def test_registering_asks_no_handler_for_its_counts(fake):
    class Counting(CloudWatchLogsHandler):
        asked = 0

        @property
        def stats(self):
            self.asked += 1
            return super().stats

    handler = Counting("g", "s", boto3_client=fake.client())
    registry = CollectorRegistry(auto_describe=True)
    registry.register(CloudWatchLogsCollector(handler))

    assert handler.asked == 0
    generate_latest(registry)
    assert handler.asked == 1


@pytest.mark.parametrize("wrong", [(), (logging.NullHandler(),), ([],)])
def test_what_is_no_handler_is_refused(wrong):
    with pytest.raises(TypeError, match="CloudWatchLogs"):
        CloudWatchLogsCollector(*wrong)
