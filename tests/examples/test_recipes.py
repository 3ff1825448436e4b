"""Every recipe in examples/, run as its reader runs it: what it printed as read back is what its program logged."""

import ast
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.testing import stall, throttle

from ..programs import HANG_LIMIT, PATIENCE, ROOT, free_port, python, started
from .conftest import EXAMPLES

# For a program that is run as its reader runs it.
PATIENTLY = os.pathsep.join(map(str, (PATIENCE, ROOT)))
# A line for each event, and further lines of its message below its first.
EVENT = re.compile(r"    \d\d:\d\d:\d\d\.\d{3}  (.*)")
FURTHER = " " * 18


@dataclass(frozen=True)
class Run:
    """What a recipe printed: all of it, and of that the messages read back, by stream."""

    output: str
    streams: dict[str, list[str]]

    @property
    def messages(self):
        return [message for messages in self.streams.values() for message in messages]

    @property
    def documents(self):
        return [json.loads(message) for message in self.messages]

    @property
    def terminal(self):
        """What its program wrote there."""
        return self.output.partition("events read back")[0]

    def only_stream(self, pattern):
        """The messages of the one stream, whose name matches."""
        ((name, messages),) = self.streams.items()
        assert re.fullmatch(pattern, name), name
        return messages

    def from_streams(self, pattern):
        """The messages of each stream whose name matches."""
        return [messages for name, messages in self.streams.items() if re.fullmatch(pattern, name)]


def parsed(output):
    streams, messages = {}, []
    for line in output.partition("events read back from log group 'my-app':\n")[2].splitlines():
        if line.startswith("  stream "):
            messages = streams.setdefault(line.removeprefix("  stream "), [])
        elif found := EVENT.fullmatch(line):
            messages.append(found[1])
        elif line.startswith(FURTHER):
            messages[-1] += "\n" + line.removeprefix(FURTHER)
    return Run(output, streams)


def run(name, patience=HANG_LIMIT, **env):
    with started(python(str(EXAMPLES / "run.py"), name), PYTHONPATH=PATIENTLY, **env) as program:
        status = program.wait(patience)
        assert status == 0, program.output
        return parsed(program.output)


def ids(ran):
    """The ids that the answers of a server had."""
    return re.findall(r"^GET .*: \d+, X-Request-ID ([0-9a-f]{32})$", ran.output, re.MULTILINE)


def is_traceback_of(text, error):
    """Whether the text is a whole traceback."""
    return text.startswith("Traceback (most recent call last):\n") and text.rstrip().endswith(error)


def test_recipes_have_time_to_deliver_on_a_busy_machine(fake):
    """Otherwise they would fail now and then. Without more time this program has no second try."""
    program = """
import logging
from cwlog_handler import CloudWatchLogsHandler
cloudwatch = CloudWatchLogsHandler("my-app", close_timeout=0.01)
logging.getLogger().addHandler(cloudwatch)
logging.warning("order 17")
print("delivered:", cloudwatch.flush(0.01), cloudwatch.flush(), cloudwatch.close_timeout)
"""
    fake.fail(throttle(), times=2)
    with fake.serve() as url, started(python("-c", program), url=url, PYTHONPATH=PATIENTLY) as running:
        assert running.wait() == 0, running.output
    assert "delivered: True True 40.0\n" in running.output
    assert fake.messages("my-app") == ["order 17"]


def test_dictconfig_in_python():
    info, error = run("dictconfig-python").only_stream(r"[^/]+/\d+")
    assert info == "INFO shop: order 17: 3 pieces"
    line, _, traceback = error.partition("\n")
    assert line == "ERROR shop: order 18 has no basket"
    assert is_traceback_of(traceback, "KeyError: 'basket'")


def test_dictconfig_in_json():
    text, document = run("dictconfig-json").only_stream(r"[^/]+/dictconfig_json\.py/\d+")
    assert text == "configured by JSON"
    assert json.loads(document) == {"event": "order", "number": 17, "pieces": 3, "customer": "Zoë"}


