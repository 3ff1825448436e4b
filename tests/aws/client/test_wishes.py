"""Retention, tags and protection are wishes: nothing is lost where they cannot be had."""

import pytest
from botocore.exceptions import ParamValidationError

from cwlog_handler.core.outcomes import Created, Refused, Throttled
from cwlog_handler.testing import FakeCloudWatchLogs, access_denied, connection_refused, error, throttle

from .subject import Subject, operations


def knows_protection():
    create = FakeCloudWatchLogs().client().meta.service_model.operation_model("CreateLogGroup")
    return "deletionProtectionEnabled" in create.input_shape.members


needs_protection = pytest.mark.skipif(not knows_protection(), reason="boto3 knows no protection of log groups yet")


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


@needs_protection
@pytest.mark.parametrize(
    "fault",
    [
        error("AccessDeniedException", "User: u is not authorized to perform: logs:PutLogGroupDeletionProtection"),
        error("InvalidParameterException", "deletionProtectionEnabled is not supported in this region"),
        error("ValidationException", "1 validation error detected: Value at 'deletionProtectionEnabled' failed"),
    ],
)
def test_a_protection_that_is_refused_is_left_out_and_told_of(fake, fault):
    """A group that can be deleted takes events; none takes none."""
    fake.fail(fault, times=1, operation="CreateLogGroup")
    subject = Subject(fake.client(), is_protected=True, tags={"team": "a"})
    assert subject.put() == Created()
    assert (fake.groups["g"].deletion_protection, fake.groups["g"].tags) == (False, {"team": "a"})
    ((key, text),) = subject.said
    assert key == "deletion protection"
    assert "without log_group_deletion_protection [" in text
    assert "aws logs put-log-group-deletion-protection" in text


def test_a_boto3_that_knows_no_protection_makes_the_group_without_it(fake):
    """boto3 before 1.43: botocore refuses the parameter, and lists those that it knows, tags among them."""
    boto3_client = fake.client()

    def know_less(params, **_):
        if "deletionProtectionEnabled" in params:
            raise ParamValidationError(
                report='Unknown parameter in input: "deletionProtectionEnabled", must be one of: '
                "logGroupName, kmsKeyId, tags, logGroupClass"
            )

    boto3_client.meta.events.register("before-parameter-build.cloudwatch-logs.CreateLogGroup", know_less)
    denied = error("AccessDeniedException", "User: u is not authorized to perform: logs:TagResource")
    fake.fail(denied, operation="CreateLogGroup", when=lambda call: "tags" in call.params)
    subject = Subject(boto3_client, is_protected=True, tags={"team": "a"})
    assert subject.put() == Created()
    assert [(key, "Unknown parameter" in text) for key, text in subject.said] == [
        ("deletion protection", True),
        ("tags", False),
    ]


def test_a_refusal_that_names_neither_costs_only_the_one_that_is_to_blame(fake):
    """Each is tried alone before both are given up."""
    fake.fail(access_denied(), operation="CreateLogGroup", when=lambda c: "deletionProtectionEnabled" in c.params)
    subject = Subject(fake.client(), is_protected=True, tags={"team": "a"})
    assert subject.put() == Created()
    assert fake.groups["g"].tags == {"team": "a"}
    assert [key for key, _ in subject.said] == ["deletion protection"]


def test_both_may_have_to_be_given_up(fake):
    """Then each is told of."""
    denied = lambda call: "tags" in call.params or "deletionProtectionEnabled" in call.params  # noqa: E731
    fake.fail(access_denied(), operation="CreateLogGroup", when=denied)
    subject = Subject(fake.client(), is_protected=True, tags={"team": "a"})
    assert subject.put() == Created()
    assert fake.groups["g"].tags == {}
    assert sorted(key for key, _ in subject.said) == ["deletion protection", "tags"]


@pytest.mark.parametrize("refusals", [1, pytest.param(2, marks=needs_protection)])
def test_weather_in_the_search_gives_neither_up(fake, refusals):
    """The group would lack for ever what was not refused."""
    fake.fail(access_denied(), times=refusals, operation="CreateLogGroup")
    fake.fail(throttle(), times=1, operation="CreateLogGroup")
    subject = Subject(fake.client(), is_protected=True, tags={"team": "a"})
    assert isinstance(subject.put(), Throttled)
    assert (dict(fake.groups), subject.said) == ({}, [])


@needs_protection
def test_a_group_is_made_protected_if_that_is_wished(fake):
    """Otherwise nothing is said of it: an older boto3 would refuse the parameter."""
    Subject(fake.client(), is_protected=True).put()
    Subject(fake.client()).put(group="plain")
    assert (fake.groups["g"].deletion_protection, fake.groups["plain"].deletion_protection) == (True, False)
    made = [request.parameters for request in fake.requests if request.operation == "CreateLogGroup"]
    assert ["deletionProtectionEnabled" in parameters for parameters in made] == [True, False]


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
