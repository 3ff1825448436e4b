"""``python -m cwlog_handler doctor``: what it says of a set-up that works, and of each that does not."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cwlog_handler.cli import main
from cwlog_handler.cli.doctor import delivery
from cwlog_handler.testing import (
    FakeCloudWatchLogs,
    access_denied,
    captive_portal,
    clock_skew,
    entity_refused,
    error,
    gzip_refused,
    server_error,
    stall,
    throttle,
    unrecognized_client,
)

from ..programs import HANG_LIMIT, environment, free_port, python
from .conftest import KEY_ID, SECRET, Ended, run
from .spools import Spool, events

WHERE = ("--log-group-name", "g", "--log-stream-name", "s")
# In seconds, where something hangs: all else has to be done within them, on a busy machine too.
PATIENCE = "4"


@pytest.fixture
def doctor(url):
    """Examine options against the fake."""

    def doctor(*arguments, **env):
        return run("doctor", *WHERE, "--endpoint-url", url, *arguments, **env)

    return doctor


@pytest.fixture
def hurried(url, capfd, monkeypatch):
    """Examine options against the fake, with hardly a pause between two tries; an answer may still take its time."""
    monkeypatch.setattr(delivery, "_PAUSE", 0.01)

    def hurried():
        status = main(["doctor", *WHERE, "--endpoint-url", url])
        return Ended(status, *capfd.readouterr())

    return hurried


@pytest.fixture
def existing(fake):
    """The group and the stream are there."""
    fake.create("g", "s")
    return fake


CARRIED = {
    "entity": {"keyAttributes": {"Type": "Service", "Name": "shop", "Environment": "test"}},
    "compression": "gzip",
}


def configuration(folder, url, **options):
    """A file for dictConfig with one handler."""
    cloudwatch = {
        "class": "cwlog_handler.CloudWatchLogsHandler", "log_group_name": "g", "log_stream_name": "s",
        "endpoint_url": url, **options,
    }  # fmt: skip
    config = {"version": 1, "handlers": {"cloudwatch": cloudwatch}, "root": {"handlers": ["cloudwatch"]}}
    file = folder / "logging.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    return file


def policy(ended):
    text = ended.output
    document = json.loads(text[text.index("{\n") : text.rindex("}") + 1])
    (statement,) = document["Statement"]
    return statement


# -- what works


def test_a_healthy_set_up_passes_and_leaves_one_event(doctor, existing):
    ended = doctor()

    assert ended.status == 0
    assert "✗" not in ended.output
    assert ended.line("region") == "✓ region       us-east-1, from AWS_DEFAULT_REGION"
    assert ended.line("creation").startswith("– creation     not needed")
    assert ended.line("read back").startswith("✓")
    assert "All needed checks passed." in ended.output
    (message,) = existing.messages("g", "s")
    assert message.startswith("cwlog_handler doctor: a test event")


def test_what_is_missing_is_made_and_said(doctor, fake):
    ended = doctor("--log-group-retention-days", "7", "--log-group-tags", "team=search")

    assert ended.status == 0
    assert ended.line("creation") == "✓ creation     log group and log stream 's' were missing and have been made"
    assert fake.groups["g"].retention_days == 7
    assert fake.groups["g"].tags == {"team": "search"}


def test_entity_and_compression_are_asked_of_the_service(url, existing, tmp_path):
    ended = run("doctor", "--config", configuration(tmp_path, url, **CARRIED))

    assert ended.status == 0
    assert ended.line("entity").endswith("the service takes it: Type 'Service', Name 'shop', Environment 'test'")
    assert ended.line("compression") == "✓ compression  the endpoint takes gzip"
    last = next(request for request in existing.requests if request.operation == "PutLogEvents")
    assert (last.entity, last.content_encoding) == (CARRIED["entity"], "gzip")


def test_without_entity_and_compression_nothing_is_said_of_them(doctor, existing):
    ended = doctor()

    assert " entity " not in ended.output
    assert " compression " not in ended.output


def test_an_entity_that_the_service_does_not_take_is_to_be_put_right(url, existing, tmp_path):
    entity = {"keyAttributes": {"Type": "Servise", "Name": "shop"}}

    ended = run("doctor", "--config", configuration(tmp_path, url, entity=entity))

    assert ended.status == 1
    assert ended.line("put").startswith("✓")
    assert "not the entity that they belong to [InvalidTypeValue]" in ended.line("entity")
    assert "→ correct keyAttributes['Type'], such as 'Service' or 'AWS::Resource'" in ended.line("entity")
    assert "To be put right: entity." in ended.output


def test_both_may_be_refused_and_the_event_is_delivered(url, existing, tmp_path):
    existing.fail(gzip_refused())
    existing.fail(entity_refused("Team"))

    ended = run("doctor", "--config", configuration(tmp_path, url, **CARRIED))

    assert ended.status == 1
    assert ended.line("put").startswith("✓")
    assert "→ correct the option entity" in ended.line("entity")
    assert "→ take compression='gzip' out" in ended.line("compression")
    assert len(existing.messages("g", "s")) == 1


def test_an_event_is_sent_as_the_handler_sends_it_and_to_no_stream_of_the_program(url, existing, tmp_path):
    """A header may be what an endpoint refuses. In the name of the stream, all that is the program's is doctor's."""
    options = {"log_stream_name": "{program_name}/{process_id}/{logger_name}", "log_format": "json/emf"}

    ended = run("doctor", "--config", configuration(tmp_path, url, **options))

    assert ended.status == 0, ended.output
    put = next(request for request in existing.requests if request.operation == "PutLogEvents")
    assert (put.stream, put.log_format) == ("cwlog_handler-doctor/0/doctor", "json/emf")


def test_what_goes_with_an_event_that_is_refused_is_not_known(url, existing, tmp_path):
    existing.fail(access_denied())

    ended = run("doctor", "--config", configuration(tmp_path, url, **CARRIED))

    assert ended.line("entity") == "– entity       not tried: needs put"
    assert ended.line("compression") == "– compression  not tried: needs put"


def test_compression_is_an_option_of_the_command(doctor, existing):
    assert doctor("--compression", "gzip").line("compression") == "✓ compression  the endpoint takes gzip"
    assert "✗ options" in doctor("--compression", "zip").output


def test_a_protected_group_is_made_on_the_command_line(doctor, fake):
    assert doctor("--log-group-deletion-protection").status == 0
    assert fake.groups["g"].deletion_protection


def test_a_missing_stream_is_made_in_the_group_that_is_there(doctor, fake):
    fake.create("g")

    ended = doctor()

    assert ended.status == 0
    assert ended.line("creation") == "✓ creation     log stream 's' was missing and has been made"


def test_a_template_gets_a_stream_of_the_doctors_own(url, fake):
    ended = run("doctor", "--log-group-name", "g", "--endpoint-url", url)

    assert ended.status == 0
    (stream,) = fake.streams("g")
    assert stream.endswith("/cwlog_handler-doctor/0")


def test_endpoints_with_sequence_tokens_pass():
    fake = FakeCloudWatchLogs(sequence_tokens=True)
    fake.create("g", "s")
    fake.put_elsewhere("g", "s", "somebody else's")
    with fake.serve() as url:
        assert run("doctor", *WHERE, "--endpoint-url", url).status == 0


def test_throttled_for_a_moment_is_no_failure(doctor, existing):
    existing.fail(throttle(), times=1)

    assert doctor().status == 0


def test_what_is_not_permitted_to_be_read_back_is_no_failure(doctor, existing):
    existing.fail(access_denied(), operation="GetLogEvents")

    ended = doctor()

    assert ended.status == 0
    assert ended.line("read back").startswith("– read back    not permitted (logs:GetLogEvents)")


def test_what_was_left_undone_in_a_new_group_is_said(doctor, fake):
    fake.fail(access_denied(), operation="PutRetentionPolicy")

    ended = doctor("--log-group-retention-days", "7")

    assert ended.status == 0
    assert "log_group_retention_days was not set" in ended.line("creation")


# -- region and credentials


def test_no_region_is_told_with_what_depends_on_it(doctor):
    ended = doctor(AWS_DEFAULT_REGION=None, AWS_REGION="us-east-1")

    assert ended.status == 1
    assert "✗ region       no AWS region is set; AWS_REGION is 'us-east-1'" in ended.line("region")
    assert "→ pass region_name, or set AWS_DEFAULT_REGION" in ended.line("region")
    assert ended.line("endpoint") == "– endpoint     not tried: needs region"
    assert ended.line("put").startswith("– put          not tried: needs")


def test_region_and_credentials_are_told_with_their_source_and_no_secret(url, existing, tmp_path):
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text("[profile shop]\nregion = eu-west-3\n")
    credentials.write_text(f"[shop]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n")

    ended = run(
        "doctor", *WHERE, "--endpoint-url", url, "--boto3-profile-name", "shop",
        AWS_DEFAULT_REGION=None, AWS_CONFIG_FILE=str(config), AWS_SHARED_CREDENTIALS_FILE=str(credentials),
        AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None,
    )  # fmt: skip

    assert ended.status == 0
    assert ended.line("region") == f"✓ region       eu-west-3, from profile 'shop' in {config}"
    assert ended.line("credentials") == (
        f"✓ credentials  from the shared credentials file {credentials}, profile 'shop', key …{KEY_ID[-4:]}"
    )
    assert KEY_ID not in ended.output + ended.errors
    assert SECRET not in ended.output + ended.errors


def test_the_region_given_as_an_option_comes_first(doctor, existing):
    ended = doctor("--region-name", "eu-west-1")

    assert ended.line("region") == "✓ region       eu-west-1, from region_name"
    assert policy(ended)["Resource"][0] == "arn:aws:logs:eu-west-1:*:log-group:g"


def test_no_credentials_are_told_and_the_way_to_the_service_is_looked_at_all_the_same(doctor, existing):
    ended = doctor(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)

    assert ended.status == 1
    assert "✗ credentials  boto3 finds no credentials" in ended.line("credentials")
    assert "→ set AWS_ACCESS_KEY_ID" in ended.line("credentials")
    assert ended.line("answer").startswith("✓")
    assert ended.line("put") == "– put          not tried: needs credentials"
    assert existing.messages("g") == []


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        ((), {"AWS_SECRET_ACCESS_KEY": None}, "Partial credentials found in env"),
        (("--boto3-profile-name", "nobody"), {}, "The config profile (nobody) could not be found"),
    ],
)
def test_credentials_that_boto3_cannot_use_are_told_once(doctor, arguments, env, said):
    ended = doctor(*arguments, **env)

    assert ended.status == 1
    assert said in ended.line("credentials")
    assert ended.output.count(said) == 1
    assert ended.line("endpoint") == "– endpoint     not tried: needs credentials"


def test_the_account_is_in_the_policy_where_the_credentials_tell_it(doctor, existing):
    ended = doctor(AWS_ACCOUNT_ID="123456789012")

    assert policy(ended)["Resource"] == [
        "arn:aws:logs:us-east-1:123456789012:log-group:g",
        "arn:aws:logs:us-east-1:123456789012:log-group:g:*",
    ]


# -- the way to the service


def test_a_refused_connection_is_told():
    ended = run("doctor", *WHERE, "--endpoint-url", f"http://127.0.0.1:{free_port()}")

    assert ended.status == 1
    assert "Connection refused" in ended.line("connection")
    assert "→ check firewall" in ended.line("connection")
    assert ended.line("put").startswith("–")


def test_a_name_that_is_not_there_is_told():
    ended = run("doctor", *WHERE, "--endpoint-url", "http://logs.nowhere.invalid")

    assert ended.status == 1
    assert ended.line("name").startswith("✗ name         logs.nowhere.invalid: ")


def test_an_endpoint_that_hangs_is_given_up():
    """Whoever accepts and never answers would keep botocore for minutes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ended = run(
            "doctor", *WHERE, "--endpoint-url", f"http://127.0.0.1:{silent.getsockname()[1]}", "--timeout", PATIENCE
        )

    assert ended.status == 1
    assert ended.line("connection").startswith("✓")
    assert "✗ answer       ReadTimeoutError" in ended.line("answer")