def test_dictconfig_in_yaml_with_a_stream_for_each_logger():
    streams = run("dictconfig-yaml").streams
    assert {name.partition("/")[2]: messages for name, messages in streams.items()} == {
        "shop.orders": ["order 17: 3 pieces"],
        "shop.stock": ["only 2 left of Käse"],
    }


def test_file_config():
    assert run("fileconfig").only_stream(r"[^/]+/\d+") == ["INFO shop: order 17: 3 pieces"]


def test_existing_loggers_keep_what_they_had():
    ran = run("existing-loggers")
    info, warning = "INFO shop: order 17: 3 pieces", "WARNING shop.payments: card refused for order 17"
    assert ran.streams == {"all": [info, warning], "payments": [warning]}
    # On the terminal, before anything was read back.
    assert f"\n{info}\n{warning}\n\n3 events" in ran.output


def test_another_account():
    ran = run("cross-account")
    assert ran.messages[:1] == ["order 17: 3 pieces"]
    assert "signed by arn:aws:sts::222222222222:assumed-role/my-app-logs/my-app" in ran.output


def test_django():
    ran = run("django")
    messages = ran.only_stream(r"django/[^/]+/\d+")
    one, other = ids(ran)
    assert messages == [
        f"INFO django_shop.urls [{one}]: order 17 by GET",
        f"WARNING django.request [{other}]: Not Found: /missing",
    ]
    assert f"\n{messages[1]}\n" in ran.terminal


def test_flask():
    ran = run("flask")
    *orders, error = ran.only_stream(r"flask/[^/]+/\d+")
    one, other = ids(ran)
    assert orders == [f"INFO flask_shop [{one}]: order 12", f"INFO flask_shop [{other}]: order 13"]
    line, _, traceback = error.partition("\n")
    assert line == f"ERROR flask_shop [{other}]: Exception on /order/13 [GET]"
    assert is_traceback_of(traceback, "LookupError: there is no order 13")
    assert error in ran.terminal


def test_fastapi_under_uvicorn():
    ran = run("fastapi")
    messages = ran.only_stream(r"uvicorn/[^/]+/\d+")
    one, other = ids(ran)
    assert f"INFO shop [{one}]: order 17" in messages
    access = [message.split(": ", 1) for message in messages if message.startswith("INFO uvicorn.access ")]
    assert [(about, line.split(" - ")[1]) for about, line in access] == [
        (f"INFO uvicorn.access [{one}]", '"GET /order/17 HTTP/1.1" 200'),
        (f"INFO uvicorn.access [{other}]", '"GET /missing HTTP/1.1" 404'),
    ]
    # It was stopped by SIGTERM.
    assert messages[-1].startswith("INFO uvicorn.error [-]: Finished server process")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("-m uvicorn no_such_shop:app --log-config uvicorn_logging.json", 'Could not import module "no_such_shop"'),
        ("-m gunicorn -c gunicorn_settings.py --no-control-socket -b {taken} gunicorn_shop:application", "in use"),
        ("-m celery -A celery_shop worker --without-gossip --without-mingle", "Cannot connect to amqp://"),
    ],
    ids=["uvicorn", "gunicorn", "celery"],
)
def test_why_a_server_does_not_start_is_told_where_it_was_started(fake, command, said):
    """Whoever looks at a terminal, or at `docker logs`, would see nothing at all."""
    broker = f"amqp://127.0.0.1:{free_port()}//"
    with fake.serve() as url:
        argv = python(*command.format(taken=url.removeprefix("http://")).split())
        with started(argv, url=url, cwd=EXAMPLES, CELERY_BROKER_URL=broker) as program:
            assert "ERROR" in program.wait_for(said)


