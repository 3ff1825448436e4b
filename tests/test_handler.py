"""The handler against the strict fake: what a program sees."""

import gc
import json
import logging
import logging.config
import queue
import random
import signal
import threading
import time
from logging.handlers import QueueHandler, QueueListener
from unittest.mock import Mock

import pytest

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.system import own_calls
from cwlog_handler.system.own_threads import own_thread
from cwlog_handler.testing import FakeCloudWatchLogs, faults

from .conftest import balanced, logged
from .test_stream import event, next_send


def configured(fake, **options):
    """What a program's settings say: plain data but for the client."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {
            "cloudwatch": {
                "class": "cwlog_handler.CloudWatchLogsHandler",
                "log_group_name": "g",
                "log_stream_name": "s",
                "boto3_client": fake.client(),
                **options,
            }
        },
        "loggers": {"configured": {"handlers": ["cloudwatch"], "level": "DEBUG", "propagate": False}},
    }


@pytest.fixture
def no_thread(monkeypatch):
    """Not counted by ``threading``, which knows those of other tests and not ours."""
    monkeypatch.setattr(own_calls, "start_native_thread", lambda *_: pytest.fail("a thread was started"))


@pytest.mark.parametrize("tokens", [False, True])
def test_every_record_of_a_configured_program_arrives_in_order(tokens):
    """Both generations of the service; group and stream are made on the way, without a Describe."""
    fake = FakeCloudWatchLogs(sequence_tokens=tokens)
    logging.config.dictConfig(configured(fake))
    logger = logging.getLogger("configured")
    for number in range(25_000):
        logger.info("record %d", number)
    (handler,) = logger.handlers
    assert handler.flush()
    assert fake.messages("g", "s") == [f"record {number}" for number in range(25_000)]
    assert handler.stats.delivered == handler.stats.emitted == 25_000
    operations = {request.operation for request in fake.requests}
    assert operations == {"PutLogEvents", "CreateLogStream", "CreateLogGroup"}
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})


def test_file_config_can_say_the_options_too(fake, tmp_path):
    ini = tmp_path / "logging.ini"
    with fake.serve() as url:
        ini.write_text(
            "[loggers]\nkeys=root,filed\n[handlers]\nkeys=cloudwatch\n[formatters]\nkeys=\n"
            "[logger_root]\nhandlers=\n"
            "[logger_filed]\nhandlers=cloudwatch\nlevel=INFO\nqualname=filed\npropagate=0\n"
            "[handler_cloudwatch]\nclass=cwlog_handler.CloudWatchLogsHandler\nargs=('g',)\n"
            f"kwargs={{'log_stream_name': 's', 'endpoint_url': '{url}', 'overflow': 'drop_newest'}}\n"
        )
        logging.config.fileConfig(ini, disable_existing_loggers=False)
        logging.getLogger("filed").info("m")
        assert logging.getLogger("filed").handlers[0].flush()
    assert fake.messages("g", "s") == ["m"]
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})


def test_a_second_dict_config_loses_nothing_and_does_not_freeze():
    """F24: dictConfig closes the old handlers under a lock that boto3 needs for its own logging."""
    fake = FakeCloudWatchLogs()
    logger = logging.getLogger("configured")
    for round_ in range(3):
        logging.config.dictConfig(configured(fake))
        for number in range(100):
            logger.info("%d", round_ * 100 + number)
    assert logger.handlers[0].flush()
    assert fake.wait_for(lambda: len(fake.messages("g", "s")) == 300)
    assert sorted(map(int, fake.messages("g", "s"))) == list(range(300))
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})


def test_a_record_logged_after_close_is_delivered(fake, logger, attach):
    """F24, F33: a handler that is still attached somewhere goes on."""
    handler = attach()
    logger.info("before")
    handler.close()
    logger.info("after")
    assert handler.flush()
    assert fake.messages("g", "s") == ["before", "after"]


NASTY = {
    "multi-byte": "déjà vu €5 日本 😀",
    "nul": "a\0b",
    "surrogate": "a\ud800b",
    "blank": "   ",
    "newlines": "a\nb\r\n\tc",
    "quotes": '"\\/\b\f\x1f\x7f\u2028',
}


@pytest.mark.parametrize("name", NASTY)
def test_any_text_arrives_and_its_neighbours_with_it(fake, logger, attach, name):
    """F4, F10."""
    handler = attach()
    for text in ("first", NASTY[name], "last"):
        # Not through the logger: pytest would keep the text for its report, which a surrogate cannot be written to.
        handler.handle(logger.makeRecord("n", logging.INFO, "f", 1, text, (), None))
    assert handler.flush()
    assert fake.messages("g", "s") == ["first", NASTY[name].replace("\ud800", "\ufffd"), "last"]


def test_an_empty_message_is_counted_and_its_neighbours_arrive(fake, logger, attach):
    """F10: the service refuses a whole batch for it."""
    handler = attach()
    for message in ("a", "", {}, "b"):
        logger.info(message)
    assert handler.flush()
    assert fake.messages("g", "s") == ["a", "{}", "b"]
    assert handler.stats.dropped_by_reason == {"empty": 1}
    assert balanced(handler.stats)


def test_five_megabytes_arrive_whole_in_several_events(fake, logger, attach):
    handler = attach()
    text = "é" * 2_500_000
    logger.info(text)
    assert handler.flush(60)
    parts = fake.messages("g", "s")
    assert len(parts) == 5
    assert "".join(parts) == text


def test_wrong_arguments_neither_raise_nor_lose_the_record(fake, logger, attach, monkeypatch):
    """F36: said on stderr as every handler does, and delivered with what there is."""
    handler = attach()
    said = []
    monkeypatch.setattr(handler, "handleError", said.append)
    # Not through the logger: pytest's own handler would raise.
    handler.handle(logger.makeRecord("n", logging.INFO, "f", 1, "%d items", ("many",), None))
    assert handler.flush()
    (message,) = fake.messages("g", "s")
    assert "%d items" in message
    assert "many" in message
    assert len(said) == 1


def test_dict_and_list_messages_arrive_as_json_with_extra_and_exception(fake, logger, attach):
    handler = attach()
    try:
        raise KeyError("lost")
    except KeyError:
        logger.exception({"event": "é"}, extra={"user": 7})
    logger.info([1, "two"])
    assert handler.flush()
    document, plain = map(json.loads, fake.messages("g", "s"))
    assert (document["event"], document["user"]) == ("é", 7)
    assert "KeyError: 'lost'" in document["exc_info"]
    assert plain == [1, "two"]


def test_records_are_left_as_they_were(logger, attach):
    """F41: the next handler sees what the first one saw."""
    handler = attach()
    record = logger.makeRecord("n", logging.INFO, "f", 1, {"a": 1}, (), None, extra={"x": 1})
    before = dict(record.__dict__)
    handler.handle(record)
    assert record.__dict__ == before


def test_a_formatter_of_any_library_is_used_untouched(fake, logger, attach):
    handler = attach()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.warning({"a": 1})
    assert handler.flush()
    assert fake.messages("g", "s") == ["WARNING {'a': 1}"]


def test_records_carry_their_own_time_in_milliseconds(fake, logger, attach):
    """F12."""
    handler = attach()
    record = logger.makeRecord("n", logging.INFO, "f", 1, "m", (), None)
    record.created = time.time() - 3600
    handler.handle(record)
    assert handler.flush()
    assert fake.events("g", "s")[0].timestamp == int(record.created * 1000 + 0.0005)


def test_a_record_25_hours_old_does_not_take_its_neighbours_along(fake, logger, attach):
    """F49."""
    handler = attach()
    for age in (0, 25 * 3600, 0):
        record = logger.makeRecord("n", logging.INFO, "f", 1, f"{age}", (), None)
        record.created = time.time() - age
        handler.handle(record)
    assert handler.flush()
    assert fake.messages("g", "s") == [str(25 * 3600), "0", "0"]


def test_what_is_outside_the_services_window_is_counted_by_reason(fake, logger, attach):
    handler = attach(log_group_retention_days=7)
    for age in (8 * 86400, 0, -3 * 3600):
        record = logger.makeRecord("n", logging.INFO, "f", 1, "m", (), None)
        record.created = time.time() - age
        handler.handle(record)
    assert handler.flush()
    assert len(fake.messages("g", "s")) == 1
    assert handler.stats.dropped_by_reason == {"too_old": 1, "too_new": 1}
    assert fake.groups["g"].retention_days == 7


def test_a_record_whose_time_is_no_time_is_counted(fake, logger, attach):
    handler = attach()
    for created in (float("nan"), 1e300, None):
        record = logger.makeRecord("n", logging.INFO, "f", 1, "m", (), None)
        record.created = created
        handler.handle(record)
    assert handler.flush()
    assert handler.stats.dropped_by_reason == {"invalid_time": 2, "too_new": 1}
    assert balanced(handler.stats)


def test_one_handler_feeds_many_streams(fake, logger, attach):
    handler = attach(log_stream_name="{level_name}/{thread_name}/{strftime:%Y:%m}")
    thread = threading.Thread(target=logger.warning, args=("w",), name="a*b")
    thread.start()
    thread.join()
    logger.info("i")
    assert handler.flush()
    month = time.strftime("%Y_%m", time.gmtime())
    assert sorted(fake.streams("g")) == [f"INFO/MainThread/{month}", f"WARNING/a_b/{month}"]


def test_a_stale_token_because_someone_else_wrote_loses_and_doubles_nothing(logger, attach):
    fake = FakeCloudWatchLogs(sequence_tokens=True)
    handler = attach(boto3_client=fake.client())
    for number in range(3):
        logger.info("ours %d", number)
        assert handler.flush()
        fake.put_elsewhere("g", "s", "theirs")
    assert [m for m in fake.messages("g", "s") if m != "theirs"] == ["ours 0", "ours 1", "ours 2"]


def test_a_batch_whose_answer_was_lost_is_not_doubled_where_tokens_are_kept(logger, attach):
    """DataAlreadyAccepted is success, and brings the next token."""
    fake = FakeCloudWatchLogs(sequence_tokens=True)
    fake.create("g", "s")
    handler = attach(boto3_client=fake.client())
    logger.info("first")
    assert handler.flush()
    fake.fail(faults.reset_after_commit(), times=1)
    logger.info("second")
    assert handler.flush(30)
    logger.info("third")
    assert handler.flush()
    assert fake.messages("g", "s") == ["first", "second", "third"]
    assert handler.stats.possibly_duplicated == 0


FAULTS = {
    "throttled": faults.throttle(),
    "503": faults.server_error(503),
    "refused": faults.connection_refused(),
    "reset": faults.reset_before_commit(),
    "captive portal": faults.captive_portal(),
    "expired": faults.expired_token(),
    "wrong key": faults.unrecognized_client(),
    "denied": faults.access_denied(),
    "clock skew": faults.clock_skew(),
}


@pytest.mark.parametrize("name", FAULTS)
def test_after_a_fault_everything_arrives_once_and_in_order(fake, logger, attach, capsys, name):
    fake.create("g", "s")
    fake.fail(FAULTS[name], times=2)
    handler = attach()
    for number in range(100):
        logger.error("%d", number)
    assert handler.flush(60)
    assert fake.messages("g", "s") == [str(number) for number in range(100)]
    assert handler.stats.retries == 2
    assert handler.stats.last_error
    assert balanced(handler.stats)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.unrecognized_client(), ["access key id", "secret", "'g'", "'s'"]),
        (faults.access_denied(), ["logs:PutLogEvents", "'g'", "'s'"]),
    ],
)
def test_what_a_person_must_mend_is_said_once_and_the_data_kept(fake, logger, attach, capsys, fault, words):
    """F21: the cause, where, and the way out; not the same line for ever."""
    fake.create("g", "s")
    fake.fail(fault)
    handler = attach(close_timeout=0.1)
    logger.error("kept")
    assert fake.wait_for(lambda: len(fake.requests) >= 3)
    assert handler.stats.pending == 1
    fake.clear_faults()
    assert handler.flush(60)
    assert fake.messages("g", "s") == ["kept"]
    lines = [line for line in capsys.readouterr().err.splitlines() if "cwlog_handler" in line]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]


def test_a_request_that_the_service_calls_invalid_costs_only_the_bad_event(logger, attach):
    """F15: an endpoint with the older limit of 256 KB an event."""
    fake = FakeCloudWatchLogs(max_event_bytes=262_144)
    handler = attach(boto3_client=fake.client(), requests_per_second=None)
    for number in range(8):
        logger.info("%d", number)
    logger.info("x" * 300_000)
    logger.info("8")
    assert handler.flush()
    assert fake.messages("g", "s") == [str(number) for number in range(9)]
    assert handler.stats.rejected_by_reason == {"invalid": 1}


def test_a_group_deleted_while_the_program_runs_is_made_again(fake, logger, attach):
    """F17, F49."""
    handler = attach()
    for _ in range(2):
        logger.info("m")
        assert handler.flush()
        fake.delete_log_group("g")
    logger.info("last")
    assert handler.flush()
    assert fake.messages("g", "s") == ["last"]


def test_two_handlers_on_one_stream_share_the_rate(fake, logger):
    handlers = [CloudWatchLogsHandler("g", "shared", boto3_client=fake.client(), flush_level=0) for _ in range(2)]
    for handler in handlers:
        logger.addHandler(handler)
    for number in range(6):
        logger.info("%d", number)
        for handler in handlers:
            assert handler.flush()
    assert fake.busiest_second("g", "shared") <= 5
    assert sum(handler.stats.throttled for handler in handlers) == 0
    assert len(fake.messages("g", "shared")) == 12


def test_an_error_goes_at_once_and_its_caller_does_not_wait(fake, logger, attach):
    fake.create("g", "s")
    fake.fail(faults.stall(), times=1)
    attach(send_interval=3600)
    logger.info("waits for company")
    logger.error("now")  # returns although the endpoint does not answer
    assert fake.wait_for(lambda: fake.requests)
    fake.release()
    assert fake.wait_for(lambda: fake.messages("g", "s") == ["waits for company", "now"])


@pytest.mark.parametrize(("overflow", "kept"), [("drop_oldest", range(150, 250)), ("drop_newest", range(100))])
def test_a_full_buffer_drops_exactly_what_its_policy_says(fake, logger, attach, capsys, overflow, kept):
    """F38, F39: bounded, counted to the record, said."""
    handler = attach(max_buffer_count=100, overflow=overflow, send_interval=3600)
    for number in range(250):
        logger.info("%d", number)
    assert handler.flush()
    assert logged(fake.messages("g", "s")) == [str(number) for number in kept]
    assert handler.stats.dropped_by_reason == {"overflow": 150}
    assert balanced(handler.stats)
    assert "the buffer is full" in capsys.readouterr().err


def test_bytes_are_bounded_too(fake, logger, attach):
    handler = attach(max_buffer_size=100_000, send_interval=3600)
    fake.fail(faults.server_error(503))
    for _ in range(1000):
        logger.info("x" * 1000)
    handler.flush(0.2)
    assert handler.stats.pending_bytes <= 100_000
    stats = handler.stats
    assert stats.pending + stats.dropped == 1000 + stats.loss_notices
    fake.clear_faults()
    assert handler.flush(60)


def test_a_caller_that_blocks_waits_for_room_and_loses_nothing(fake, logger, attach):
    handler = attach(
        max_buffer_count=10, overflow="block", block_timeout=60, send_interval=0.01, requests_per_second=None
    )
    for number in range(100):
        logger.info("%d", number)
    assert handler.flush()
    assert fake.messages("g", "s") == [str(number) for number in range(100)]


def test_a_caller_that_blocks_in_vain_gives_up_and_the_record_is_counted(fake, logger, attach):
    fake.fail(faults.server_error(503))
    handler = attach(max_buffer_count=3, overflow="block", block_timeout=0.05)
    for number in range(5):
        logger.info("%d", number)
    handler.flush(0.2)
    assert (handler.stats.pending, handler.stats.dropped_by_reason) == (3, {"overflow": 2})
    fake.clear_faults()
    assert handler.flush(60)
    assert logged(fake.messages("g", "s")) == ["0", "1", "2"]


def test_without_queues_a_record_is_there_when_the_call_returns(fake, logger, attach, no_thread):
    attach(use_queues=False)
    for number in range(3):
        logger.info("%d", number)
        assert fake.messages("g", "s")[-1] == str(number)


def test_flush_says_false_when_time_runs_out_and_discards_nothing(fake, logger, attach):
    fake.create("g", "s")
    fake.fail(faults.stall(), times=1)
    handler = attach()
    logger.info("m")
    assert not handler.flush(0.1)
    assert handler.stats.pending == 1
    assert fake.wait_for(lambda: fake.requests)
    fake.release()
    assert handler.flush()
    assert fake.messages("g", "s") == ["m"]


def test_the_constructor_makes_no_thread_no_client_and_no_call(monkeypatch, no_thread):
    """F37: an application starts although AWS cannot be reached, and without credentials."""
    import boto3.session

    monkeypatch.setattr(boto3.session.Session, "client", lambda *_, **__: pytest.fail("a client was made"))
    CloudWatchLogsHandler("g", boto3_profile_name="there-is-no-such-profile").close()


def test_records_of_our_own_thread_never_come_back_in(fake, attach):
    """F30: DEBUG on the root logger; botocore's records of the application's own threads are the application's."""
    handler = attach()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        logging.getLogger("application").info("mine")
        assert handler.flush()
        logging.getLogger("botocore.hooks").info("mine too")
        assert handler.flush()
        assert handler.flush()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert fake.messages("g", "s") == ["mine", "mine too"]


