"""``doctor`` on a role that is assumed, on proxies and on certificates: what it says of each, and the way out."""

from __future__ import annotations

import json

import boto3
import pytest

from cwlog_handler.testing import error

from ..network import Authority, Front, Proxy, needs_ipv6, running
from ..programs import free_port
from .conftest import run

ARN = "arn:aws:iam::222222222222:role/logs"
WHERE = ("--log-group-name", "g", "--log-stream-name", "s", "--region-name", "us-east-1")
ROLE = ("--role-arn", ARN, "--external-id", "4711", "--role-session-name", "shop")
# Nobody knows this host: only a proxy can lead there.
FAR = "logs.far.example"
PASSWORD = "hunter2"
NO_EXCEPTIONS = {"NO_PROXY": None, "no_proxy": None}


@pytest.fixture
def existing(fake):
    fake.create("g", "s")
    return fake


def documents(ended):
    """The JSON documents among the lines, in order."""
    found, rest = [], ended.output
    while "{" in rest:
        rest = rest[rest.index("{") :]
        document, end = json.JSONDecoder().raw_decode(rest)
        found.append(document)
        rest = rest[end:]
    return [document["Statement"][0] for document in found]


# -- a role


def test_a_role_that_can_be_assumed_is_told_with_who_assumes_it(existing, url):
    existing.create_role(ARN, external_id="4711")

    ended = run("doctor", *WHERE, *ROLE, AWS_ENDPOINT_URL=url)

    assert ended.status == 0, ended.output
    assert ended.line("role") == (
        "✓ role         arn:aws:sts::222222222222:assumed-role/logs/shop, "
        "assumed by arn:aws:iam::123456789012:user/testing"
    )
    may, trusts, least = documents(ended)
    assert may == {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ARN}
    assert trusts["Principal"] == {"AWS": "arn:aws:iam::123456789012:user/testing"}
    assert trusts["Condition"] == {"StringEquals": {"sts:ExternalId": "4711"}}
    assert least["Resource"][0] == "arn:aws:logs:us-east-1:222222222222:log-group:g"
    assert {request.assumed_role for request in existing.requests if request.operation == "PutLogEvents"} == {
        "arn:aws:sts::222222222222:assumed-role/logs/shop"
    }


def test_the_trust_policy_names_the_role_of_a_task_and_not_its_session(existing, url):
    """On ECS, EKS and Lambda, who assumes the role is itself a session of a role. The next session has another ARN."""
    task = "arn:aws:iam::123456789012:role/task"
    existing.create_role(task)
    existing.create_role(ARN, external_id="4711")
    sts = boto3.Session("key", "secret", region_name="us-east-1").client("sts", endpoint_url=url)
    keys = sts.assume_role(RoleArn=task, RoleSessionName="the-task")["Credentials"]
    environment = {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }

    ended = run("doctor", *WHERE, *ROLE, AWS_ENDPOINT_URL=url, **environment)

    assert ended.status == 0, ended.output
    assert ended.line("role").endswith(", assumed by arn:aws:sts::123456789012:assumed-role/task/the-task")
    _, trusts, _ = documents(ended)
    assert trusts["Principal"] == {"AWS": task}


def test_a_refused_role_is_told_with_the_policies_that_help(existing, url):
    existing.create_role(ARN, external_id="0815")

    ended = run("doctor", *WHERE, *ROLE, AWS_ENDPOINT_URL=url)

    assert ended.status == 1
    said = ended.line("role")
    assert f"✗ role         the role {ARN} may not be assumed [User: " in said
    assert "→ allow sts:AssumeRole on the role in the policy of who assumes it" in said
    assert "with the very external_id in its condition sts:ExternalId" in said
    assert ended.line("answer").startswith("✓")
    assert ended.line("put") == "– put          not tried: needs role"
    assert len(documents(ended)) == 3
    assert existing.messages("g", "s") == []