@pytest.mark.slow
def test_celery_workers_and_their_children():
    ran = run("celery")
    packed = [message for message in ran.messages if message.startswith("INFO celery_shop: ")]
    assert sorted(packed) == [f"INFO celery_shop: order {number} is packed" for number in range(4)]
    parents = [messages for messages in ran.streams.values() if any("ready." in message for message in messages)]
    (parent,) = parents
    assert not set(parent) & set(packed)
    assert all(re.fullmatch(r"celery/[^/]+/\d+", name) for name in ran.streams)


def test_gunicorn_preloads_and_every_process_has_its_stream():
    ran = run("gunicorn")
    assert all(re.fullmatch(r"gunicorn/[^/]+/\d+", name) for name in ran.streams)
    loaded = [messages for messages in ran.streams.values() if "INFO shop: loaded once" in messages[0]]
    ((master, workers),) = [(loaded, [m for m in ran.streams.values() if m not in loaded])]
    assert len(master) == 1
    assert master[0][-1] == "INFO gunicorn.error: Shutting down: Master"
    assert len(workers) == 2
    for messages in workers:
        assert messages[0].startswith("INFO gunicorn.error: Booting worker")
        assert messages[-1].startswith("INFO gunicorn.error: Worker exiting")
    orders = [message for message in ran.messages if message.startswith("INFO shop: /order/")]
    assert sorted(order.split()[2] for order in orders) == [f"/order/{number}" for number in (17, 18, 19, 20)]
    assert sum(message.startswith("INFO gunicorn.access: ") for message in ran.messages) == 4


def test_a_lambda_function_delivers_before_it_returns():
    """The platform that the recipe plays ends the process without any of Python's hooks."""
    ran = run("lambda")
    assert [json.loads(m) for m in ran.only_stream(r"2026/01/31/\[\$LATEST\]0123456789abcdef")] == [
        {"event": "order", "number": 0},
        {"event": "order", "number": 1},
    ]


def test_records_of_a_lambda_function_carry_the_trace_id_of_their_invocation():
    trace_ids = ["1-5759e988-bd862e3fe1be46a994272793", "1-5759e98a-4f2a1c0de8e54ad1b3c7f6a2"]
    assert run("lambda-trace-ids").documents == [
        {
            "levelname": "INFO",
            "name": "shop",
            "message": "order",
            "number": number,
            "xray_trace_id": xray_trace_id,
            "traceId": xray_trace_id.removeprefix("1-").replace("-", ""),
        }
        for number, xray_trace_id in enumerate(trace_ids)
    ]


@pytest.mark.parametrize("function", ["lambda_function", "lambda_trace_ids"])
def test_a_lambda_function_returns_in_time_while_the_service_does_not_answer(fake, function):
    """Lambda ends one that does not, 3 seconds after it began unless it was told another time, as failed."""
    program = f"""
import os, time, {function}
class Context:
    def get_remaining_time_in_millis(self):
        return 1500
# Only what holds it up every time is the function's: the machine may be busy.
is_in_time = False
while not is_in_time:
    began = time.monotonic()
    {function}.lambda_handler({{"number": 1}}, Context())
    is_in_time = time.monotonic() - began < 1.5
print("returned in time", flush=True)
os._exit(0)
"""
    fake.fail(stall())
    with fake.serve() as url, started(python("-c", program), url=url, cwd=EXAMPLES) as running:
        running.wait_for("returned in time")


def test_structlog():
    order, foreign, failed = run("structlog").documents
    request = {"request": "r-1"}
    assert order == {"event": "order", "number": 17, "customer": "Zoë", "logger": "shop", "level": "info", **request}
    assert foreign == {"event": "2 left", "shelf": "B", "logger": "stock.keeper", "level": "warning", **request}
    assert is_traceback_of(failed.pop("exception"), "KeyError: 'basket'")
    assert failed == {"event": "order failed", "number": 18, "logger": "shop", "level": "error", **request}