def test_our_own_records_do_not_come_back_through_a_queue_listener(fake, attach):
    """A guard on the current thread alone would not see these."""
    handler = attach()
    records = queue.SimpleQueue()
    listener = QueueListener(records, handler)
    root = logging.getLogger()
    level = root.level
    root.addHandler(front := QueueHandler(records))
    root.setLevel(logging.DEBUG)
    listener.start()
    try:
        logging.getLogger("application").info("mine")
        assert fake.wait_for(lambda: fake.messages("g"))
    finally:
        root.removeHandler(front)
        root.setLevel(level)
        listener.stop()
    assert handler.flush()
    assert fake.messages("g", "s") == ["mine"]


# pytest-timeout's own signal is the one that this test takes over.
@pytest.mark.timeout(60, method="thread")
def test_a_signal_handler_that_logs_at_any_moment_does_not_deadlock(fake, logger, attach):
    """F29: thousands of signals while the main thread logs."""
    handler = attach()
    count = 0

    def on_signal(*_):
        nonlocal count
        count += 1
        logger.error("signal %d", count)

    previous = signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for number in range(20_000):
            logger.info("%d", number)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert handler.flush(60)
    assert count > 0
    assert handler.stats.delivered == 20_000 + count


def test_a_finalizer_that_logs_does_not_deadlock_and_is_delivered(fake, logger, attach):
    """F29: also where the collection runs on a thread of ours."""
    handler = attach()

    class Noisy:
        def __init__(self):
            self.me = self

        def __del__(self):
            logger.info("collected")

    for number in range(2000):
        Noisy()
        logger.info("%d", number)
    gc.collect()
    assert handler.flush()
    assert handler.flush()
    assert fake.messages("g", "s").count("collected") == 2000