def test_a_put_that_hangs_is_given_up(doctor, existing):
    existing.fail(stall())

    ended = doctor("--timeout", PATIENCE)

    assert ended.status == 1
    assert "✗ put          ReadTimeoutError" in ended.line("put")


def test_a_page_of_somebody_else_is_told(doctor, existing):
    existing.fail(captive_portal(), operation=None)

    ended = doctor()

    assert ended.status == 1
    assert "not from CloudWatch Logs" in ended.line("answer")
    assert "→ correct endpoint_url or the proxy settings" in ended.line("answer")


def test_a_page_in_place_of_the_put_is_no_delivery(doctor, existing):
    existing.fail(captive_portal())

    ended = doctor()

    assert ended.status == 1
    assert "✗ put          the answer is not from CloudWatch Logs" in ended.line("put")


def test_an_endpoint_from_the_environment_is_told_as_that(url, existing):
    assert (
        run("doctor", *WHERE, AWS_ENDPOINT_URL=url).line("endpoint") == f"✓ endpoint     {url}, from AWS_ENDPOINT_URL"
    )


@pytest.mark.parametrize(
    "text",
    [
        "[default]\nendpoint_url = {url}\n",
        "[default]\nservices = ours\n[services ours]\ncloudwatch_logs =\n  endpoint_url = {url}\n",
    ],
)
def test_an_endpoint_from_the_configuration_file_is_told_as_that(url, existing, tmp_path, text):
    (tmp_path / "config").write_text(text.format(url=url))

    ended = run("doctor", *WHERE, AWS_CONFIG_FILE=str(tmp_path / "config"))

    assert ended.line("endpoint") == f"✓ endpoint     {url}, from the AWS configuration file"