def test_structlogs_loggers_do_what_those_of_logging_do(fake):
    """By the recipe's configuration: arguments, stacks, levels that can be asked for."""
    program = """
import structlog_events, structlog, logging
structlog_events.configure_logging()
log = structlog.get_logger("shop")
log.info("order %d", 17)
log.info("here", stack_info=True)
print("debug:", log.isEnabledFor(logging.DEBUG))
log.debug("not sent")
logging.getLogger("stock").info("there", stack_info=True)
"""
    with fake.serve() as url, started(python("-c", program), url=url, cwd=EXAMPLES) as running:
        assert running.wait() == 0, running.output
    assert "debug: False" in running.output
    order, here, there = [json.loads(message) for message in fake.messages("my-app")]
    assert order["event"] == "order 17"
    assert here["stack"].startswith("Stack (most recent call last):\n")
    assert there["stack_info"].startswith("Stack (most recent call last):\n")


def test_python_json_logger():
    order, paid, failed = run("python-json-logger").documents
    about = {"levelname": "INFO", "name": "shop", "number": 17}
    assert order == {**about, "message": "order 17", "customer": "Zoë"}
    assert paid == {**about, "message": "paid", "amount": {"value": 9.5, "currency": "EUR"}}
    assert is_traceback_of(failed.pop("exc_info"), "KeyError: 'basket'")
    assert failed == {"levelname": "ERROR", "name": "shop", "message": "no basket", "number": 18}


def test_loguru():
    ran = run("loguru")
    order, failed = [json.loads(message)["record"] for message in ran.streams["json"]]
    assert (order["message"], order["extra"]) == ("order of 3 pieces", {"number": 17, "pieces": 3})
    assert (failed["level"]["name"], failed["exception"]["type"]) == ("ERROR", "KeyError")
    (line,) = ran.streams["lines"]
    assert line.startswith("ERROR __main__: no basket\nTraceback (most recent call last):\n")
    assert line.rstrip().endswith("KeyError: 'basket'")
    # Values of variables, which loguru shows where it is not told otherwise, may be anybody's password.
    assert "<function main at" not in "".join(ran.messages)


def test_a_queue_handler_in_front():
    assert run("queue-handler").documents == [
        {"levelname": "INFO", "name": "shop", "message": "order", "number": 17},
        {"levelname": "INFO", "name": "shop", "message": "paid", "number": 17},
    ]


def test_multiprocessing():
    ran = run("multiprocessing")
    (parent,) = [messages for messages in ran.streams.values() if messages == ["6 orders are packed"]]
    packed = [message for messages in ran.streams.values() if messages != parent for message in messages]
    assert sorted(packed) == [f"order {number} is packed" for number in range(6)]
    assert all(re.fullmatch(r"[^/]+/\d+", name) for name in ran.streams)


def test_asyncio():
    messages = run("asyncio").only_stream(r"[^/]+/asyncio_tasks\.py/\d+")
    assert messages == [f"r-{number} {word}" for word in ("begins", "ends") for number in range(3)]


def test_sampling():
    """All of a request or none; and what is kept says how many it stands for."""
    documents = run("sampling").documents
    assert {
        document["request_id"]: document["sample_rate"] for document in documents if document["levelname"] == "INFO"
    } == {f"r-{number}": 2.0 for number in (2, 3, 5, 7, 10, 12, 16, 17, 18)}
    others = [document for document in documents if document["levelname"] != "INFO"]
    assert [(document["levelname"], document["request_id"], document["sample_rate"]) for document in others] == [
        ("WARNING", "r-7", 1.0),
        ("DEBUG", "r-17", 10.0),
    ]


def test_a_message_that_is_repeated_is_sent_once_and_counted():
    """A line that counts has the time of the last one that it counts, which is before the order by a moment or none."""
    messages = run("repeated").messages
    event = {"event": "try again", "after": 0.5}
    assert [json.loads(text) for text in messages if text.startswith("{")] == [event, {**event, "repeated": 41}]
    first, *texts = [text for text in messages if not text.startswith("{")]
    assert first == "no connection to stock"
    assert sorted(texts) == ["order 17", "repeated 41 times: no connection to stock"]