def test_a_message_whose_str_logs_is_delivered_with_what_it_logged(fake, logger, attach):
    class Chatty:
        def __str__(self):
            logger.info("inner")
            return "outer"

    handler = attach()
    # Not through the logger: pytest's own handlers would ask for the text too.
    handler.handle(logger.makeRecord("n", logging.INFO, "f", 1, Chatty(), (), None))
    assert handler.flush()
    # The outer record is the older one, by a millisecond or not: their order is that of the clock.
    assert sorted(fake.messages("g", "s")) == ["inner", "outer"]


def test_threads_that_log_flush_and_close_at_once_lose_nothing(fake, logger, attach):
    handler = attach(requests_per_second=None)

    def work(name):
        for number in range(300):
            logger.info("%s %d", name, number)
            if number % 100 == 99:
                handler.flush()
                handler.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handler.flush()
    got = fake.messages("g", "s")
    for name in "abcdefgh":
        assert [m for m in got if m.startswith(name)] == [f"{name} {number}" for number in range(300)]


def test_a_handler_that_is_collected_delivers_what_it_had_and_its_thread_ends(fake, logger, attach):
    handler = attach()
    logger.error("m")
    logger.removeHandler(handler)
    flusher = handler._flusher
    del handler
    gc.collect()
    assert fake.wait_for(lambda: fake.messages("g", "s") == ["m"])
    assert flusher.flush(10)


