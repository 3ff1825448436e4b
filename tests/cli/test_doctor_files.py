"""``doctor --config`` on files as people have them: tags, INI files, several documents, names of other times."""

from __future__ import annotations

import json
import logging
import logging.config
from pathlib import Path

import pytest

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.cli.doctor.configuration import handlers_in
from cwlog_handler.cli.doctor.unusable import Unusable

from .conftest import run

OURS = "cwlog_handler.CloudWatchLogsHandler"


class DerivedHandler(CloudWatchLogsHandler):
    """A program's own, with a keyword that only it knows."""

    def __init__(self, *args, colour="red", **options):
        super().__init__(*args, **options)


@pytest.fixture
def found(tmp_path):
    """The handlers in a file with this content, by name."""

    def found(name, content):
        (tmp_path / name).write_text(content, encoding="utf-8")
        return {handler.name: handler for handler in handlers_in(tmp_path / name)}

    return found


@pytest.fixture
def refused(found):
    """What is said of a file that cannot be used, and the way out."""

    def refused(name, content):
        with pytest.raises(Unusable) as caught:
            found(name, content)
        return str(caught.value), caught.value.way_out

    return refused


# -- YAML


TAGGED = f"""
version: 1
handlers:
  console:
    class: logging.StreamHandler
    level: !ENV ${{LEVEL:INFO}}
    stream: !!python/name:sys.stdout
  main:
    class: {OURS}
    log_group_name: {{group}}
    log_stream_name: s
    endpoint_url: {{url}}
root:
  level: !Sub "${{Stage}}"
  handlers: [console, main]
"""


def test_tags_that_yaml_does_not_know_are_read_as_text_and_said(url, fake, tmp_path):
    """F64. The file could not be read at all, although no tag is about the handler."""
    (tmp_path / "logging.yaml").write_text(TAGGED.replace("{group}", "g").replace("{url}", url))

    ended = run("doctor", "--config", "logging.yaml", cwd=tmp_path)

    assert ended.status == 0
    assert ended.line("tags") == (
        "– tags         read as text, for only the program's own loader knows what they stand for: line 6: !ENV "
        "${LEVEL:INFO}; line 7: !!python/name:sys.stdout; line 14: !Sub ${Stage}"
    )
    assert len(fake.messages("g", "s")) == 1


@pytest.mark.parametrize("group", ["!ENV ${LOG_GROUP}", "!ENV LOG_GROUP", "!Join ['-', [shop, live]]"])
def test_an_option_behind_a_tag_is_no_name_to_send_to(url, fake, tmp_path, group):
    """F64. A group of that name would be made."""
    (tmp_path / "logging.yaml").write_text(TAGGED.replace("{group}", group).replace("{url}", url))

    ended = run("doctor", "--config", "logging.yaml", cwd=tmp_path)

    assert ended.status == 1
    assert ended.line("options").startswith("✗ options      log_group_name is !")
    assert "the value is not in the file" in ended.line("options")
    assert "give them as --log-group-name" in ended.line("options").partition("→")[2]
    assert ended.errors == ""
    assert fake.requests == []


def test_a_tag_inside_of_an_option_is_seen(found):
    (main,) = found("a.yaml", TAGGED.replace("{group}", "g").replace("{url}", "{team: !ENV '${TEAM}'}")).values()
    assert main.options["endpoint_url"]["team"].tag == "!ENV ${TEAM}"


def test_handlers_that_are_included_are_told(refused):
    cause, _ = refused("a.yaml", "version: 1\nhandlers: !include handlers.yaml\n")
    assert "no 'handlers' in it; line 2: !include handlers.yaml is read as text" in cause


ONE = f"""
version: 1
handlers:
  main: {{class: {OURS}, log_group_name: NAME}}
"""


def test_several_documents_in_one_file_are_looked_into(found):
    """The first may be about something else."""
    other = "---\nname: shop\n"
    assert [handler.options for handler in found("a.yaml", f"{other}---{ONE}").values()] == [{"log_group_name": "NAME"}]
    both = found("a.yaml", f"{ONE.replace('NAME', 'a')}---{ONE.replace('NAME', 'b')}")
    assert {name: handler.options["log_group_name"] for name, handler in both.items()} == {
        "document 1: main": "a",
        "document 2: main": "b",
    }


def indented(text, depth):
    return "\n".join("  " * depth + line for line in text.splitlines())


def test_a_configuration_may_stand_anywhere_in_a_file(found):
    assert list(found("a.yaml", f"logging:{indented(ONE, 1)}")) == ["main"]
    assert list(found("a.yaml", f"shop:\n  settings:\n    logging:{indented(ONE, 3)}")) == ["main"]
    two = f"staging:\n  logging:{indented(ONE, 2)}\nlive:\n  logging:{indented(ONE, 2)}"
    assert list(found("a.yaml", two)) == ["staging.logging: main", "live.logging: main"]


def test_other_things_that_are_called_handlers_are_passed_over(found):
    events = "events:\n  handlers: {paid: shop.paid}\n"
    assert list(found("a.yaml", f"{events}logging:{indented(ONE, 1)}")) == ["main"]