def test_debug_on_error():
    opened, *failed = run("debug-on-error").messages
    assert opened == "INFO the shop is open"
    assert failed == [
        "DEBUG order 13: the basket is read",
        "INFO order 13: the card is charged",
        "ERROR order 13: out of stock",
    ]


def test_redaction():
    order, paid, failed = run("redaction").documents
    about = {"levelname": "INFO", "name": "shop"}
    gone = "[redacted]"
    assert order == {**about, "message": f"order 17 by {gone}", "headers": {"Authorization": gone}}
    assert paid == {**about, "message": "paid", "number": 17, "card": gone, "password": gone}
    assert is_traceback_of(
        failed["exc_info"], f"ConnectionError: no answer from postgres://shop:{gone}@db/orders?token={gone}"
    )


def test_embedded_metrics():
    ran = run("embedded-metrics")
    assert [(d["service"], d["latency"], d["order"]) for d in ran.documents] == [
        ("orders", 12.5, 17),
        ("orders", 340.0, 18),
    ]
    for document in ran.documents:
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert isinstance(document["_aws"]["Timestamp"], int)
        assert directive == {
            "Namespace": "my-app",
            "Dimensions": [["service"]],
            "Metrics": [{"Name": "latency", "Unit": "Milliseconds"}],
        }
    assert "PutLogEvents had the header x-amzn-logs-format: json/emf" in ran.output


def test_opentelemetry_ids():
    ordered, paid, outside = run("opentelemetry-traces").documents
    assert re.fullmatch(r"[0-9a-f]{32}", ordered["traceId"])
    assert re.fullmatch(r"[0-9a-f]{16}", ordered["spanId"])
    assert ordered["traceId"] == paid["traceId"]
    assert ordered["spanId"] != paid["spanId"]
    assert re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", ordered["xray_trace_id"])
    assert ordered["xray_trace_id"].replace("-", "") == "1" + ordered["traceId"]
    assert outside == {"levelname": "INFO", "name": "shop", "message": "outside of any span"}


def test_opentelemetry_metrics():
    ran = run("opentelemetry-metrics")
    assert ran.messages == ["order 0", "order 1", "order 2"]
    for line in (
        "cloudwatch_logs.delivered {'log_group': 'my-app'} = 3",
        "cloudwatch_logs.dropped {'log_group': 'my-app', 'reason': 'empty'} = 1",
        "cloudwatch_logs.pending {'log_group': 'my-app'} = 0",
    ):
        assert f"\n{line}\n" in ran.output


def test_prometheus_metrics():
    ran = run("prometheus-metrics")
    assert ran.messages == ["order 0", "order 1", "order 2"]
    assert 'reason="empty"} 1.0\n' in ran.output
    assert re.search(r"^cwlog_handler_events_delivered_total\{.*\} 3\.0$", ran.output, re.MULTILINE)


def test_stats_in_a_log_line():
    *orders, line = run("stats").messages
    assert orders == ["order 0", "order 1", "order 2"]
    assert line.startswith("cloudwatch: 4 emitted, 3 delivered, 0 pending, dropped {'empty': 1}, rejected {}; ")
    assert line.endswith("last error: None")


def test_stats_in_the_embedded_metric_format():
    ran = run("stats-emf")
    (document,) = [json.loads(message) for messages in ran.from_streams(r"stats/.*") for message in messages]
    assert document["log_group"] == "my-app"
    assert document["dropped_by_reason"] == {"empty": 1}
    counts = {name: document[name] for name in ("emitted", "delivered", "lost", "pending")}
    assert counts == {"emitted": 4, "delivered": 3, "lost": 1, "pending": 0}
    assert "PutLogEvents had the header x-amzn-logs-format: json/emf" in ran.output


