"""Log some thousands of records of every kind through dictConfig, read them back, and compare.

This shows that what a program logs is what arrives: in order, whatever it contains, and in few requests; and that the
handler's counts add up. By default it runs on this machine, against moto's CloudWatch Logs server on 127.0.0.1:

    python examples/quickstart.py

With ``--aws`` the same happens against the real service, with your usual credentials (see the README for the policy;
reading back needs logs:GetLogEvents too):

    python examples/quickstart.py --aws --log-group-name my-group --region eu-central-1

Exit status 0: everything arrived as it was sent. 1: something is missing or different; the output says what.
"""

import argparse
import json
import logging
import logging.config
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

THREADS = 4
RECORDS_PER_THREAD = 500
PLAIN, WITH_ARGUMENTS, MULTI_BYTE, STRUCTURED, LISTS = 2000, 1000, 500, 200, 100
# In seconds. In the real service, an event can be read only some seconds after it was acknowledged.
READABLE_WITHIN = 60.0
FLUSH_WITHIN = 120.0
EVENTS_A_PAGE = 1000


@dataclass(frozen=True)
class Sent:
    """One record that was logged, and a function that recognises its event by the text."""

    kind: str
    is_text: Callable[[str], bool]


def main() -> int:
    """Run the demonstration; return the exit status."""
    arguments = parse_arguments()
    stream = f"quickstart-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}"
    with endpoint(arguments.aws) as endpoint_url:
        configure_logging(arguments.log_group_name, stream, arguments.region, endpoint_url)
        logger = logging.getLogger("shop")
        handler: Any = logger.handlers[0]

        seconds = log_an_error(logger, handler)
        print(f"An ERROR does not wait for company: it was delivered after {seconds:.2f} s, the send interval is 5 s.")
        sent, big = log_many_kinds(logger)
        by_thread = log_from_threads(logger)
        started = time.monotonic()
        settled = handler.flush(FLUSH_WITHIN)
        print(f"flush() returned {settled} after {time.monotonic() - started:.2f} s.\n")

        expected = handler.stats.delivered
        events = read_back(arguments.log_group_name, stream, arguments.region, endpoint_url, expected)
        problems = compare(events, sent, big, by_thread)
        stats = handler.stats
        logging.shutdown()

    show_events(events)
    show_ledger(stats)
    problems += check_ledger(stats, settled, len(events))
    for problem in problems:
        print(f"PROBLEM: {problem}")
    records = 1 + len(sent) + sum(len(texts) for texts in by_thread.values()) + 1
    done = f"All {records:,} records that are not empty are there, in order, as they were sent."
    print("\nNot all is well." if problems else f"\n{done}")
    return 1 if problems else 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aws", action="store_true", help="use the real service instead of moto's server")
    parser.add_argument("--log-group-name", default="cwlog-handler-quickstart", help="default: %(default)s")
    parser.add_argument("--region", help="AWS region; default: what boto3 finds")
    return parser.parse_args()