def test_repr_tells_where_the_records_go_and_what_became_of_them(attach, logger):
    handler = attach(level="INFO")
    assert repr(handler) == "<CloudWatchLogsHandler 'g' 's' (INFO): nothing logged>"
    logger.info("m")
    logger.info("")
    assert handler.flush(30)
    assert repr(handler) == "<CloudWatchLogsHandler 'g' 's' (INFO): 1 delivered, 1 dropped>"


def test_repr_tells_what_waits_without_waiting_for_the_books(attach, logger):
    handler = attach(send_interval=3600)
    logger.info("m")
    with handler._flusher.rounds._books:
        assert repr(handler).endswith(" (NOTSET): 1 pending>")


def test_repr_of_a_handler_whose_constructor_raised_does_not_raise():
    assert "CloudWatchLogsHandler object at" in repr(CloudWatchLogsHandler.__new__(CloudWatchLogsHandler))


def test_stats_are_a_snapshot(fake, logger, attach):
    handler = attach()
    before = handler.stats
    logger.info("m")
    assert handler.flush()
    assert (before.emitted, handler.stats.emitted) == (0, 1)
    with pytest.raises(AttributeError):
        before.emitted = 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"overflow": "explode"}, ["explode", "drop_oldest"]),
        ({"log_stream_name": "a:b"}, ["a:b"]),
        ({"log_stream_name": "{nonsense}"}, ["nonsense", "machine_name"]),
        ({"log_group_retention_days": 2}, ["2", "1", "3"]),
        ({"requests_per_second": 0}, ["0", "None"]),
        ({"boto3_client": object(), "boto3_profile_name": "p"}, ["boto3_client", "boto3_profile_name"]),
        ({"oversize": "ignore"}, ["ignore", "split"]),
        ({"max_batch_size": 1_048_577}, ["1048577"]),
        # As it stands in an environment variable: any text is true to Python.
        ({"create_log_group": "false"}, ["create_log_group='false'", "True or False"]),
        ({"create_log_stream": "no"}, ["create_log_stream='no'", "True or False"]),
        ({"flush_on_sigterm": None}, ["flush_on_sigterm=None", "True or False"]),
        ({"use_queues": "0"}, ["use_queues='0'", "True or False"]),
        ({"region_name": 1}, ["region_name=1", "text"]),
        ({"endpoint_url": b"http://localhost"}, ["endpoint_url=b'http://localhost'", "text"]),
        ({"boto3_profile_name": 1}, ["boto3_profile_name=1", "text"]),
    ],
)
def test_wrong_use_raises_with_the_value_and_the_way_out(options, words):
    with pytest.raises((ValueError, TypeError)) as raised:
        CloudWatchLogsHandler("g", **options)
    for word in words:
        assert word in str(raised.value)


