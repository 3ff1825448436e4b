"""``doctor --config``: the handlers in a file for dictConfig, as dictConfig would make them."""

from __future__ import annotations

import json
import sys

import pytest

from .conftest import run

OURS = "cwlog_handler.CloudWatchLogsHandler"


@pytest.fixture
def examine(url, tmp_path):
    """Examine a file with this content; ``{url}`` in it is the fake's."""

    def examine(content, name="logging.json", *arguments, **env):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_text(text.replace("{url}", url))
        return run("doctor", "--config", name, *arguments, cwd=tmp_path, **env)

    return examine


def configuration(handlers, **more):
    return {"version": 1, "handlers": handlers, "root": {"handlers": list(handlers)}, **more}


def cloudwatch(**options):
    return {"class": OURS, "log_group_name": "g", "log_stream_name": "s", "endpoint_url": "{url}", **options}


def test_every_handler_of_ours_is_examined(examine, fake):
    console = {"class": "logging.StreamHandler", "level": "DEBUG"}
    handlers = {
        "console": console,
        "main": cloudwatch(formatter="plain", level="INFO"),
        "audit": cloudwatch(log_group_name="audit"),
    }

    ended = examine(configuration(handlers, formatters={"plain": {"format": "%(message)s"}}))

    assert ended.status == 0
    assert [line for line in ended.output.splitlines() if line.startswith("Handler")] == [
        "Handler 'main'",
        "Handler 'audit'",
    ]
    assert len(fake.messages("g", "s")) == len(fake.messages("audit", "s")) == 1


