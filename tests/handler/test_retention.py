"""How old an event may be: 14 days, unless only the service knows better; F62."""

import logging
import time
from dataclasses import replace

import pytest

from cwlog_handler.testing import FakeCloudWatchLogs, access_denied, error

from ..conftest import balanced

DAY = 86_400


def log(logger, handler, text, age):
    """Log a record that was made so many seconds ago."""
    record = logger.makeRecord("n", logging.INFO, "f", 1, text, (), None)
    record.created = time.time() - age
    handler.handle(record)


def log_old_and_young(logger, handler):
    for text, age in (("old", 2 * DAY), ("young", 0)):
        log(logger, handler, text, age)


def test_an_existing_group_is_sent_what_is_older_than_the_retention_that_a_new_one_would_get(fake, logger, attach):
    """F62: the group keeps its events for ever, so the service takes a record of two days ago."""
    fake.create("g", "s")
    handler = attach(log_group_retention_days=1)
    log_old_and_young(logger, handler)
    assert handler.flush()
    assert fake.messages("g", "s") == ["old", "young"]
    assert handler.stats.dropped_by_reason == handler.stats.rejected_by_reason == {}


@pytest.mark.parametrize(("kept", "expected"), [(5, ["old", "young"]), (1, ["young"])])
@pytest.mark.parametrize("option", [None, 1, 5])
def test_what_an_existing_group_does_not_keep_is_counted_from_the_services_answer(
    fake, logger, attach, kept, expected, option
):
    """F62: whatever retention a new group would get here."""
    fake.create("g", "s", retention_days=kept)
    handler = attach(log_group_retention_days=option)
    log_old_and_young(logger, handler)
    assert handler.flush()
    assert fake.messages("g", "s") == expected
    assert handler.stats.rejected_by_reason == ({} if len(expected) == 2 else {"expired": 1})
    assert handler.stats.dropped == 0
    assert balanced(handler.stats)


def test_a_group_just_made_is_not_sent_what_it_does_not_keep(fake, logger, attach):
    handler = attach(log_group_retention_days=1)
    log_old_and_young(logger, handler)
    assert handler.flush()
    assert fake.messages("g", "s") == ["young"]
    assert handler.stats.dropped_by_reason == {"too_old": 1}


def test_a_group_just_made_to_keep_events_for_long_is_sent_none_of_more_than_14_days_ago(fake, logger, attach):
    handler = attach(log_group_retention_days=30)
    for text, age in (("too old", 14 * DAY + 1), ("old", 13 * DAY), ("young", 0)):
        log(logger, handler, text, age)
    assert handler.flush()
    assert fake.messages("g", "s") == ["old", "young"]
    assert handler.stats.dropped_by_reason == {"too_old": 1}


def test_a_stream_alone_that_was_missing_says_nothing_of_its_group(fake, logger, attach):
    """F62: the group was there, with a retention of its own."""
    fake.create("g")
    handler = attach(log_group_retention_days=1)
    log_old_and_young(logger, handler)
    assert handler.flush()
    assert fake.messages("g", "s") == ["old", "young"]


def test_a_group_whose_retention_may_not_be_set_is_sent_all_that_the_service_may_take(fake, logger, attach, capsys):
    """F62: it keeps its events for ever then."""
    fake.fail(access_denied(), operation="PutRetentionPolicy")
    handler = attach(log_group_retention_days=1)
    log_old_and_young(logger, handler)
    assert handler.flush()
    assert fake.messages("g", "s") == ["old", "young"]
    assert "log_group_retention_days was not set" in capsys.readouterr().err


def test_a_group_that_somebody_else_made_at_the_same_time_is_sent_all_that_the_service_may_take(fake, logger, attach):
    """F62: who has set its retention last is not known."""
    exists = error("ResourceAlreadyExistsException", "The specified log group already exists")
    fake.fail(replace(exists, commits=True), operation="CreateLogGroup", times=1)
    handler = attach(log_group_retention_days=1)
    log_old_and_young(logger, handler)
    assert handler.flush()
    assert fake.messages("g", "s") == ["young"]
    assert handler.stats.rejected_by_reason == {"expired": 1}


def test_a_group_made_anew_by_somebody_else_is_sent_all_that_the_service_may_take(fake, logger, attach):
    """F62: the one that we had made was deleted; the new one keeps its events for longer."""
    handler = attach(log_group_retention_days=1)
    log_old_and_young(logger, handler)
    assert handler.flush()
    fake.delete_log_group("g")
    fake.create("g", retention_days=5)
    # Learns that its stream is missing, and with it the group that it knew.
    log(logger, handler, "younger", 0)
    assert handler.flush()
    log_old_and_young(logger, handler)
    assert handler.flush()
    assert fake.messages("g", "s") == ["old", "younger", "young"]


def test_an_accounts_own_retention_policy_is_the_services_to_say(logger, attach):
    """F62: PutRetentionPolicy succeeds there, without effect, and the group keeps two days all the same."""
    fake = FakeCloudWatchLogs(account_retention_days=30)
    fake.create("g", "s", retention_days=1)
    handler = attach(boto3_client=fake.client(), log_group_retention_days=1)
    log_old_and_young(logger, handler)
    assert handler.flush()
    assert fake.messages("g", "s") == ["old", "young"]
