"""The documents of examples/stats_emf.py: sums that are right over processes, and an alarm that CloudWatch takes."""

import json
import logging
import threading
import time

import botocore.session
import pytest
import stats_emf
from botocore.validate import ParamValidator

from cwlog_handler.testing import FakeCloudWatchLogs

from ..programs import HANG_LIMIT, python, started
from .conftest import EXAMPLES, PATH

pytestmark = pytest.mark.any_python

ALARM = json.loads((EXAMPLES / "stats_alarm.json").read_text(encoding="utf-8"))
COUNTS = ("emitted", "delivered", "lost", "throttled", "pending", "pending_bytes")


@pytest.fixture
def reported(attach, kept):
    """A handler whose stats are reported, and the documents."""
    metrics = logging.getLogger("stats")
    before = metrics.handlers[:], metrics.level, metrics.propagate
    metrics.handlers[:], metrics.propagate = [kept], False
    metrics.setLevel(logging.INFO)
    # The service takes nothing older than a day.
    handler = attach(boto3_client=FakeCloudWatchLogs(account_retention_days=1).client())
    yield stats_emf.StatsAsMetrics(handler, seconds=1e6), kept.records
    metrics.handlers[:], metrics.level, metrics.propagate = before


def counts(record):
    return {name: record.msg[name] for name in COUNTS}


def test_each_document_has_what_happened_since_the_last_one(reported, logger, kept):
    report, records = reported
    logger.removeHandler(kept)
    logger.info("one")
    logger.info("")
    report.handler.flush()
    report.log_document()
    logger.info("two")
    report.handler.handle(logging.makeLogRecord({"msg": "old", "created": time.time() - 2 * 86400}))
    report.handler.flush()
    report.log_document()
    report.log_document()
    zero = dict.fromkeys(COUNTS, 0)
    assert [counts(record) for record in records] == [
        {**zero, "emitted": 2, "delivered": 1, "lost": 1},
        {**zero, "emitted": 2, "delivered": 1, "lost": 1},
        zero,
    ]
    assert records[0].msg["dropped_by_reason"] == {"empty": 1}
    assert records[1].msg["rejected_by_reason"] == {"expired": 1}


def test_documents_come_by_themselves_from_the_first_record_on(reported, logger, kept):
    report, records = reported
    logger.removeHandler(kept)
    report.seconds = 0.001
    arrived = threading.Semaphore(0)

    class Told(logging.Handler):
        """Tells of a document once it is kept: this handler comes behind the one that keeps them."""

        def emit(self, record):
            arrived.release()

    logging.getLogger("stats").addHandler(Told())
    assert not arrived.acquire(timeout=0.05)
    logger.info("one")
    try:
        # The first record starts the thread before it is counted: some documents may come before it.
        deadline = time.monotonic() + HANG_LIMIT
        while not any(record.msg["emitted"] for record in records[:]):
            assert arrived.acquire(timeout=max(0, deadline - time.monotonic()))
        for _ in range(3):
            assert arrived.acquire(timeout=HANG_LIMIT)
    finally:
        report.seconds = 1e6
    # None of them is about the ones before.
    assert sum(record.msg["emitted"] for record in records) == 1


def test_where_no_thread_can_be_started_records_go_their_way(reported, logger, kept, monkeypatch, capsys):
    """So it is at the end of the interpreter, from Python 3.12 on."""

    def refuse(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    report, records = reported
    logger.removeHandler(kept)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    logger.info("one")
    report.handler.flush()
    report.log_document()
    assert records[0].msg["delivered"] == 1
    assert capsys.readouterr().err == ""


def test_a_document_is_what_the_format_asks_for(reported, logger, kept):
    report, records = reported
    logger.removeHandler(kept)
    logger.info("one")
    report.log_document()
    document = json.loads(json.dumps(records[0].msg))
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    (dimensions,) = directive["Dimensions"]
    assert all(isinstance(document[name], str) for name in dimensions)
    assert [metric["Name"] for metric in directive["Metrics"]] == list(COUNTS)
    assert all(isinstance(document[name], int) for name in COUNTS)


def test_cloudwatch_takes_the_alarm():
    shape = botocore.session.get_session().get_service_model("cloudwatch").operation_model("PutMetricAlarm").input_shape
    assert not ParamValidator().validate(ALARM, shape).has_errors()
    for name, value in ALARM.items():
        # The validator lets any text pass where only some are allowed.
        allowed = getattr(shape.members[name], "enum", None)
        assert not allowed or value in allowed
    assert ALARM["TreatMissingData"] in ("breaching", "notBreaching", "ignore", "missing")


def test_the_alarm_is_on_a_metric_of_the_documents():
    assert ALARM["Namespace"] == stats_emf.DIRECTIVE["Namespace"]
    assert ALARM["MetricName"] in [metric["Name"] for metric in stats_emf.DIRECTIVE["Metrics"]]
    assert [[dimension["Name"] for dimension in ALARM["Dimensions"]]] == stats_emf.DIRECTIVE["Dimensions"]


PROGRAM = """
import logging, logging.config, multiprocessing, os, sys
import stats_emf

def log(count):
    for number in range(count):
        logging.info("order %d", number)

def main():
    # A process that has just been forked may be slow on a busy machine.
    stats_emf.LOGGING["handlers"]["stats"]["close_timeout"] = 40
    stats_emf.LOGGING["handlers"]["cloudwatch"]["close_timeout"] = 40
    logging.config.dictConfig(stats_emf.LOGGING)
    (cloudwatch,) = logging.getLogger().handlers
    report = stats_emf.StatsAsMetrics(cloudwatch, seconds=1e6)
    log(2)
    # The children begin at zero all the same.
    cloudwatch.flush()
    report.log_document()
    # One that ends as servers' workers do.
    worker = os.fork()
    if worker == 0:
        log(4)
        sys.exit()
    child = multiprocessing.get_context("fork").Process(target=log, args=(3,))
    child.start()
    child.join()
    os.waitpid(worker, 0)

if __name__ == "__main__":
    main()
"""


def test_each_process_that_logs_reports_its_own_until_its_end(fake, tmp_path):
    """The documents themselves are not among what they report."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with fake.serve() as url, started(python("-W", "ignore", str(program)), url=url, PYTHONPATH=PATH) as running:
        assert running.wait() == 0, running.output
    documents = [json.loads(message) for message in fake.messages("my-app") if message.startswith("{")]
    by_process = {}
    for document in documents:
        by_process.setdefault(document["process_id"], []).append(document)
    sums = [sum(document["delivered"] for document in own) for own in by_process.values()]
    assert sorted(sums) == [2, 3, 4]
    assert sum(document["emitted"] for document in documents) == 9
    assert all(own[-1]["pending"] == 0 for own in by_process.values())
    assert all(document["lost"] == 0 for document in documents)
