"""A client of ours that assumes a role, against a strict STS: when it asks, and what becomes of a refusal."""

import os
import sys
import threading
from unittest import mock

import botocore.session
import pytest

from cwlog_handler import composition
from cwlog_handler.core.outcomes import Accepted, Connected, Refused, Unavailable
from cwlog_handler.system.own_threads import start_thread
from cwlog_handler.testing import (
    captive_portal,
    empty_200,
    error,
    expired_token,
    reset_before_commit,
    server_error,
    stall,
    truncated_answer,
    unrecognized_client,
)

from ...network import Authority, Front, Proxy, nobody_listening, running
from ...values import fields
from .subject import Subject

ARN = "arn:aws:iam::222222222222:role/logs"
SESSION = "arn:aws:sts::222222222222:assumed-role/logs/shop"
# A time-out for a thread that would hang, in seconds.
LONG = 30.0


@pytest.fixture
def service(ready, monkeypatch):
    """The service and STS, at one URL in the environment."""
    with ready.serve() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield ready


@pytest.fixture
def roled(service):
    """A client for a role that may be assumed."""
    service.create_role(ARN, external_id="4711")
    return subject()


def subject(**options):
    given = {"region_name": "us-east-1", "role_arn": ARN, "external_id": "4711", "role_session_name": "shop"} | options
    return Subject(**fields(composition.access(**given)))


def asked(service, operation="AssumeRole"):
    return [request for request in service.requests if request.operation == operation]


def test_requests_are_signed_with_the_roles_credentials(service, roled):
    """Assumed once, before the first request; each request after it has the same."""
    assert roled.put() == Accepted(None)
    assert roled.put() == Accepted(None)
    assert [request.operation for request in service.requests] == ["AssumeRole", "PutLogEvents", "PutLogEvents"]
    assert {request.assumed_role for request in asked(service, "PutLogEvents")} == {SESSION}
    (assuming,) = asked(service)
    assert assuming.assumed_role == ""
    assert assuming.parameters["RoleSessionName"] == "shop"
    assert "cwlog-handler/" in assuming.user_agent


def test_nothing_is_asked_of_sts_before_the_first_connect(service, roled):
    """A constructor does no I/O."""
    assert service.requests == []


def test_credentials_that_have_expired_are_never_used(service):
    """A process may sleep for hours between two records."""
    service.create_role(ARN, lifetime=1)
    one = subject(external_id=None)
    assert one.put() == Accepted(None)
    # The clock of the fake stands still; that of the client says that they have expired.
    one.client._maker._role._expires_at = 0
    assert one.put() == Accepted(None)
    assert len(asked(service)) == 2


@pytest.mark.parametrize("fault", [expired_token, unrecognized_client])
def test_credentials_that_the_service_refuses_are_replaced(service, roled, fault):
    """They may have been revoked before they expired."""
    assert roled.put() == Accepted(None)
    service.fail(fault(), times=1)
    assert roled.put().renew
    assert roled.put() == Accepted(None)
    assert len(asked(service)) == 2


def test_other_time_outs_need_no_other_credentials(service, roled):
    """Before a deadline the client is made anew, but not the session of the role."""
    assert isinstance(roled.client.connect(), Connected)
    assert isinstance(roled.client.connect(2.0), Connected)
    assert len(asked(service)) == 1


def test_a_child_assumes_the_role_for_itself(service, roled):
    """After a fork: locks and connections belong to the parent."""
    roled.client.connect()
    roled.client.start_over()
    assert roled.put() == Accepted(None)
    assert len(asked(service)) == 2


