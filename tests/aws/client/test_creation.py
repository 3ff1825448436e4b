"""A missing stream or group is created, if that is allowed."""

from dataclasses import replace
from unittest import mock

import botocore.session
import pytest
from botocore import exceptions
from botocore.config import Config

from cwlog_handler.core.outcomes import Accepted, Created, Refused, Throttled, Unavailable
from cwlog_handler.testing import (
    access_denied,
    error,
    expired_token,
    operation_aborted,
    reset_after_commit,
    server_error,
    stall,
    throttle,
)

from .subject import Subject, operations


def test_a_missing_stream_is_created(fake, subject):
    """Nothing is described first: the put itself tells."""
    fake.create("g")
    assert subject.put() == Created()
    assert operations(fake) == ["PutLogEvents", "CreateLogStream"]
    assert subject.put() == Accepted(None)


def test_a_missing_group_is_created_with_all_that_was_asked_for(fake):
    """Tags, class, key and retention."""
    subject = Subject(
        fake.client(),
        retention_days=30,
        tags={"team": "a"},
        kms_key_id="arn:aws:kms:k",
        group_class="INFREQUENT_ACCESS",
    )
    assert subject.put() == Created(retention_days=30)
    group = fake.groups["g"]
    assert (group.retention_days, dict(group.tags), group.streams) == (30, {"team": "a"}, ("s",))
    assert (group.kms_key_id, group.log_group_class) == ("arn:aws:kms:k", "INFREQUENT_ACCESS")
    assert subject.put() == Accepted(None)
    assert subject.said == []


def test_a_group_is_created_with_nothing_that_was_not_asked_for(fake, subject):
    """Old implementations do not know newer parameters; no retention means that none is set."""
    assert subject.put() == Created()
    assert operations(fake) == ["PutLogEvents", "CreateLogStream", "CreateLogGroup", "CreateLogStream"]
    assert list(fake.requests[2].parameters) == ["logGroupName"]


def test_only_four_operations_are_ever_called(fake):
    """A policy with these four is enough; no Describe, no STS."""
    Subject(fake.client(), retention_days=1).put()
    assert set(operations(fake)) == {"PutLogEvents", "CreateLogStream", "CreateLogGroup", "PutRetentionPolicy"}


def test_a_group_that_is_there_already_keeps_its_retention(fake):
    """Somebody else has decided it."""
    fake.create("g", retention_days=7)
    Subject(fake.client(), retention_days=30).put()
    assert fake.groups["g"].retention_days == 7


@pytest.mark.parametrize(
    ("options", "way_out"),
    [({"creates_stream": False}, "create_log_stream=True"), ({"creates_group": False}, "create_log_group=True")],
)
def test_what_may_not_be_created_is_refused(fake, options, way_out):
    """The events wait for somebody to create it, or to change the option."""
    outcome = Subject(fake.client(), **options).put()
    assert isinstance(outcome, Refused)
    assert outcome.code == "ResourceNotFoundException"
    assert way_out in outcome.advice
    assert "CreateLogGroup" not in operations(fake)
    assert fake.groups == {}


def test_a_stream_is_created_in_a_group_that_may_not_be(fake):
    """The two options are independent."""
    fake.create("g")
    assert Subject(fake.client(), creates_group=False).put() == Created()


def already_exists(what):
    return error("ResourceAlreadyExistsException", f"The specified log {what} already exists")


def test_a_stream_that_somebody_else_has_just_created_is_fine(fake, subject):
    """Two processes start at the same time."""
    fake.create("g")
    fake.fail(already_exists("stream"), operation="CreateLogStream")
    assert subject.put() == Created()


def test_a_group_that_somebody_else_has_just_created_is_fine_and_gets_its_retention(fake):
    """The other process may have been stopped before it set the retention."""
    fake.fail(replace(already_exists("group"), commits=True), operation="CreateLogGroup")
    subject = Subject(fake.client(), retention_days=30)
    assert subject.put() == Created()
    assert fake.groups["g"].retention_days == 30