@pytest.mark.parametrize(
    ("code", "way_out"),
    [
        ("RegionDisabledException", "AWS_ENDPOINT_URL_STS"),
        ("ExpiredToken", "renew them"),
        ("InvalidClientTokenId", "correct the credentials"),
        ("Throttling", "try again"),
    ],
)
def test_what_else_sts_says_is_told(existing, url, code, way_out):
    existing.fail(error(code, "It is so.", 403), operation="AssumeRole")

    ended = run("doctor", *WHERE, *ROLE, AWS_ENDPOINT_URL=url)

    assert ended.status == 1
    assert ended.line("role").startswith("✗ role")
    assert way_out in ended.line("role").partition("→")[2]


def test_an_sts_that_is_not_there_is_told(existing, url):
    sts = f"http://127.0.0.1:{free_port()}"

    ended = run("doctor", *WHERE, *ROLE, AWS_ENDPOINT_URL=url, AWS_ENDPOINT_URL_STS=sts)

    assert ended.status == 1
    assert sts in ended.line("role")
    assert "check the way to STS" in ended.line("role").partition("→")[2]
    assert "<ARN of the user or role that assumes it>" in ended.output


def test_without_a_role_nothing_is_said_of_one(existing, url):
    ended = run("doctor", *WHERE, AWS_ENDPOINT_URL=url)

    assert ended.status == 0
    assert "role" not in [line[4:17].rstrip() for line in ended.output.splitlines()]
    assert len(documents(ended)) == 1


def test_a_configuration_file_may_have_a_role_and_settings(existing, url, tmp_path):
    existing.create_role(ARN)
    entry = {
        "class": "cwlog_handler.CloudWatchLogsHandler",
        "log_group_name": "g",
        "log_stream_name": "s",
        "role_arn": ARN,
        "boto3_config": {"tcp_keepalive": True, "user_agent_extra": "shop/7"},
    }
    config = {"version": 1, "handlers": {"cloudwatch": entry}, "root": {"handlers": ["cloudwatch"]}}
    (tmp_path / "logging.json").write_text(json.dumps(config))

    ended = run("doctor", "--config", tmp_path / "logging.json", "--json", AWS_ENDPOINT_URL=url)

    (report,) = json.loads(ended.output)["handlers"]
    assert report["ok"]
    assert report["assume_role_policy"]["Statement"][0]["Resource"] == ARN
    assert "Condition" not in report["trust_policy"]["Statement"][0]
    puts = [request for request in existing.requests if request.operation == "PutLogEvents"]
    assert puts[0].user_agent.endswith(" shop/7")


# -- the way