YAML = f"""
version: 1
handlers:
  main: {{class: {OURS}, log_group_name: g, log_stream_name: s, endpoint_url: "{{url}}"}}
loggers:
  shop: {{handlers: [main]}}
"""
TOML = f"""
[tool]
name = "shop"
[logging]
version = 1
[logging.handlers.main]
class = "{OURS}"
log_group_name = "g"
log_stream_name = "s"
endpoint_url = "{{url}}"
[logging.loggers.shop]
handlers = ["main"]
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("logging.yaml", YAML),
        pytest.param(
            "logging.toml", TOML, marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib is of 3.11")
        ),
    ],
)
def test_yaml_and_toml_are_read_too(examine, fake, name, content):
    ended = examine(content, name)

    assert ended.status == 0
    assert ended.line("loggers") == "✓ loggers      shop"
    assert len(fake.messages("g", "s")) == 1


def test_a_typo_in_an_option_is_told_with_what_was_meant(examine, fake):
    ended = examine(configuration({"main": {"class": OURS, "log_group_name": "g", "log_steam_name": "s"}}))

    assert ended.status == 1
    assert ended.line("options") == "✗ options      no such option: 'log_steam_name'\n→ did you mean 'log_stream_name'?"
    assert fake.requests == []


def test_a_missing_group_name_is_told(examine):
    ended = examine(configuration({"main": {"class": OURS}}))

    assert ended.status == 1
    assert ended.line("options") == "✗ options      log_group_name is missing\n→ give the name of the log group"


def test_a_handler_that_no_logger_has_is_told(examine):
    """The configuration is fine, and nothing will ever arrive."""
    ended = examine({"version": 1, "handlers": {"main": cloudwatch()}, "root": {"handlers": []}})

    assert ended.status == 1
    assert "✗ loggers      no logger of the configuration has this handler" in ended.line("loggers")
    assert ended.line("put").startswith("✓")


def test_one_bad_handler_of_two_fails_the_whole(examine, fake):
    ended = examine(configuration({"bad": cloudwatch(oversize="chop"), "good": cloudwatch()}), "c.json", "--json")

    assert ended.status == 1
    assert [(handler["handler"], handler["ok"]) for handler in json.loads(ended.output)["handlers"]] == [
        ("bad", False),
        ("good", True),
    ]


def test_subclasses_factories_and_values_from_elsewhere_are_followed(examine, tmp_path, fake):
    (tmp_path / "shop_logging.py").write_text(
        "import cwlog_handler\nclass Ours(cwlog_handler.CloudWatchLogsHandler): pass\nGROUP = 'from-code'\n"
    )
    handlers = {
        "subclass": cloudwatch() | {"class": "shop_logging.Ours", "log_group_name": "ext://shop_logging.GROUP"},
        "factory": {k: v for k, v in cloudwatch().items() if k != "class"}
        | {"()": OURS, "log_group_name": "cfg://names.group"},
    }

    ended = examine(configuration(handlers, names={"group": "from-config"}))

    assert ended.status == 0
    assert set(fake.groups) == {"from-code", "from-config"}


def test_a_client_that_is_passed_in_is_the_one_that_is_used(examine, tmp_path, url, fake):
    (tmp_path / "shop_client.py").write_text(
        f"import boto3\nclient = boto3.client('logs', region_name='eu-west-2', endpoint_url={url!r})\n"
    )
    main = {"class": OURS, "log_group_name": "g", "log_stream_name": "s", "boto3_client": "ext://shop_client.client"}

    ended = examine(configuration({"main": main}), AWS_DEFAULT_REGION=None)

    assert ended.status == 0
    assert ended.line("region") == "✓ region       eu-west-2, of the boto3_client that is passed in"
    assert len(fake.messages("g", "s")) == 1


def test_a_handler_that_only_a_memory_handler_has_is_used(examine):
    memory = {"class": "logging.handlers.MemoryHandler", "capacity": 10, "target": "main"}
    config = {"version": 1, "handlers": {"main": cloudwatch(), "memory": memory}, "root": {"handlers": ["memory"]}}

    assert examine(config).line("loggers") == "✓ loggers      handler 'memory'"


def test_a_client_that_is_none_is_told(examine):
    ended = examine(configuration({"main": cloudwatch(boto3_client="logs")}))

    assert ended.status == 1
    assert "✗ options      boto3_client='logs' is no client" in ended.line("options")


def test_a_byte_order_mark_is_no_mistake(examine):
    assert examine("\ufeff" + json.dumps(configuration({"main": cloudwatch()}))).status == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"class": "shop.Handler"}, "handler 'main': 'shop.Handler' cannot be imported: "),
        ({"class": "boom.Handler"}, "handler 'main': 'boom.Handler' cannot be imported: KeyError: 'DATABASE_URL'"),
        ({"boto3_client": "ext://shop.client"}, "handler 'main': boto3_client: ValueError: Cannot resolve 'shop.cl"),
        ({"boto3_client": "ext://boom.client"}, "handler 'main': boto3_client: KeyError: 'DATABASE_URL'"),
        ({"log_group_name": "cfg://names.group"}, "handler 'main': log_group_name: KeyError: 'names'"),
        ({"formatter": "json"}, "handler 'main': there is no formatter 'json'"),
        ({"filters": ["mine"]}, "handler 'main': there is no filter 'mine'"),
    ],
)
def test_a_handler_that_dictconfig_could_not_make_is_told(examine, tmp_path, options, said):
    """Whatever the modules of the program raise when they are imported."""
    (tmp_path / "boom.py").write_text("raise KeyError('DATABASE_URL')\n")

    ended = examine(configuration({"main": cloudwatch(**options)}))

    assert ended.status == 1
    assert f"logging.json: {said}" in ended.output
    assert "→" in ended.output
    assert ended.errors == ""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"version": 2}, "'version' is 2"),
        ({"version": None}, "'version' is None"),
        ({"root": {"handlers": ["main", "consol"]}}, "root: there is no handler 'consol'"),
        ({"loggers": {"shop": {"handlers": ["mian"]}}}, "logger 'shop': there is no handler 'mian'"),
        ({"root": {"handlers": "main"}}, "root: 'handlers' is 'main'"),
    ],
)
def test_a_configuration_that_dictconfig_refuses_is_told(examine, more, said):
    ended = examine(configuration({"main": cloudwatch()}, **more))

    assert ended.status == 1
    assert f"✗ config file  logging.json: {said}" in ended.output
    assert "→" in ended.output


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("settings.py", "LOGGING = {}", "as JSON: from a configuration in Python, write it with json.dump"),
        ("settings.py", "LOGGING = {}", "--config shop.settings:LOGGING"),
        ("logging.ini", "[loggers]\nkeys = root", "there is no section [formatters] with keys"),
        ("logging.txt", "what?", "give it as .yaml, .toml, .ini or JSON"),
        ("a.json", "{", "Expecting property name"),
        ("a.json", "[]", "no 'handlers' in it"),
        ("a.yaml", "handlers: [", "while parsing"),
        ("a.json", configuration({"console": {"class": "logging.StreamHandler"}}), "no CloudWatchLogsHandler among"),
        ("a.json", configuration({"main": {"class": "cwlog_handler.CloudwatchHandler"}}), "cannot be imported"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(examine, name, content, said):
    ended = examine(content, name)

    assert ended.status == 1
    assert "✗ config file" in ended.output
    assert said in ended.output
    assert "→" in ended.output


def test_a_file_that_is_not_there_is_told(tmp_path):
    ended = run("doctor", "--config", tmp_path / "none.json", "--json")

    assert ended.status == 1
    assert json.loads(ended.output)["handlers"][0]["checks"][0]["result"] == "failed"