def test_a_new_group_that_cannot_be_seen_yet_is_waited_for(fake, subject):
    """Creation and visibility are not one."""
    missing = error("ResourceNotFoundException", "The specified log group does not exist.")
    fake.fail(missing, operation="CreateLogStream")
    outcome = subject.put()
    assert isinstance(outcome, Unavailable)
    assert not outcome.ambiguous


@pytest.mark.parametrize("operation", ["CreateLogGroup", "CreateLogStream"])
@pytest.mark.parametrize("fault", [operation_aborted, server_error, reset_after_commit, stall])
def test_weather_during_creation_is_never_ambiguous(fake, operation, fault):
    """The put was refused: none of its events is stored, whatever becomes of the creation."""
    fake.fail(fault() if fault is not stall else stall(2), operation=operation)
    outcome = Subject(fake.client(Config(read_timeout=0.1))).put()
    assert isinstance(outcome, Unavailable)
    assert not outcome.ambiguous


@pytest.mark.parametrize("operation", ["CreateLogGroup", "CreateLogStream"])
def test_a_creation_that_is_not_allowed_names_the_missing_action(fake, subject, operation):
    """The policy often allows PutLogEvents only."""
    fake.fail(access_denied(), operation=operation)
    outcome = subject.put()
    assert isinstance(outcome, Refused)
    assert outcome.advice.startswith(f"logs:{operation} is not allowed")


@pytest.mark.parametrize("operation", ["CreateLogGroup", "CreateLogStream"])
def test_a_creation_denied_without_a_reason_names_the_action_called(fake, subject, operation):
    """Not every denial names the action."""
    fake.fail(error("AccessDeniedException", "no"), operation=operation)
    assert subject.put().advice.startswith(f"logs:{operation} is not allowed")


@pytest.mark.parametrize(
    ("code", "in_advice"),
    [("LimitExceededException", "quota"), ("InvalidParameterException", "correct the log group's name")],
)
def test_a_creation_that_cannot_succeed_is_refused(fake, subject, code, in_advice):
    """Unlike for a put: too many groups is no throttling, and no event is to blame for a bad name."""
    fake.fail(error(code, "Resource limit exceeded."), operation="CreateLogGroup")
    outcome = subject.put()
    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert in_advice in outcome.advice


def test_a_throttled_creation_is_throttled(fake, subject):
    """Creations have quotas of their own, and the outcome says that it was one."""
    fake.fail(throttle(), operation="CreateLogGroup")
    assert subject.put() == Throttled("ThrottlingException", is_creation=True)


@pytest.mark.parametrize("operation", ["CreateLogGroup", "CreateLogStream"])
def test_a_creation_is_tried_again_without_a_put(fake, subject, operation):
    """What is missing is known."""
    fake.fail(throttle(), times=2, operation=operation)
    throttled = Throttled("ThrottlingException", is_creation=True)
    assert [subject.put(), subject.create(), subject.create(), subject.create()] == [throttled] * 2 + [Created()] * 2
    assert operations(fake).count("PutLogEvents") == 1
    assert isinstance(subject.put(), Accepted)


def test_credentials_that_expire_in_a_creation_alone_are_read_again(environment, fake):
    fake.fail(expired_token(), times=1, operation="CreateLogStream")
    with fake.serve() as url:
        subject = Subject(region_name="us-east-1", endpoint_url=url)
        assert subject.create().renew
        with mock.patch.object(botocore.session, "get_session", wraps=botocore.session.get_session) as session:
            assert subject.create() == Created()
    assert session.call_count == 1


def test_credentials_that_expire_before_the_creation_are_read_again(environment, fake):
    """The same as for a put."""
    fake.fail(expired_token(), times=1, operation="CreateLogStream")
    with fake.serve() as url:
        subject = Subject(region_name="us-east-1", endpoint_url=url)
        assert subject.put().renew
        with mock.patch.object(botocore.session, "get_session", wraps=botocore.session.get_session) as session:
            assert subject.put() == Created()
    assert session.call_count == 1


def test_a_stand_ins_missing_stream_is_created():
    """By code, also where the exception is a stand-in's own."""
    stand_in = mock.Mock()
    missing = exceptions.ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "PutLogEvents")
    stand_in.put_log_events.side_effect = missing
    assert Subject(stand_in).put() == Created()