def test_one_and_zero_are_yes_and_no(fake):
    """As a configuration that is text may have them."""
    CloudWatchLogsHandler("g", create_log_group=1, create_log_stream=0, flush_on_sigterm=0, use_queues=1).close()


@pytest.mark.parametrize(
    ("option", "counted", "most"), [("max_batch_count", "events", 3), ("max_batch_size", "size_bytes", 200)]
)
def test_no_request_is_larger_than_the_options_allow(fake, logger, attach, option, counted, most):
    """F5, F6: max_batch_count and max_batch_size hold for every request, also for a message that is longer."""
    fake.create("g", "s")
    handler = attach(requests_per_second=None, send_interval=3600, **{option: most})
    for number in range(20):
        logger.info("%d", number)
    logger.info("x" * 500)
    assert handler.flush()
    assert max(getattr(request, counted) for request in fake.requests) <= most
    assert "".join(fake.messages("g", "s")) == "".join(map(str, range(20))) + "x" * 500


@pytest.mark.parametrize("flush_level", [logging.ERROR, "ERROR"])
def test_only_records_at_flush_level_go_before_the_send_interval(fake, logger, attach, monkeypatch, flush_level):
    """F22: `flush_level` itself is urgent, what is below is not."""
    handler = attach(flush_level=flush_level)
    inbox, rung = handler._flusher.rounds.inbox, []
    # As the thread does it between two rounds.
    inbox.wait(0.0)
    for level in (logging.DEBUG, logging.WARNING, logging.ERROR, logging.CRITICAL):
        monkeypatch.setattr(inbox, "ring", lambda level=level: rung.append(level))
        logger.log(level, "m")
    assert rung == [logging.ERROR, logging.CRITICAL]