def test_lost_events_in_a_file():
    ran = run("lost-events")
    assert ran.messages == ["order 17"]
    lost = [json.loads(line) for line in ran.terminal.splitlines() if line.startswith("{")]
    empty, old = sorted(lost, key=lambda event: event["reason"])
    known = {"log_group": "my-app", "counted_as": "dropped", "count": 1, "may_be_stored": False}
    assert empty.items() >= {**known, "text": "", "level": 20, "reason": "empty"}.items()
    assert old.items() >= {**known, "text": "order 3 failed", "level": 40, "reason": "too_old"}.items()
    assert empty["timestamp"] - old["timestamp"] >= 14 * 86_400_000


def test_another_endpoint_is_used_if_the_environment_names_it(fake):
    """The same programs with the real service: nothing in them says that it is a stand-in."""
    with fake.serve() as url:
        ran = run("embedded-metrics", url=url)
    assert ran.messages == fake.messages("my-app")
    assert len(ran.messages) == 2
    assert {request.log_format for request in fake.requests if request.stored} == {"json/emf"}


def test_a_recipe_whose_framework_is_not_installed_says_what_to_install(tmp_path):
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError('no uvicorn here')")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    with started(python(str(EXAMPLES / "run.py"), "fastapi"), PYTHONPATH=path) as program:
        assert program.wait() == 1
    assert "no uvicorn here" in program.output
    assert program.output.rstrip().endswith("pip install -e '.[test]'")


@pytest.mark.parametrize(
    "files",
    [("request_ids",), ("repeated",), ("debug_on_error",), ("redaction",), ("sampling", "request_ids")],
    ids=lambda files: files[0],
)
def test_a_filter_or_formatter_can_be_copied(files, tmp_path):
    """Into a program that has nothing else of the cookbook."""
    for name in files:
        shutil.copy(EXAMPLES / f"{name}.py", tmp_path)
    with started(python("-c", f"import {files[0]}"), cwd=tmp_path) as program:
        assert program.wait() == 0, program.output


def names():
    """The recipes that run.py knows."""
    with started(python(str(EXAMPLES / "run.py"))) as program:
        assert program.wait() == 0
        return program.output.split()


def test_every_recipe_is_tested_and_is_in_the_cookbook():
    sources = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    tests = set(re.findall(r'run\("([\w-]+)"', "".join(sources)))
    cookbook = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert set(names()) == tests
    assert set(re.findall(r"examples/run\.py ([\w-]+)$", cookbook, re.MULTILINE)) == set(names())


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.name)
def test_every_program_opens_with_what_it_shows(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_the_keywords_for_proxies_are_taken_as_they_stand():
    """No file that they name is read before the first record."""
    yaml = pytest.importorskip("yaml")
    config = yaml.safe_load((EXAMPLES / "dictconfig_proxies.yaml").read_text())
    options = {name: value for name, value in config["handlers"]["cloudwatch"].items() if name != "class"}
    handler = CloudWatchLogsHandler(**options)
    handler.close()
    assert handler.stats.last_error is None


def test_every_file_is_in_the_cookbook():
    """Its snippets too are lines of the programs, not a second version of them."""
    cookbook = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    # Not what tools leave behind.
    files = [path for path in (*EXAMPLES.glob("[!.]*.*"), *EXAMPLES.glob("django_shop/*.*")) if path.is_file()]
    for path in files:
        name = path.relative_to(EXAMPLES).as_posix()
        assert name in ("README.md", "django_shop/__init__.py") or f"({name})" in cookbook, name
    lines = {line.strip() for path in files if path.suffix != ".md" for line in path.read_text().splitlines()}
    for language, snippet in re.findall(r"^```(\w+)\n(.*?)^```$", cookbook, re.DOTALL | re.MULTILINE):
        if language not in ("sh", "text"):
            assert {line.strip() for line in snippet.splitlines()} <= lines | {"", "…", "# …"}, snippet
