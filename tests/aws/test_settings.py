"""The option ``boto3_config``: what is taken, and what a refusal says."""

import logging.config

import botocore
import pytest
from botocore.config import Config

from cwlog_handler import CloudWatchLogsHandler, composition
from cwlog_handler.aws import making, settings

PASSWORD = "hunter2"

TAKEN = [
    {},
    {"use_fips_endpoint": True, "use_dualstack_endpoint": False, "tcp_keepalive": True},
    {"proxies": {"https": f"http://user:{PASSWORD}@proxy:3128", "http": None}},
    {"proxies": {}},
    {"proxies": {"http": "proxy", "https": "//[::1]:3128"}},
    {"proxies_config": {"proxy_ca_bundle": "/ca.pem", "proxy_use_forwarding_for_https": True}},
    {"client_cert": "/client.pem"},
    {"client_cert": ("/client.pem", "/client.key")},
    {"connect_timeout": 0.5, "read_timeout": 60},
    {"max_pool_connections": making.MAX_CONNECTIONS},
    {"user_agent_extra": "shop/7 (x)", "user_agent_appid": "shop"},
    {"s3": {"addressing_style": "path"}, "parameter_validation": True, "inject_host_prefix": None},
]


@pytest.mark.parametrize("given", TAKEN)
def test_what_botocore_takes_and_cannot_break_us_is_taken(given):
    """One mapping may serve a program's other clients too: what has no meaning here does no harm."""
    assert settings.config(given) == given
    Config(**settings.config(given))


def test_what_a_file_has_as_a_list_becomes_what_botocore_wants():
    """JSON and YAML have no tuples, and botocore would ignore a list."""
    given = {"client_cert": ["/c", "/k"], "proxies_config": {"proxy_client_cert": ["/c", "/k"]}}
    taken = settings.config(given)
    assert taken == {"client_cert": ("/c", "/k"), "proxies_config": {"proxy_client_cert": ("/c", "/k")}}
    assert given["client_cert"] == ["/c", "/k"], "the program's own mapping is left as it is"


PROXY = "http://proxy:3128"
KEY = "/client.key"


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"proxies": {"https": f"ext://{__name__}.PROXY"}}, {"proxies": {"https": PROXY}}),
        ({"client_cert": ["/c", f"ext://{__name__}.KEY"]}, {"client_cert": ("/c", KEY)}),
        ({"client_cert": ("/c", f"ext://{__name__}.KEY")}, {"client_cert": ("/c", KEY)}),
        (
            {"proxies_config": {"proxy_client_cert": ["/c", f"ext://{__name__}.KEY"]}},
            {"proxies_config": {"proxy_client_cert": ("/c", KEY)}},
        ),
    ],
)
def test_dictconfig_resolves_what_is_named_in_a_mapping_or_a_list(given, taken):
    """A proxy's URL may stand in a module that a program has for its secrets, and a path where it has its paths."""
    configurator = logging.config.DictConfigurator({"boto3_config": given})
    assert settings.config(configurator.config["boto3_config"]) == taken