# -- names


def test_names_of_watchtower_are_told_as_the_constructor_tells_them(tmp_path):
    """F64. ``log_group`` got "did you mean 'log_group_tags'?"."""
    (tmp_path / "a.yaml").write_text(
        ONE.replace("log_group_name: NAME", "log_group: g, send_intervall: 5, stream_name: s")
    )

    ended = run("doctor", "--config", "a.yaml", cwd=tmp_path)

    assert ended.status == 1
    assert ended.line("options") == (
        "✗ options      no such options: 'log_group', 'send_intervall', 'stream_name'\n"
        "→ log_group: write log_group_name='g'; send_intervall: did you mean 'send_interval'?; "
        "stream_name: write log_stream_name='s'"
    )


def test_a_file_for_watchtower_is_told_what_to_change(refused):
    cause, way_out = refused("a.yaml", ONE.replace(OURS, "watchtower.CloudWatchLogHandler"))
    assert "its handlers are watchtower's: 'main'" in cause
    assert way_out == f"write 'class': '{OURS}' instead, and keep the settings"


def test_keywords_of_a_derived_class_are_left_out(found):
    """They are no mistakes, and only the class knows what they do."""
    derived = f"{__name__}.{DerivedHandler.__name__}"
    (main,) = found("a.yaml", ONE.replace(OURS, f"{derived}, colour: blue")).values()
    assert main.options == {"log_group_name": "NAME"}
    assert main.of_its_class == ("colour",)


def test_the_dict_of_a_module_is_examined(url, fake, tmp_path):
    """Django's settings, say: with objects in them that no file could have."""
    (tmp_path / "shop_settings.py").write_text(
        f"import boto3\nlogs = boto3.client('logs', region_name='eu-west-2', endpoint_url={url!r})\n"
        f"LOGGING = {{'version': 1, 'root': {{'handlers': ['main']}}, 'handlers': {{'main': {{'class': {OURS!r}, "
        "'log_group_name': 'g', 'log_stream_name': 's', 'boto3_client': logs}}}\n"
    )

    ended = run("doctor", "--config", "shop_settings:LOGGING", cwd=tmp_path)

    assert ended.status == 0
    assert len(fake.messages("g", "s")) == 1
    assert "no_settings:LOGGING cannot be imported" in run("doctor", "--config", "no_settings:LOGGING").output


# -- INI


INI = f"""
[loggers]
keys = root, shop
[handlers]
keys = console , cloudwatch
[formatters]
keys = line
[logger_root]
handlers = console
[logger_shop]
qualname = shop.orders
handlers = cloudwatch,console
[handler_console]
class = StreamHandler
args = (sys.stdout,)
[handler_cloudwatch]
class = {OURS}
level = INFO
formatter = line
args = ARGS
kwargs = KWARGS
[formatter_line]
format = %(levelname)s %(message)s
"""


def ini(args='("g",)', kwargs="{}"):
    return INI.replace("KWARGS", kwargs).replace("ARGS", args)


def test_an_ini_file_is_examined(url, fake, tmp_path):
    """F64. The answer was to write it as JSON."""
    kwargs = f'{{"log_stream_name": "s/{{strftime:%%Y}}", "endpoint_url": "{url}", "log_group_retention_days": 30}}'
    (tmp_path / "logging.ini").write_text(ini(kwargs=kwargs))

    ended = run("doctor", "--config", "logging.ini", cwd=tmp_path)

    assert ended.status == 0
    assert "Handler 'cloudwatch'" in ended.output
    assert ended.line("loggers") == "✓ loggers      shop.orders"
    assert ended.line("options") == "✓ options      log group 'g', log stream 's/{strftime:%Y}'"
    assert len(fake.messages("g")) == 1


@pytest.mark.parametrize(
    ("args", "kwargs", "options"),
    [
        ('("g",)', "{}", {"log_group_name": "g"}),
        ('("g", "s")', "{}", {"log_group_name": "g", "log_stream_name": "s"}),
        ("()", '{"log_group_name": "g"}', {"log_group_name": "g"}),
        ('("g",)', '{"close_timeout": 2*60}', {"log_group_name": "g", "close_timeout": 120}),
        ('("g",)', '{"flush_level": WARNING}', {"log_group_name": "g", "flush_level": logging.WARNING}),
        ("(os.environ['AWS_DEFAULT_REGION'],)", "{}", {"log_group_name": "us-east-1"}),
        ("(os.getenv('NO_SUCH', 'g'),)", "{}", {"log_group_name": "g"}),
        (
            '("g",)',
            '{"log_stream_name": "{strftime:%%Y}"}',
            {"log_group_name": "g", "log_stream_name": "{strftime:%Y}"},
        ),
    ],
)
def test_arguments_are_read_as_file_config_evaluates_them(found, args, kwargs, options):
    (handler,) = found("logging.conf", ini(args, kwargs)).values()
    assert handler.options == {"level": "INFO", **options}
    assert handler.users == ("shop.orders",)