@contextmanager
def endpoint(aws: bool) -> Iterator[str | None]:
    """Yield the URL of the service: None means the real one; otherwise moto's server, which ends with the block."""
    if aws:
        yield None
        return
    from moto.server import ThreadedMotoServer

    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
    os.environ.update(
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
        NO_PROXY="127.0.0.1",
        no_proxy="127.0.0.1",
    )
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        print(f"moto's server listens on http://{host}:{port}")
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def configure_logging(group: str, stream: str, region: str | None, endpoint_url: str | None) -> None:
    """Configure logging with plain data, as a JSON or YAML file would."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "cloudwatch": {
                    "class": "cwlog_handler.CloudWatchLogsHandler",
                    "log_group_name": group,
                    "log_stream_name": stream,
                    "log_group_retention_days": 1,
                    "region_name": region,
                    "endpoint_url": endpoint_url,
                    "send_interval": 5.0,
                },
            },
            "loggers": {"shop": {"handlers": ["cloudwatch"], "level": "INFO", "propagate": False}},
        }
    )


def log_an_error(logger: logging.Logger, handler: Any) -> float:
    """Log one ERROR, do not flush, and return how many seconds later it was delivered."""
    started = time.monotonic()
    logger.error("[error] the payment service is down")
    while not handler.stats.delivered and time.monotonic() - started < FLUSH_WITHIN:
        time.sleep(0.01)
    return time.monotonic() - started


def log_many_kinds(logger: logging.Logger) -> tuple[list[Sent], str]:
    """Log from this thread. Return what the service must have afterwards, and the one text that needs many events."""
    sent: list[Sent] = []

    def expect(kind: str, text: str) -> None:
        sent.append(Sent(kind, text.__eq__))

    def expect_json(kind: str, value: object) -> None:
        sent.append(Sent(kind, lambda text: is_json_of(text, value)))

    for number in range(PLAIN):
        text = f"[plain] order {number} received"
        logger.info(text)
        expect("plain", text)
    for number in range(WITH_ARGUMENTS):
        logger.info("[arguments] order %d costs %.2f %s", number, number / 8, "EUR")
        expect("arguments", f"[arguments] order {number} costs {number / 8:.2f} EUR")
    for number in range(MULTI_BYTE):
        text = f"[multi-byte] Bestellung {number}: Käse, 寿司, 🧀🚚 nach Zürich"
        logger.info(text)
        expect("multi-byte", text)
    for number in range(STRUCTURED):
        logger.info({"kind": "dict", "order": number, "paid": True}, extra={"customer": f"Nº {number}"})
        expect_json("dict", {"kind": "dict", "order": number, "paid": True, "customer": f"Nº {number}"})
    for number in range(LISTS):
        logger.info(["list", number, None, 0.5])
        expect_json("list", ["list", number, None, 0.5])
    try:
        {}["basket"]
    except KeyError:
        logger.warning("[exception] the basket is gone", exc_info=True)
    sent.append(Sent("exception", is_traceback))
    logger.info("")  # dropped and counted: the service accepts no empty event
    big = "[big] " + "0123456789 äöü 🧀 " * 96_000
    logger.info(big)
    return sent, big


def log_from_threads(logger: logging.Logger) -> dict[str, list[str]]:
    """Log from several threads at the same time; return the texts of each thread in the order it logged them."""
    texts = {
        f"[thread-{thread}]": [f"[thread-{thread}] step {step}" for step in range(RECORDS_PER_THREAD)]
        for thread in range(THREADS)
    }
    threads = [threading.Thread(target=log_all, args=(logger, mine)) for mine in texts.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return texts


def log_all(logger: logging.Logger, texts: list[str]) -> None:
    """Log each of the texts."""
    for text in texts:
        logger.info(text)


def is_json_of(text: str, value: object) -> bool:
    """Whether the text is a JSON document with this value."""
    try:
        return bool(json.loads(text) == value)
    except ValueError:
        return False


def is_traceback(text: str) -> bool:
    """Whether the text is that of the logged exception, with its message and its whole traceback."""
    lines = text.splitlines()
    return (
        lines[0] == "[exception] the basket is gone"
        and lines[1] == "Traceback (most recent call last):"
        and lines[-1] == "KeyError: 'basket'"
    )


def read_back(group: str, stream: str, region: str | None, endpoint_url: str | None, expected: int) -> list[str]:
    """Return all messages of the stream. Read until ``expected`` messages are there, or for 60 seconds."""
    import boto3

    client = boto3.client("logs", region_name=region, endpoint_url=endpoint_url)
    deadline = time.monotonic() + READABLE_WITHIN
    while True:
        messages = read_once(client, group, stream)
        if len(messages) >= expected or time.monotonic() > deadline:
            return messages
        time.sleep(1.0)  # events are acknowledged but not readable yet: try again until the deadline


def read_once(client: Any, group: str, stream: str) -> list[str]:
    """Return all messages that can be read now, from all pages."""
    messages: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = client.get_log_events(
            logGroupName=group, logStreamName=stream, startFromHead=True, limit=EVENTS_A_PAGE, **token
        )
        messages += [event["message"] for event in page["events"]]
        if page["nextForwardToken"] == token.get("nextToken"):
            return messages
        token = {"nextToken": page["nextForwardToken"]}


def compare(events: list[str], sent: list[Sent], big: str, by_thread: dict[str, list[str]]) -> list[str]:
    """Return a list of what is missing, surplus, different or out of order; empty if all is well."""
    problems = []
    for prefix, texts in by_thread.items():
        if [event for event in events if event.startswith(prefix)] != texts:
            problems.append(f"what {prefix} logged did not arrive as it was")
    ours = [event for event in events if not event.startswith("[thread-")]
    if ours[:1] != ["[error] the payment service is down"]:
        problems.append("the ERROR did not arrive first")
    for wanted, got in zip(sent, ours[1:], strict=False):
        if not wanted.is_text(got):
            problems.append(f"{wanted.kind}: something else is in its place: {got[:100]!r}")
            break
    if "".join(ours[1 + len(sent) :]) != big:
        problems.append("the pieces of the 2 MB message do not make the message")
    return problems


def show_events(events: list[str]) -> None:
    """Print, for each kind, how many events arrived, and the first of them."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    kind = ""
    for event in events:
        kind = kind_of(event) or kind
        counts[kind] += 1
        first.setdefault(kind, event)
    print(f"{len(events):,} events arrived; of each kind, the number and the first:")
    for kind, event in first.items():
        line = event.splitlines()[0]
        print(f"  {counts[kind]:>5,}  {kind:<10}  {line[:80]}{'…' if len(event) > 80 else ''}")


def kind_of(event: str) -> str | None:
    """Return the kind of record that an event belongs to; None for the second and later pieces of a split record."""
    if event.startswith("{"):
        return "dict"
    if event.startswith('["list"'):
        return "list"
    return event[1 : event.index("]")].partition("-t")[0] if event.startswith("[") else None


def show_ledger(stats: Any) -> None:
    """Print the handler's counts."""
    print(f"\n{stats.requests} PutLogEvents requests, {stats.retries} of them again, {stats.throttled} throttled")
    print(
        f"{stats.delivered_bytes:,} bytes delivered, {stats.delivered / max(1, stats.requests):,.0f} events a request"
    )
    print("The ledger, handler.stats:")
    print(f"  emitted    {stats.emitted:>6,}")
    print(f"  delivered  {stats.delivered:>6,}")
    print(f"  rejected   {stats.rejected:>6,}  {dict(stats.rejected_by_reason) or ''}")
    print(f"  dropped    {stats.dropped:>6,}  {dict(stats.dropped_by_reason) or ''}")
    print(f"  pending    {stats.pending:>6,}")


def check_ledger(stats: Any, settled: bool, arrived: int) -> list[str]:
    """Return a list of what is wrong with the counts; empty if they add up."""
    problems = []
    if not settled or stats.pending:
        problems.append(f"{stats.pending} events are still pending; last error: {stats.last_error}")
    if stats.emitted != stats.delivered + stats.rejected + stats.dropped + stats.pending:
        problems.append("the ledger does not add up")
    if dict(stats.dropped_by_reason) != {"empty": 1} or stats.rejected:
        problems.append("only the empty message should have been turned away")
    if stats.delivered != arrived:
        problems.append(f"{stats.delivered} events were acknowledged, {arrived} are there")
    return problems


if __name__ == "__main__":
    sys.exit(main())