REFUSED = [
    ({"retries": {"max_attempts": 5}}, ["'retries'", "the handler itself decides", "leave it out"]),
    ({"region_name": "us-east-1"}, ["the handler's option region_name"]),
    ({"signature_version": "unsigned"}, ["signature version 4 only", "leave it out"]),
    ({"auth_scheme_preference": "sigv4a"}, ["signature version 4 only", "leave it out"]),
    ({"proxy": {}}, [f"botocore {botocore.__version__} has no such keyword", "did you mean 'proxies'?"]),
    ({"use_fips": True}, ["did you mean 'use_fips_endpoint'?"]),
    ({"verify": False}, ["set AWS_CA_BUNDLE"]),
    ({"nonsense": 1}, ["its keywords are those of botocore.config.Config"]),
    ({1: 2}, ["boto3_config[1]", "no such keyword"]),
    ({"use_fips_endpoint": "true"}, ["'true'", "is of type str", "True or False"]),
    ({"tcp_keepalive": 1}, ["is of type int"]),
    ({"ignore_configured_endpoint_urls": "no"}, ["'no'", "True or False"]),
    ({"read_timeout": None}, ["without a limit a request could hang"]),
    ({"read_timeout": True}, ["is of type bool"]),
    ({"connect_timeout": 0}, ["more than 0 seconds"]),
    ({"connect_timeout": float("inf")}, ["more than 0 seconds"]),
    ({"connect_timeout": float("nan")}, ["more than 0 seconds"]),
    ({"max_pool_connections": making.MAX_CONNECTIONS - 1}, ["requests side by side", "give 10 or more"]),
    ({"max_pool_connections": "20"}, ["is of type str"]),
    ({"user_agent_extra": "a\nb"}, ["no line end"]),
    ({"user_agent_appid": "größe"}, ["ASCII"]),
    ({"user_agent": 1}, ["give text"]),
    ({"client_cert": ["/a"]}, ["certificate and key"]),
    ({"proxies": "http://proxy"}, ["give a mapping such as {'https': 'http://proxy:3128'}"]),
    ({"proxies": {"HTTPS": "http://proxy"}}, ["'HTTPS'", "'http' and 'https' only"]),
    ({"proxies": {"https://host": "http://proxy"}}, ["'http' and 'https' only"]),
    ({"proxies": {"https": 3128}}, ["is of type int"]),
    ({"proxies": {"https": "socks5://proxy:1080"}}, ["socks5://proxy:1080", "http:// and https:// only"]),
    ({"proxies": {"https": "http://"}}, ["no URL of a proxy"]),
    ({"proxies": {"https": "proxy:port"}}, ["no URL of a proxy"]),
    ({"proxies": {"https": "http://müller:x@proxy"}}, ["percent-encoded"]),
    ({"proxies_config": {"ca_bundle": "/x"}}, ["'ca_bundle'", "'proxy_ca_bundle'"]),
    ({"proxies_config": "x"}, ["give a mapping"]),
    ({"proxies_config": {"proxy_ca_bundle": 1}}, ["path of a file"]),
    ({"proxies_config": {"proxy_use_forwarding_for_https": "yes"}}, ["True or False"]),
    ({"s3": {"addressing_style": "nonsense"}}, ["botocore refuses it"]),
    ([("tcp_keepalive", True)], ["is of type list", "give a mapping"]),
    ("tcp_keepalive", ["is of type str"]),
]


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_what_would_break_us_or_have_no_effect_is_refused_with_the_reason(given, words):
    """botocore checks little of it: most would show at each request, or not at all."""
    with pytest.raises((ValueError, TypeError)) as raised:
        CloudWatchLogsHandler("g", boto3_config=given)
    assert str(raised.value).startswith("boto3_config")
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize(
    "given",
    [
        {"proxies": f"http://user:{PASSWORD}@proxy"},
        {"proxies": {"https": f"socks5://user:{PASSWORD}@proxy"}},
        {"proxies": {"https": f"http://user:{PASSWORD}/x@proxy:y"}},
        {"proxies": {"https": f"user:{PASSWORD}@proxy:y"}},
        {"proxies": {"https": f"http://user:{PASSWORD}ö@proxy"}},
        {"proxies_config": [f"http://user:{PASSWORD}@proxy"]},
        {"user_agent": {"x": f"http://user:{PASSWORD}@proxy"}},
        {"s3": {"addressing_style": f"http://user:{PASSWORD}@proxy"}},
        f"http://user:{PASSWORD}@proxy",
    ],
)
def test_a_password_is_never_shown(given):
    """What a program prints of its own wrong configuration often ends in a log."""
    with pytest.raises((ValueError, TypeError)) as raised:
        settings.config(given)
    assert PASSWORD not in str(raised.value)


def test_a_keyword_of_newer_versions_is_told_as_that(monkeypatch):
    """It is not misspelt: an older botocore does not have it."""
    known = {name: value for name, value in Config.OPTION_DEFAULTS.items() if name != "user_agent_appid"}
    monkeypatch.setattr(Config, "OPTION_DEFAULTS", known)
    with pytest.raises(ValueError, match="newer versions have it: update boto3"):
        settings.config({"user_agent_appid": "shop"})


@pytest.mark.parametrize("name", ["use_fips_endpoint", "use_dualstack_endpoint"])
def test_an_endpoint_of_ones_own_excludes_what_chooses_among_the_regions(name):
    """botocore would ignore it without a word: the program would not have what it asks for."""
    assert settings.config({name: True}) == {name: True}
    assert settings.config({name: False}, "http://localhost") == {name: False}
    with pytest.raises(ValueError, match="ignores it if endpoint_url is given"):
        settings.config({name: True}, "http://localhost")


def client_with(patience=making.READ_TIMEOUT, **config):
    access = composition.access("us-east-1", boto3_config=config)
    return making.client_of(making.prepare(access), access, patience)


def test_the_settings_reach_the_client():
    """All of them, beside ours."""
    client = client_with(use_fips_endpoint=True, tcp_keepalive=True, max_pool_connections=50)
    assert client.meta.endpoint_url == "https://logs-fips.us-east-1.amazonaws.com"
    assert client.meta.config.tcp_keepalive is True
    assert client.meta.config.max_pool_connections == 50
    assert client.meta.config.retries["total_max_attempts"] == 1
    assert client_with(use_dualstack_endpoint=True).meta.endpoint_url == "https://logs.us-east-1.api.aws"
    assert client_with().meta.config.max_pool_connections == making.MAX_CONNECTIONS


@pytest.mark.parametrize(
    ("given", "patience", "expected"),
    [
        ({}, 60.0, (5, 15)),
        ({"connect_timeout": 1, "read_timeout": 2}, 60.0, (1, 2)),
        ({"connect_timeout": 60, "read_timeout": 60}, 60.0, (5, 15)),
        ({"connect_timeout": 1, "read_timeout": 2}, 1.5, (1, 1.5)),
    ],
)
def test_time_outs_are_upper_limits(given, patience, expected):
    """Before a deadline a request gets what is left of the time, whatever the option says."""
    config = client_with(patience, **given).meta.config
    assert (config.connect_timeout, config.read_timeout) == expected


def test_it_does_no_io_and_makes_no_client(monkeypatch):
    """A constructor runs on the caller's thread."""
    monkeypatch.setattr("socket.socket", None)
    CloudWatchLogsHandler("g", boto3_config={"proxies": {"https": "http://proxy:1"}, "client_cert": "/none"}).close()