@pytest.mark.parametrize(
    ("args", "kwargs", "cause", "way_out"),
    [
        ('("g", "s/{strftime:%Y-%m-%d}")', "{}", "args: '%' must be followed by", '"s/{strftime:%%Y-%%m-%%d}"'),
        ('("g",)', '{"log_stream_name": "{strftime:%Y}%%"}', "kwargs: '%'", '{"log_stream_name": "{strftime:%%Y}%%"}'),
        ('("%(stage)s",)', "{}", "args: Bad value substitution", "write %% for each %"),
        ('("my-app")', "{}", 'args: ("my-app") is no tuple', 'with brackets and a comma: args = ("my-app",)'),
        ('("g",)', "('a',)", "kwargs: ('a',) is no dict", 'kwargs = {"send_interval": 5}'),
        ('("g", "s", 10)', "{}", "3 of them, and only log_group_name and log_stream_name", "into kwargs"),
        ('("g",)', '{"log_group_name": "h"}', "log_group_name in args and in kwargs", "take it out"),
        ("(my-app,)", "{}", "args: (my-app,): NameError", "names are those of the module logging"),
        ('("g"', "{}", "args: (\"g\": '(' was never closed", "as a Python expression"),
        ('(os.system("echo"),)', "{}", "os.system('echo') is not run here", "into a copy of the file"),
        ('("g".__class__,)', "{}", "'g'.__class__ is not run here", "into a copy of the file"),
    ],
)
def test_what_file_config_would_stumble_over_is_told(refused, args, kwargs, cause, way_out):
    """F64. What Python says of a ``%`` names no file, no section and no way out."""
    said, what_to_do = refused("logging.ini", ini(args, kwargs))
    assert "logging.ini: [handler_cloudwatch]" in said
    assert cause in said
    assert way_out in what_to_do


@pytest.mark.parametrize("stem", ["%Y-%m-%d", "100%"])
def test_the_way_out_of_a_percent_sign_is_what_file_config_takes(refused, tmp_path, stem):
    """F64. It is the line as it should be."""
    _, way_out = refused("a.ini", ini(kwargs=f'{{"log_stream_name": "{stem}"}}'))
    mended = ini(kwargs=way_out.partition("kwargs = ")[2])
    (tmp_path / "b.ini").write_text(mended.replace("StreamHandler\nargs = (sys.stdout,)", "NullHandler"))
    before = logging.getLogger("shop.orders").handlers[:], logging.getLogger().handlers[:]
    try:
        logging.config.fileConfig(tmp_path / "b.ini", disable_existing_loggers=False)
        (ours,) = [h for h in logging.getLogger("shop.orders").handlers if isinstance(h, CloudWatchLogsHandler)]
        assert ours.log_stream_name == stem
        ours.close()
    finally:
        logging.getLogger("shop.orders").handlers[:], logging.getLogger().handlers[:] = before


@pytest.mark.parametrize(
    ("before", "after", "cause", "way_out"),
    [
        ("keys = console , cloudwatch", "keys = console", "[handler_cloudwatch] is not used", "add cloudwatch to them"),
        ("[handler_cloudwatch]", "[handler_cloudwach]", "no section [handler_cloudwatch]", "the keys of [handlers]"),
        ("[logger_shop]", "[logger_shopp]", "there is no section [logger_shop]", "the keys of [loggers]"),
        ("keys = root, shop", "keys = shop", "[loggers] has no root", "[logger_root]"),
        ("[formatters]\nkeys = line", "", "no section [formatters] with keys", "it has [loggers], [handlers]"),
        ("formatter = line", "formatter = lien", "there is no formatter 'lien'", "correct the name"),
        (
            "handlers = cloudwatch,console",
            "handlers = cludwatch",
            "there is no handler 'cludwatch'",
            "correct the name",
        ),
        (OURS, "cwlog_handler.CloudWatchLogHandler", "cannot be imported", f"write 'class': '{OURS}'"),
        (OURS, "watchtower.CloudWatchLogHandler", "its handlers are watchtower's", f"write 'class': '{OURS}'"),
        ("(sys.stdout,)", '("%Y.log",)', "[handler_console] args: '%' must be followed", '("%%Y.log",)'),
        ("[loggers]", "[loggers", "File contains no section headers", "correct the file"),
    ],
)
def test_sections_that_do_not_fit_are_told(refused, before, after, cause, way_out):
    said, what_to_do = refused("logging.ini", ini().replace(before, after))
    assert cause in said
    assert way_out in what_to_do


def test_other_sections_of_an_ini_file_are_passed_over(found):
    """Alembic's and Pyramid's have logging among the rest, with values that only they understand."""
    text = "[alembic]\nscript_location = %(here)s/db\nurl = 50%\n" + ini("('%(here)s',)")
    (handler,) = found("alembic.ini", text).values()
    assert Path(handler.options["log_group_name"]).is_dir()


def test_the_format_is_told_by_the_first_line_where_the_name_does_not_tell(found):
    assert list(found("logging.config", ini())) == ["cloudwatch"]
    assert list(found("logging.conf", json.dumps({"version": 1, "handlers": {"a": {"class": OURS}}}))) == ["a"]