ENDPOINTS_THAT_ARE_NONE = [
    ("nonsense", "no URL"),
    ("http://127.0.0.1:99999", "Port out of range"),
    ("http://127.0.0.1:80x", "Port could not be cast"),
]


@pytest.mark.parametrize(("endpoint", "said"), ENDPOINTS_THAT_ARE_NONE)
def test_an_endpoint_that_is_no_url_is_told(endpoint, said):
    ended = run("doctor", *WHERE, "--endpoint-url", endpoint)

    assert ended.status == 1
    assert f"endpoint_url={endpoint!r}: {said}" in ended.line("options")


@pytest.mark.parametrize(("endpoint", "said"), ENDPOINTS_THAT_ARE_NONE)
def test_an_endpoint_in_the_environment_that_is_no_url_is_told(endpoint, said):
    ended = run("doctor", *WHERE, AWS_ENDPOINT_URL=endpoint)

    assert ended.status == 1
    assert endpoint in ended.line("endpoint")
    assert said in ended.line("endpoint")
    assert "AWS_ENDPOINT_URL" in ended.line("endpoint").partition("→")[2]


@pytest.mark.parametrize("region", ["us_east_1", "US-EAST-1", "us-east-1a"])
def test_a_region_that_cannot_be_is_told_with_the_nearest(region):
    assert "the nearest is 'us-east-1'" in run("doctor", *WHERE, "--region-name", region).line("options")
    ended = run("doctor", *WHERE, AWS_DEFAULT_REGION=region)
    assert ended.status == 1
    assert "the nearest is 'us-east-1'" in ended.line("endpoint")