def test_an_external_id_that_is_not_the_trust_policys_is_refused_until_it_is(service, roled):
    """The person who corrects the trust policy need not start the program again."""
    wrong = subject(external_id="0815")
    outcome = wrong.put()
    assert isinstance(outcome, Refused)
    assert outcome.code == "AccessDenied"
    assert f"not authorized to perform: sts:AssumeRole on resource: {ARN}" in outcome.advice
    assert asked(service, "PutLogEvents") == []
    service.create_role(ARN, external_id="0815")
    assert wrong.put() == Accepted(None)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDenied", 403),
        ("ExpiredToken", 403),
        ("InvalidClientTokenId", 403),
        ("RegionDisabledException", 403),
        ("MalformedPolicyDocument", 400),
        ("ValidationError", 400),
        ("SignatureDoesNotMatch", 403),
        ("WhateverComesNext", 400),
    ],
)
def test_a_refusal_of_sts_keeps_the_events_and_nothing_is_put(service, roled, code, status):
    """Every code: nothing is ever raised, and nothing is sent without the role."""
    service.fail(error(code, "It is so.", status), operation="AssumeRole")
    outcome = roled.put()
    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert "It is so." in outcome.advice
    assert asked(service, "PutLogEvents") == []
    service.clear_faults()
    assert roled.put() == Accepted(None)


@pytest.mark.parametrize(
    "fault",
    [
        error("Throttling", "Rate exceeded", 400),
        error("TooManyRequestsException", "slowly", 429),
        server_error(),
        server_error(500, "InternalFailure", "no"),
        reset_before_commit(),
        captive_portal(),
        empty_200(),
        truncated_answer(),
    ],
    ids=lambda fault: fault.name,
)
def test_weather_at_sts_is_weather_and_leaves_no_doubt(service, roled, fault):
    """botocore must not try again by itself: one request for each try of ours."""
    service.fail(fault, operation="AssumeRole")
    outcome = roled.put()
    assert isinstance(outcome, Unavailable)
    assert not outcome.ambiguous
    assert ARN in outcome.cause
    assert len(asked(service)) == 1
    service.clear_faults()
    assert roled.put() == Accepted(None)


def test_an_sts_that_is_not_there_is_named(service, monkeypatch):
    """Its endpoint is another one than the service's."""
    with nobody_listening() as port:
        sts = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts)
        outcome = subject().put()
    assert isinstance(outcome, Unavailable)
    assert not outcome.ambiguous
    assert f'Could not connect to the endpoint URL: "{sts}/"' in outcome.cause


def test_an_sts_that_does_not_answer_takes_no_longer_than_the_request_may(service, roled):
    """Half of it, so that the request has the other half."""
    service.fail(stall(), operation="AssumeRole")
    outcome = roled.client.connect(1.0)
    assert isinstance(outcome, Unavailable)
    assert "Read timeout" in outcome.cause
    service.release()


def test_a_renewal_that_fails_leaves_the_old_credentials_in_use(service, roled):
    """STS may be down for ten minutes without any event being late."""
    assert roled.put() == Accepted(None)
    roled.client._maker._role._renew_at = 0
    service.fail(error("AccessDenied", "no more", 403), operation="AssumeRole")
    assert roled.put() == Accepted(None)
    assert roled.put() == Accepted(None)
    assert len(asked(service)) == 2, "asked once, and not again for a minute"
    ((key, text),) = roled.said
    assert key == "role"
    assert "the role could not be assumed anew" in text
    assert "no more" in text


def test_while_the_interpreter_ends_the_old_credentials_are_used(service, roled):
    """boto3 can make no client for STS any more."""
    assert roled.put() == Accepted(None)
    roled.client._maker._role._renew_at = 0
    with mock.patch.object(sys, "is_finalizing", return_value=True):
        assert roled.put() == Accepted(None)
    assert len(asked(service)) == 1


def test_many_threads_assume_it_once(service, roled):
    """Senders start together, and must not ask STS for as many sessions."""
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(roled.put())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert outcomes == [Accepted(None)] * 8
    assert len(asked(service)) == 1


def test_who_waits_too_long_for_the_role_does_not_send_without_it(service, roled):
    """Without credentials a request would be refused, as if they were wrong."""
    service.fail(stall(), times=1, operation="AssumeRole")
    first = threading.Thread(target=roled.put)
    first.start()
    assert service.wait_for(lambda: asked(service))
    impatient = roled.client.connect(0.2)
    assert isinstance(impatient, Unavailable)
    service.release()
    first.join(LONG)
    assert all(request.assumed_role == SESSION for request in asked(service, "PutLogEvents"))
    assert roled.put() == Accepted(None)