def test_a_proxy_of_the_options_is_what_is_looked_at(existing, url):
    with running(Proxy(url, user=f"user:{PASSWORD}")) as proxy:
        settings = {"proxies": {"http": f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"}}
        ended = run(
            "doctor", *WHERE, "--endpoint-url", f"http://{FAR}", "--boto3-config", json.dumps(settings), **NO_EXCEPTIONS
        )

    assert ended.status == 0, ended.output
    assert ended.line("name") == "✓ name         127.0.0.1 is 127.0.0.1, a proxy on the way to the endpoint"
    assert PASSWORD not in ended.output + ended.errors


def test_a_proxy_that_is_reached_by_tls_is_looked_at_with_its_own_ca(existing, url, tmp_path):
    authority = Authority(tmp_path)
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    with (
        running(Front(url, tls=authority.server(FAR))) as secure,
        running(Proxy(f"//:{secure.port}", tls=other.server("127.0.0.1"))) as proxy,
    ):
        settings = {
            "proxies": {"https": f"https://127.0.0.1:{proxy.port}"},
            "proxies_config": {"proxy_ca_bundle": other.bundle},
        }
        options = ("--endpoint-url", f"https://{FAR}", "--boto3-config", json.dumps(settings))
        ended = run("doctor", *WHERE, *options, **NO_EXCEPTIONS, AWS_CA_BUNDLE=authority.bundle)

    assert ended.status == 0, ended.output
    assert existing.messages("g", "s")


@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_proxy_that_is_down_is_told_as_that(by):
    port = free_port()
    proxy = f"http://user:{PASSWORD}@127.0.0.1:{port}"
    options = ("--boto3-config", json.dumps({"proxies": {"https": proxy}})) if by == "option" else ()
    env = {"HTTPS_PROXY": proxy} if by == "environment" else {}

    ended = run("doctor", *WHERE, *options, **NO_EXCEPTIONS, **env)

    assert ended.status == 1
    said = ended.line("connection")
    assert f"✗ connection   127.0.0.1 port {port}: " in said
    assert "a proxy on the way to the endpoint" in said
    assert "→ check whether the proxy is running" in said
    assert PASSWORD not in ended.output + ended.errors


def test_a_proxy_that_wants_a_password_is_told_as_that(url):
    with running(Proxy(url, user=f"user:{PASSWORD}")) as proxy:
        settings = {"proxies": {"https": f"127.0.0.1:{proxy.port}"}}
        ended = run("doctor", *WHERE, "--boto3-config", json.dumps(settings), **NO_EXCEPTIONS)

    assert ended.status == 1
    assert "✗ answer       the proxy wants a user and a password" in ended.line("answer")
    assert "→ write them into its URL as http://user:password@host:port" in ended.line("answer")


def test_tls_with_an_own_ca_and_a_client_certificate_passes_and_fails_with_the_way_out(existing, url, tmp_path):
    authority = Authority(tmp_path)
    with running(Front(url, tls=authority.server("localhost", wants_client=True))) as front:
        where = (*WHERE, "--endpoint-url", f"https://localhost:{front.port}")
        settings = ("--boto3-config", json.dumps({"client_cert": authority.client()}))
        right = run("doctor", *where, *settings, AWS_CA_BUNDLE=authority.bundle)
        wrong = run("doctor", *where, *settings)

    assert right.status == 0, right.output
    assert "✗ answer       the certificate of the endpoint is not trusted" in wrong.line("answer")
    assert "→ set AWS_CA_BUNDLE, or ca_bundle in the AWS configuration file" in wrong.line("answer")


@needs_ipv6
def test_an_address_of_ipv6_is_shown_as_urls_have_it(existing, url):
    """In brackets: otherwise nobody could tell its end from the port."""
    with running(Front(url, host="::1")) as front:
        where = f"http://[::1]:{front.port}"
        ended = run("doctor", *WHERE, "--endpoint-url", where)

    assert ended.status == 0, ended.output
    assert ended.line("endpoint") == f"✓ endpoint     {where}, from endpoint_url"


# -- the other commands


def test_lines_are_sent_with_a_role(existing, url):
    existing.create_role(ARN, external_id="4711")

    ended = run("send", *WHERE, *ROLE, stdin=b"one\ntwo\n", AWS_ENDPOINT_URL=url)

    assert ended.status == 0, ended.errors
    assert existing.messages("g", "s") == ["one", "two"]
    assert {request.assumed_role.rpartition("/")[2] for request in existing.requests[1:]} == {"shop"}


@pytest.mark.parametrize("text", ["no JSON", "[1]", f'{{"proxies": {{"https": "http://u:{PASSWORD}@proxy"}}'])
def test_settings_that_are_no_json_object_are_wrong_usage(text):
    ended = run("send", *WHERE, "--boto3-config", text)

    assert ended.status == 2
    assert "--boto3-config" in ended.errors
    assert "JSON" in ended.errors.splitlines()[-1]
    assert PASSWORD not in ended.errors


def test_settings_that_are_refused_are_wrong_usage(url):
    ended = run("send", *WHERE, "--boto3-config", '{"retries": {}}')

    assert ended.status == 2
    assert "the handler itself decides" in ended.errors
