"""Retention and tags are wishes: nothing is lost where they cannot be had."""

import pytest

from cwlog_handler.core.outcomes import Created, Refused
from cwlog_handler.testing import access_denied, connection_refused, error, throttle

from .subject import Subject, operations


@pytest.mark.parametrize("fault", [access_denied, throttle, connection_refused])
def test_a_retention_that_cannot_be_set_loses_nothing_and_is_told(fake, fault):
    """The group is there, and its events matter more."""
    fake.fail(fault(), operation="PutRetentionPolicy")
    subject = Subject(fake.client(), retention_days=30)
    assert subject.put() == Created()
    assert [key for key, _ in subject.said] == ["retention"]
    assert "allow logs:PutRetentionPolicy" in subject.said[0][1]
    assert "'g'" in subject.said[0][1]


@pytest.mark.parametrize(
    "fault",
    [
        error("AccessDeniedException", "User: u is not authorized to perform: logs:TagResource"),
        error("InvalidParameterException", "1 validation error detected: Value at 'tags' failed to satisfy constraint"),
    ],
)
def test_tags_that_are_refused_are_left_out_and_told_of(fake, fault):
    """A group without tags takes events; none takes none."""
    fake.fail(fault, times=1, operation="CreateLogGroup")
    subject = Subject(fake.client(), tags={"team": "a"})
    assert subject.put() == Created()
    assert dict(fake.groups["g"].tags) == {}
    assert [key for key, _ in subject.said] == ["tags"]
    assert "allow logs:TagResource" in subject.said[0][1]


def test_tags_that_botocore_refuses_are_left_out(fake):
    """The same, before sending."""
    subject = Subject(fake.client(), tags={"": "a"})
    assert subject.put() == Created()
    assert [key for key, _ in subject.said] == ["tags"]


def test_a_group_that_cannot_be_made_with_its_key_is_told_as_that(fake):
    """It is not there: that it would take no events is no help."""
    message = "The specified KMS key does not exist or is not allowed to be used with LogGroup 'g'"
    fake.fail(error("InvalidParameterException", message), operation="CreateLogGroup")
    outcome = Subject(fake.client(), kms_key_id="key").put()
    assert isinstance(outcome, Refused)
    assert outcome.advice.startswith(f"the service does not create it this way [{message}]")


def test_nothing_is_said_of_tags_if_the_group_may_not_be_created_at_all(fake):
    """The advice is about what was missing in the end."""
    fake.fail(access_denied(), operation="CreateLogGroup")
    subject = Subject(fake.client(), tags={"team": "a"})
    assert subject.put().advice.startswith("logs:CreateLogGroup is not allowed")
    assert subject.said == []


@pytest.mark.parametrize("fault", [throttle(), error("InvalidParameterException", "Bad name")])
def test_a_failure_that_is_not_about_tags_is_not_tried_without_them(fake, fault):
    """Tags are given up only where they may be the reason."""
    fake.fail(fault, operation="CreateLogGroup")
    Subject(fake.client(), tags={"team": "a"}).put()
    assert operations(fake).count("CreateLogGroup") == 1