def test_an_endpoint_without_tls_that_is_asked_for_it_is_told(url):
    ended = run("doctor", *WHERE, "--endpoint-url", url.replace("http:", "https:"))

    assert ended.status == 1
    assert "✗ answer       SSLError" in ended.line("answer")
    assert "→ there is no TLS at the other end: correct endpoint_url" in ended.line("answer")


def test_an_endpoint_with_tls_that_is_not_asked_for_it_is_told(tmp_path):
    with _tls_server(tmp_path) as url:
        ended = run("doctor", *WHERE, "--endpoint-url", url.replace("https:", "http:"))

    assert ended.status == 1
    assert ended.line("answer").startswith("✗ answer")
    assert "endpoint_url (https:// rather than http://?)" in ended.line("answer")


def test_a_certificate_for_another_name_is_told(tmp_path):
    with _tls_server(tmp_path) as url:
        ended = run("doctor", *WHERE, "--endpoint-url", url, AWS_CA_BUNDLE=str(tmp_path / "server.pem"))

    assert ended.status == 1
    assert "'127.0.0.1' doesn't match 'logs.example'" in ended.line("answer")
    assert "→ correct endpoint_url: the certificate there is for another name" in ended.line("answer")


def test_a_password_in_the_endpoint_is_not_shown(url, existing):
    ended = run("doctor", *WHERE, "--endpoint-url", url.replace("://", "://user:hunter2@"))

    assert "hunter2" not in ended.output + ended.errors


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_credentials_with_a_line_end_are_told_and_not_shown(doctor, existing, name):
    ended = doctor(**{name: "QUITESECRETQUITESECRET\n"})

    assert ended.status == 1
    assert "has a character in it that is of no credentials, such as a line end" in ended.line("credentials")
    assert "→ correct it where it comes from: the environment" in ended.line("credentials")
    assert ended.line("put") == "– put          not tried: needs credentials"
    assert "SECRET\n" not in ended.output
    assert "QUITESECRET" not in ended.output + ended.errors