def test_who_waits_too_long_for_new_credentials_does_not_send_with_expired_ones(service, roled):
    """They would be refused; the events wait instead."""
    assert roled.put() == Accepted(None)
    roled.client._maker._role._expires_at = 0
    service.fail(stall(), times=1, operation="AssumeRole")
    first = threading.Thread(target=roled.put)
    first.start()
    assert service.wait_for(lambda: len(asked(service)) == 2)
    impatient = roled.client.connect(0.2)
    assert isinstance(impatient, Unavailable)
    service.release()
    first.join(LONG)


@pytest.mark.parametrize("is_renewal", [False, True])
def test_whose_credentials_assume_it_is_found_out_anew_after_a_refusal(service, roled, is_renewal):
    """They may be what was refused, and somebody may have corrected the file since."""
    if is_renewal:
        assert roled.put() == Accepted(None)
        roled.client._maker._role._expires_at = 0
    service.fail(error("InvalidClientTokenId", "no", 403), times=1, operation="AssumeRole")
    assert isinstance(roled.put(), Refused)
    with mock.patch.object(botocore.session, "get_session", wraps=botocore.session.get_session) as session:
        assert roled.put() == Accepted(None)
        assert roled.put() == Accepted(None)
    assert session.call_count == 2, "one that assumes the role, and one of the role"


def test_sts_is_reached_by_the_same_proxy(ready, monkeypatch, tmp_path):
    """boto3_config is for both."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
    ready.create_role(ARN)
    hosts = ("sts.us-east-1.amazonaws.com", "logs.us-east-1.amazonaws.com")
    with (
        ready.serve() as url,
        running(Front(url, tls=authority.server(*hosts))) as secure,
        running(Proxy(f"//:{secure.port}")) as proxy,
    ):
        settings = {"proxies": {"https": f"127.0.0.1:{proxy.port}"}}
        assert subject(external_id=None, boto3_config=settings).put() == Accepted(None)
    assert proxy.asked == [("CONNECT", f"{host}:443") for host in hosts], "the endpoints of the region"


def test_the_endpoint_for_sts_that_the_program_wants_is_kept(monkeypatch, tmp_path):
    """Older versions of botocore have another default; who asks for the global endpoint gets it."""
    role = composition.access("us-east-1", role_arn=ARN).role

    def endpoints():
        return role.source().core.get_config_variable("sts_regional_endpoints")

    assert endpoints() == "regional"
    (tmp_path / "config").write_text("[default]\nsts_regional_endpoints = legacy\n")
    with monkeypatch.context() as file:
        file.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        assert endpoints() == "legacy"
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    assert endpoints() == "legacy"


def test_credentials_of_a_profile_assume_the_role(service, monkeypatch, tmp_path):
    """AWS_PROFILE says whose; the role is the option's."""
    service.create_role(ARN)
    (tmp_path / "credentials").write_text("[ops]\naws_access_key_id = OPSKEY\naws_secret_access_key = s\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "ops")
    assert subject(external_id=None).put() == Accepted(None)


def test_a_program_that_prints_these_credentials_starts_with_the_signals_of_the_main_thread(
    service, monkeypatch, tmp_path
):
    """Senders' threads block all signals. A program that inherits this could not be ended by SIGTERM."""
    service.create_role(ARN)
    helper = tmp_path / "helper.py"
    helper.write_text(
        "import json, pathlib, signal\n"
        "blocked = sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ())))\n"
        f"pathlib.Path({str(tmp_path / 'blocked')!r}).write_text(str(blocked))\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': 'any', 'SecretAccessKey': 'any'}))\n"
    )
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {sys.executable} {helper}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    outcomes = []
    sender = threading.Event()
    start_thread(lambda: (outcomes.append(subject(external_id=None).put()), sender.set()))
    assert sender.wait(LONG)
    assert outcomes == [Accepted(None)]
    assert (tmp_path / "blocked").read_text() == "[]"


def test_without_credentials_nobody_assumes_it(service, monkeypatch):
    """Told as missing credentials, with their way out."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert os.environ["AWS_EC2_METADATA_DISABLED"] == "true"
    outcome = subject().put()
    assert isinstance(outcome, Refused)
    assert "there are no usable AWS credentials" in outcome.advice
    assert service.requests == []