@pytest.mark.parametrize("seconds", [0.0, 0.25, 3600.0])
def test_the_send_interval_is_the_one_that_was_asked_for(attach, seconds):
    """A stream of the handler waits `send_interval` seconds for company."""
    stream = attach(send_interval=seconds)._flusher.rounds._dispatch.stream("s")
    stream.add(event(), 20, 100.0)
    assert next_send(stream, 100.0)[1] == 100.0 + seconds


def test_close_delivers_before_it_returns(fake, logger, attach):
    """F24: close() drains, without a flush() of the caller's and without waiting for the send interval."""
    handler = attach(send_interval=3600)
    logger.info("last")
    handler.close()
    assert fake.messages("g", "s") == ["last"]


def test_the_thread_ends_after_close_and_a_later_record_starts_it_again(fake, logger, attach):
    """F24, F33: "after" is logged when the thread is certainly gone."""
    handler = attach()
    logger.info("before")
    handler.close()
    assert fake.wait_for(lambda: not handler._flusher.driver.has_thread)
    logger.info("after")
    # Not flush(), which would wake the thread in any case.
    assert fake.wait_for(lambda: len(fake.messages("g", "s")) == 2)
    assert fake.messages("g", "s") == ["before", "after"]


def test_close_leaves_loggings_list_of_handlers():
    """F24: logging.shutdown() must not see a closed handler again."""
    handler = CloudWatchLogsHandler("g", "s", boto3_client=Mock())
    handler.name = "leaves"
    handler.close()
    assert "leaves" not in logging._handlers


def test_a_close_right_after_a_flush_in_vain_does_not_wait_again(fake, logger):
    """F25: logging.shutdown() calls both; together they take one close_timeout."""

    class Counting(CloudWatchLogsHandler):
        flushes = 0

        def flush(self, timeout=None):
            self.flushes += 1
            return super().flush(timeout)

    fake.fail(faults.server_error(503))
    handler = Counting("g", "s", boto3_client=fake.client(), close_timeout=0.1)
    logger.addHandler(handler)
    logger.info("m")
    assert not handler.flush()
    handler.close()
    assert handler.flushes == 1
    fake.clear_faults()


def test_a_caller_that_blocks_is_bounded_in_bytes_too(fake, logger, attach):
    """F38: `overflow="block"` looks at max_buffer_size, not at the count alone."""
    fake.fail(faults.server_error(503))
    handler = attach(max_buffer_size=10_000, overflow="block", block_timeout=0.0)
    for _ in range(50):
        logger.info("x" * 1000)
    handler.flush(0.2)
    assert handler.stats.pending_bytes <= 12_000
    assert handler.stats.dropped_by_reason["overflow"] == 50 - handler.stats.pending > 30
    fake.clear_faults()
    assert handler.flush(60)


def test_an_overflow_takes_from_the_stream_with_most(fake, logger, attach):
    """F38: a stream that is stuck must not cost the others their records."""
    handler = attach(log_stream_name="{level_name}", max_buffer_count=10, send_interval=3600)
    logger.warning("first")
    for number in range(20):
        logger.info("%d", number)
    assert handler.flush()
    assert fake.messages("g", "WARNING") == ["first"]
    assert logged(fake.messages("g", "INFO")) == [str(number) for number in range(11, 20)]