def test_the_proxy_on_the_way_is_what_is_looked_at(url):
    port = free_port()
    proxy = f"http://user:hunter2@127.0.0.1:{port}"

    ended = run(
        "doctor", *WHERE, "--endpoint-url", url, HTTP_PROXY=proxy, http_proxy=proxy, NO_PROXY=None, no_proxy=None
    )

    assert ended.status == 1
    assert f"✗ connection   127.0.0.1 port {port}: " in ended.line("connection")
    assert ended.line("name").endswith("a proxy on the way to the endpoint")
    assert "hunter2" not in ended.output + ended.errors


def test_a_certificate_that_nobody_vouches_for_is_told(tmp_path):
    with _tls_server(tmp_path) as url:
        ended = run("doctor", *WHERE, "--endpoint-url", url)

    assert ended.status == 1
    assert "certificate verify failed" in ended.line("answer")
    assert "→ set AWS_CA_BUNDLE" in ended.line("answer")


def _tls_server(folder):
    """A server that shakes hands, with a certificate of its own making for logs.example, and no more."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "logs.example")])
    now = datetime.now(timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("logs.example")]), critical=False)
    path = folder / "server.pem"
    path.write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)

    @contextmanager
    def serve():
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def shake_hands():
                while True:
                    try:
                        connection, _ = listener.accept()
                    except OSError:
                        return
                    try:
                        context.wrap_socket(connection, server_side=True).close()
                    except OSError:
                        connection.close()

            thread = threading.Thread(target=shake_hands, daemon=True)
            thread.start()
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)

    return serve()


# -- what the service says


def test_a_wrong_key_is_told(doctor, existing):
    existing.fail(unrecognized_client())

    ended = doctor()

    assert ended.status == 1
    assert "✗ put          the access key id or secret access key is wrong" in ended.line("put")
    assert "→ correct the credentials" in ended.line("put")
    assert ended.line("read back") == "– read back    not tried: needs put"


def test_a_put_that_is_not_permitted_is_told_with_the_policy_that_helps(doctor, existing):
    existing.fail(access_denied())

    ended = doctor("--no-create-log-stream")

    assert ended.status == 1
    assert "✗ put          logs:PutLogEvents is not allowed on arn:aws:logs" in ended.line("put")
    assert "→ allow it in the IAM policy" in ended.line("put")
    assert policy(ended) == {
        "Effect": "Allow",
        "Action": ["logs:PutLogEvents"],
        "Resource": ["arn:aws:logs:us-east-1:*:log-group:g:*"],
    }


@pytest.mark.parametrize("operation", ["CreateLogStream", "CreateLogGroup"])
def test_a_creation_that_is_not_permitted_is_told(doctor, fake, operation):
    fake.fail(access_denied(), operation=operation)

    ended = doctor()

    assert ended.status == 1
    assert f"✗ creation     logs:{operation} is not allowed" in ended.line("creation")
    assert ended.line("put") == "– put          not possible: what is missing could not be made"


@pytest.mark.parametrize(
    ("switch", "said"),
    [
        ("--no-create-log-stream", "the log stream does not exist and create_log_stream is off"),
        ("--no-create-log-group", "the log group does not exist and create_log_group is off"),
    ],
)
def test_what_is_missing_and_not_to_be_made_is_told(doctor, fake, switch, said):
    ended = doctor(switch)

    assert ended.status == 1
    assert f"✗ creation     {said}" in ended.line("creation")
    assert ended.line("put").startswith("– put          not possible")
    assert fake.groups == {}


NO_GROUP = error("ResourceNotFoundException", "The specified log group does not exist.")
NO_STREAM = error("ResourceNotFoundException", "The specified log stream does not exist.")


@pytest.mark.parametrize(
    ("fault", "said"),
    [(access_denied(), "logs:CreateLogStream is not allowed"), (server_error(), "ServiceUnavailableException")],
)
def test_a_group_that_was_made_and_a_stream_that_was_not_is_no_success(doctor, fake, fault, said):
    fake.fail(NO_GROUP, times=1, operation="CreateLogStream")
    fake.fail(fault, operation="CreateLogStream")

    ended = doctor()

    assert ended.status == 1
    assert f"✗ creation     {said}" in ended.line("creation")


def test_a_stream_that_the_put_does_not_see_is_told(hurried, existing):
    """Created and then not there, or there and not there."""
    existing.fail(NO_STREAM)

    ended = hurried()

    assert ended.status == 1
    assert ended.line("put") == (
        "✗ put          log group and log stream 's' exist, but the put is told that they do not\n"
        "→ try again: the handler itself does so, and keeps the records meanwhile"
    )


def test_a_new_stream_that_cannot_be_seen_for_a_moment_is_no_failure(hurried, fake):
    fake.fail(NO_STREAM, times=3)

    assert hurried().status == 0


def test_an_event_that_cannot_be_read_at_once_is_looked_for_again(doctor, existing):
    existing.fail(NO_STREAM, times=1, operation="GetLogEvents")

    assert doctor().line("read back").startswith("✓")


def test_why_the_event_was_not_read_back_is_said_as_it_is(doctor, existing):
    existing.fail(error("InvalidOperationException", "Not of this log class."), operation="GetLogEvents")

    ended = doctor()

    assert ended.status == 0
    assert "not possible [An error occurred (InvalidOperationException)" in ended.line("read back")


def doubt(ended):
    """How far from the truth the difference of the clocks may be, in seconds.

    The service's date has whole seconds, and so has what is said; when it was written, within the time that the answer
    took, is unknown.
    """
    milliseconds = re.search(r" in (\d+) ms", ended.line("answer"))[1]
    return 1 + int(milliseconds) / 2000


def test_a_clock_that_is_off_is_told_before_the_signature_is(existing):
    fake = FakeCloudWatchLogs(clock=lambda: time.time() + 900)
    fake.create("g", "s")
    fake.fail(clock_skew())
    with fake.serve() as url:
        ended = run("doctor", *WHERE, "--endpoint-url", url)

    assert ended.status == 1
    said = re.fullmatch(r"✗ clock        (\d+) s behind the service's: .*\n→ set the clock .*", ended.line("clock"))
    assert int(said[1]) == pytest.approx(900, abs=doubt(ended))
    assert "✗ put          the clock of this machine is off" in ended.line("put")


def test_a_clock_that_is_a_little_off_is_told_and_no_failure():
    fake = FakeCloudWatchLogs(clock=lambda: time.time() - 60)
    with fake.serve() as url:
        ended = run("doctor", *WHERE, "--endpoint-url", url)

    assert ended.status == 0
    said = re.fullmatch(r"✓ clock        (\d+) s ahead of the service's; accepted up to 300 s", ended.line("clock"))
    assert int(said[1]) == pytest.approx(60, abs=doubt(ended))


def test_an_event_that_is_rejected_for_its_time_is_not_delivered():
    fake = FakeCloudWatchLogs(clock=lambda: time.time() - 3 * 3600)
    with fake.serve() as url:
        ended = run("doctor", *WHERE, "--endpoint-url", url)

    assert ended.status == 1
    assert "rejects the event for its time" in ended.line("put")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (throttle(), "throttled all the time"),
        (server_error(), "ServiceUnavailableException"),
        (error("InvalidParameterException", "what is this?"), "put          InvalidParameterException: what"),
    ],
)
def test_what_passes_by_itself_is_told_with_what_the_handler_does(hurried, existing, fault, said):
    existing.fail(fault)

    ended = hurried()

    assert ended.status == 1
    assert said in ended.line("put")
    assert "→ try again" in ended.line("put")


# -- the options


def test_an_option_with_a_wrong_value_is_told_by_the_handler(doctor, fake):
    ended = doctor("--log-group-retention-days", "8")

    assert ended.status == 1
    assert "✗ options      log_group_retention_days=8: " in ended.line("options")
    assert ended.line("put").startswith("–")
    assert fake.requests == []


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--region-name", "us-east-1"),
        ("--config", "x.json", *WHERE),
        ("--timeout", "0", *WHERE),
        ("--no-such-option",),
    ],
)
def test_wrong_usage_has_a_status_of_its_own(arguments):
    assert run("doctor", *arguments).status == 2


@pytest.mark.parametrize(
    ("arguments", "actions"),
    [
        (("--no-create-log-stream",), {"PutLogEvents"}),
        (("--no-create-log-group", "--log-group-retention-days", "7"), {"PutLogEvents", "CreateLogStream"}),
        ((), {"PutLogEvents", "CreateLogStream", "CreateLogGroup"}),
        (
            ("--log-group-retention-days", "7", "--log-group-tags", "a=b"),
            {"PutLogEvents", "CreateLogStream", "CreateLogGroup", "PutRetentionPolicy", "TagResource"},
        ),
    ],
)
def test_the_policy_allows_what_the_options_need_and_no_more(doctor, existing, arguments, actions):
    assert policy(doctor(*arguments))["Action"] == [f"logs:{action}" for action in policy_order(actions)]


def policy_order(actions):
    order = ("PutLogEvents", "CreateLogStream", "CreateLogGroup", "PutRetentionPolicy", "TagResource")
    return [action for action in order if action in actions]


def test_json_tells_the_same_to_programs(doctor, existing):
    existing.fail(access_denied())

    ended = doctor("--json")

    assert ended.status == 1
    told = json.loads(ended.output)
    assert told["ok"] is False
    (handler,) = told["handlers"]
    results = {check["check"]: check["result"] for check in handler["checks"]}
    assert (results["region"], results["put"], results["read back"]) == ("passed", "failed", "skipped")
    (put,) = [check for check in handler["checks"] if check["check"] == "put"]
    assert put["way_out"] == "allow it in the IAM policy of the user or role"
    assert handler["policy"]["Version"] == "2012-10-17"


def test_a_reader_that_goes_away_is_no_reason_for_a_traceback(url, existing):
    """As in ``doctor … | head -1``."""
    command = python("-m", "cwlog_handler", "doctor", *WHERE, "--endpoint-url", url)
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        ended = subprocess.run(command, env=environment(), stdout=theirs, stderr=subprocess.PIPE, timeout=HANG_LIMIT)
    finally:
        os.close(theirs)

    assert ended.returncode == 1
    assert ended.stderr == b""


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_without_any_output_the_exit_status_says_it(url, existing, form):
    """As a service starts it with its output closed."""
    command = python("-m", "cwlog_handler", "doctor", *WHERE, "--endpoint-url", url, *form)
    ended = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command], env=environment(), stderr=subprocess.PIPE, timeout=HANG_LIMIT
    )

    assert (ended.returncode, ended.stderr) == (0, b"")


def test_ctrl_c_ends_it_without_a_traceback(existing):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            python("-m", "cwlog_handler", "doctor", *WHERE, "--endpoint-url", endpoint, "--timeout", "60"),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        while b"connection" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=HANG_LIMIT)

    assert process.returncode == 130
    assert errors == b"interrupted\n"


def test_a_terminal_without_unicode_gets_plain_marks(doctor, existing):
    existing.fail(access_denied())

    ended = doctor(PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C")

    assert ended.status == 1
    assert "  FAILED put" in ended.output
    assert "  ok     region" in ended.output
    assert "-> allow it in the IAM policy" in ended.output


# -- names from templates

TENANTS = ("--log-group-name", "/app/{env:STAGE}/{record:tenant|none}", "--log-stream-name", "s")


def test_a_template_of_groups_is_told_with_what_it_depends_on(url, fake):
    """The event goes where a record without the attribute would; the policy is for all groups that it can make."""
    ended = run("doctor", *TENANTS, "--endpoint-url", url, STAGE="prod")

    assert ended.status == 0
    assert ended.line("names") == (
        "✓ names        this test's event goes to log group '/app/prod/none'; the program's to '/app/prod/*', "
        "by record:tenant"
    )
    assert list(fake.groups) == ["/app/prod/none"]
    assert policy(ended)["Resource"] == [
        "arn:aws:logs:us-east-1:*:log-group:/app/prod/*",
        "arn:aws:logs:us-east-1:*:log-group:/app/prod/*:*",
    ]


def test_a_variable_that_is_not_set_is_told_with_the_way_out(url, fake):
    ended = run("doctor", *TENANTS, "--endpoint-url", url)

    assert ended.status == 1
    assert ended.line("names").startswith(
        "✗ names        not set here, and without a default: STAGE; 'unknown' would stand for it in the names"
    )
    assert "set it as the program has it, or write a default such as {env:STAGE|dev}" in ended.output
    assert ended.line("put") == "– put          not tried: needs names"
    assert fake.groups == {}, "a group with a wrong name would stay for ever"
    assert policy(ended)["Resource"][0] == "arn:aws:logs:us-east-1:*:log-group:/app/*/*"


def test_what_has_a_default_may_be_missing(url, fake):
    names = ("--log-group-name", "/{env:STAGE|dev}/{ecs_cluster}", "--log-stream-name", "{ec2_instance_id|x}")

    ended = run("doctor", *names, "--endpoint-url", url)

    assert ended.status == 0
    assert ended.line("names").startswith("✓ names        this test's event goes to log group '/dev/unknown'; ")
    assert ended.line("names").endswith(
        "; STAGE is not set here: 'dev'; ecs_cluster is not known here: 'unknown'; "
        "ec2_instance_id is not known here: 'x'"
    )


def test_a_name_of_one_group_has_no_line_of_its_own(doctor, existing):
    assert " names " not in doctor().output


def test_what_was_left_by_a_template_is_counted_as_this_handlers(url, fake, tmp_path):
    spool = Spool(tmp_path / "spool")
    spool.leave(events(["a", "b"], stream="/app/prod/x:s"), endpoint=url, group="/app/prod/{record:tenant|none}")

    ended = run("doctor", *TENANTS, "--endpoint-url", url, "--spool-dir", str(spool.path), STAGE="prod")

    assert "2 events of ended processes will be delivered after this handler's first record" in ended.line("spool")