def test_filters_decide_and_may_replace_the_record(fake, logger, attach):
    """A false verdict is obeyed; since Python 3.12 a filter may return another record."""
    handler = attach()
    handler.addFilter(lambda record: record.getMessage() != "no")
    logger.info("no")
    logger.info("yes")
    assert handler.flush()
    assert fake.messages("g", "s") == ["yes"]


def test_every_option_of_the_log_group_reaches_the_service(fake, logger, attach):
    """Tags, retention, class and key that the handler is given are what the group is made with."""
    key = "arn:aws:kms:us-east-1:123456789012:key/k"
    handler = attach(
        log_group_tags={"a": "b"},
        log_group_retention_days=7,
        log_group_class="INFREQUENT_ACCESS",
        log_group_kms_key_id=key,
    )
    logger.info("m")
    assert handler.flush()
    created = next(r.parameters for r in fake.requests if r.operation == "CreateLogGroup")
    assert (created["tags"], created["logGroupClass"], created["kmsKeyId"]) == ({"a": "b"}, "INFREQUENT_ACCESS", key)
    assert fake.groups["g"].retention_days == 7


@pytest.mark.parametrize(("option", "there"), [("create_log_group", []), ("create_log_stream", ["g"])])
def test_what_is_not_to_be_created_is_not(fake, logger, attach, option, there, capsys):
    """create_log_group and create_log_stream reach the client: switched off, no such call succeeds and it is told."""
    if there:
        fake.create("g")
    handler = attach(close_timeout=0.0, **{option: False})
    logger.error("m")
    assert fake.wait_for(lambda: option in capsys.readouterr().err)
    assert "CreateLogGroup" not in {r.operation for r in fake.requests}
    assert fake.messages("g") == [] if there else "g" not in fake.groups
    fake.create("g", "s")
    assert handler.flush(60)


def test_logging_does_not_take_the_handlers_lock(fake, logger, attach, monkeypatch):
    """F24, F29: `logging.shutdown` holds it while it waits for us, so a record must not wait for it."""

    class Forbidden:
        def acquire(self, *_):
            pytest.fail("the handler's lock was taken")

        __enter__ = acquire

        def release(self):
            pass

        def __exit__(self, *_):
            pass

    handler = attach()
    with monkeypatch.context() as patched:
        patched.setattr(handler, "lock", Forbidden())
        logger.info("m")
    assert handler.flush()
    assert fake.messages("g", "s") == ["m"]


def test_the_constructor_makes_no_session_either(monkeypatch, no_thread):
    """F37: a missing profile fails before Session.client."""
    import boto3.session

    monkeypatch.setattr(boto3.session, "Session", lambda *_, **__: pytest.fail("a session was made"))
    CloudWatchLogsHandler("g").close()


def test_no_event_is_larger_than_max_message_size(fake, logger, attach):
    """F8: `max_message_size` counts the service's 26 bytes too."""
    handler = attach(max_message_size=100, oversize="truncate")
    logger.info("x" * 500)
    assert handler.flush()
    (message,) = fake.messages("g", "s")
    assert len(message) == 100 - 26


def test_flush_and_close_do_not_wait_while_this_thread_holds_loggings_lock(attach, monkeypatch):
    """F24: inside dictConfig nothing would come of waiting."""
    handler = attach()
    timeouts = []
    monkeypatch.setattr(handler._flusher, "flush", timeouts.append)
    with logging._lock:
        handler.flush(30)
        handler.close()
    handler.flush(30)
    assert timeouts == [0.0, 0.0, 30]


def test_a_flush_on_a_thread_of_ours_returns_at_once(attach):
    """A __del__ or hook that flushes on our thread would wait for itself."""
    handler = attach()
    with own_thread():
        assert handler.flush(3600) is False


def test_flush_waits_close_timeout_unless_told_otherwise(attach, monkeypatch):
    """`close_timeout` is the default of flush()."""
    handler, timeouts = attach(close_timeout=3), []
    monkeypatch.setattr(handler._flusher, "flush", timeouts.append)
    handler.flush()
    handler.flush(0.5)
    assert timeouts == [None, 0.5]


def test_the_json_default_of_the_handler_is_used(fake, logger, attach):
    """`json_serialize_default` reaches the text."""
    handler = attach(json_serialize_default=lambda value: "mine")
    logger.info({"a": object()})
    assert handler.flush()
    assert fake.messages("g", "s") == ['{"a": "mine"}']


def test_the_region_of_the_handler_reaches_the_client():
    """`region_name` is where the client is made."""
    from cwlog_handler import CloudWatchLogsHandler

    handler = CloudWatchLogsHandler("g", "s", region_name="eu-west-1")
    assert "eu-west-1" in handler._flusher._client.connect().endpoint
    handler.close()


def test_ctrl_c_during_a_call_on_the_callers_thread_is_raised_and_wedges_nothing(logger):
    """The batch goes again with the next record; KeyboardInterrupt is the application's."""

    class Client:
        calls, stored = 0, []

        def put_log_events(self, **request):
            self.calls += 1
            if self.calls == 1:
                raise KeyboardInterrupt
            self.stored.extend(event["message"] for event in request["logEvents"])
            return {}

    client = Client()
    logger.addHandler(CloudWatchLogsHandler("g", "s", boto3_client=client, use_queues=False))
    with pytest.raises(KeyboardInterrupt):
        logger.info("one")
    logger.info("two")
    assert client.stored == ["one", "two"]


def test_what_fills_the_buffer_does_not_wait_for_company_while_a_caller_waits_for_room(fake, logger, attach):
    """F39: the interval outlasted the caller's patience, and records were lost although the service was well."""
    handler = attach(max_buffer_count=10, overflow="block", send_interval=3600, block_timeout=20)
    for number in range(15):
        logger.info("%d", number)
    assert handler.flush(30)
    assert fake.messages("g", "s") == [str(number) for number in range(15)]


def test_a_caller_that_blocks_comes_back_although_the_clock_is_frozen(fake, logger, attach):
    """F34: freezegun freezes time.monotonic, too."""
    freezegun = pytest.importorskip("freezegun")
    fake.fail(faults.server_error(503))
    handler = attach(max_buffer_count=1, overflow="block", block_timeout=0.05)
    with freezegun.freeze_time():
        for _ in range(3):
            logger.info("m")
    fake.clear_faults()
    assert handler.flush(60)
    assert handler.stats.dropped_by_reason == {"overflow": 2}


def test_a_child_that_was_forked_without_pythons_hooks_starts_over_too(fake, logger, attach, monkeypatch):
    """F27: uWSGI forks in C; the first record tells by its process id."""
    handler = attach(send_interval=3600)
    logger.info("the parent's")
    monkeypatch.setattr(handler._flusher, "pid", -1)
    logger.info("the child's")
    assert handler.flush()
    assert fake.messages("g", "s") == ["the child's"]
    assert handler.stats.emitted == 1


def test_a_record_of_another_process_is_delivered_like_any(fake, logger, attach):
    """From a socket or a queue: its process id is no reason to start over."""
    handler = attach(send_interval=3600)
    logger.info("one")
    record = logger.makeRecord("n", logging.INFO, "f", 1, "two", (), None)
    record.process = -1
    handler.handle(record)
    assert handler.flush()
    assert fake.messages("g", "s") == ["one", "two"]


def test_a_record_made_by_hand_without_a_level_is_delivered(fake, logger, attach):
    handler = attach()
    handler.handle(logging.makeLogRecord({"msg": "m"}))
    assert handler.flush()
    assert fake.messages("g", "s") == ["m"]


def test_an_outage_that_overflowed_the_buffer_is_told_in_the_stream_before_the_program_ends(fake, logger, attach):
    """F39: close() delivers the notice too."""
    fake.create("g", "s")
    fake.fail(faults.stall())
    handler = attach(max_buffer_count=10, requests_per_second=None)
    logger.error("first")
    assert fake.wait_for(lambda: fake.requests)
    for number in range(20):
        logger.info("%d", number)
    assert fake.wait_for(lambda: handler.stats.dropped == 11)
    fake.clear_faults()
    fake.release()
    handler.close()
    assert fake.wait_for(lambda: not handler.stats.pending)
    first, told, *rest = fake.messages("g", "s")
    assert first == "first"
    assert told.startswith("cwlog_handler: 11 records lost between ")
    assert rest == [str(number) for number in range(11, 20)]
    assert handler.stats.loss_notices == 1
    assert balanced(handler.stats)


def test_the_programs_random_numbers_are_left_alone(fake, logger, attach):
    """A program that seeds them counts on what comes next, whatever our back-off draws."""
    fake.fail(faults.server_error(503), times=2)
    handler = attach()
    before = random.getstate()
    logger.error("m")
    assert handler.flush(60)
    assert random.getstate() == before
    assert handler.stats.retries >= 2


def test_a_text_that_lies_about_its_length_is_delivered_whole_and_harms_no_other(fake, logger, attach):
    """A formatter may return one, such as Django's SafeString, which is its own ``str()``."""

    class Short(str):
        def __len__(self):
            return 3

        def __str__(self):
            return self

        def encode(self, *_):
            return b"abc"

    class Formatter(logging.Formatter):
        def format(self, record):
            return Short(super().format(record))

    handler = attach()
    texts = ["\x1b[1mred\x1b[0m", "with \x7f", "日本語"]
    for formatter in (Formatter(), None):
        handler.setFormatter(formatter)
        for text in texts:
            logger.info(text)
    assert handler.flush()
    assert fake.messages("g", "s") == texts * 2
