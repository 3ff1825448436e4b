"""What goes with the events (an entity, compression) in the life of a process: its children, its end, its kill."""

import signal

import pytest

from cwlog_handler.record.names import DEFAULT_LOG_STREAM_NAME
from cwlog_handler.testing import FakeCloudWatchLogs, entity_refused, gzip_refused, stall

from .conftest import arrived

ENTITY = {"keyAttributes": {"Type": "Service", "Name": "shop", "Environment": "production"}}
CARRIES = {"entity": ENTITY, "compression": "gzip"}
WAYS = {"thread": {}, "no thread": {"use_queues": False}}
# Long enough for a compressed request.
LONG = "text " * 300


@pytest.fixture
def fake():
    fake = FakeCloudWatchLogs(requests_per_second=None)
    yield fake
    fake.clear_faults()
    fake.release()


def puts(fake):
    """Of each put to a stream that exists: whether it was accepted, carried an entity, and was compressed."""
    return [
        (request.answer == "accepted", request.entity == ENTITY, request.content_encoding == "gzip")
        for request in fake.requests
        if request.operation == "PutLogEvents" and request.answer != "ResourceNotFoundException"
    ]


def is_long(call):
    return LONG in [text for _, text in call.batch]


@pytest.mark.parametrize("ways", WAYS)
def test_forked_children_carry_what_their_parent_carries(fake, run, ways):
    source = f"""
    def say(text): log.info("%d %s %s", os.getpid(), text, {LONG!r})
    say("parent")
    handler.flush()
    for child in range(2):
        if (pid := os.fork()) == 0:
            say(f"child {{child}}")
            sys.exit()
        assert os.waitpid(pid, 0)[1] == 0
    say("the parent again")
    """
    returned, output = run(source, stream=DEFAULT_LOG_STREAM_NAME, **CARRIES, **WAYS[ways])
    assert (returned, output) == (0, "")
    assert [text.removesuffix(f" {LONG}") for text in arrived(fake)] == [
        "child 0",
        "child 1",
        "parent",
        "the parent again",
    ]
    assert puts(fake) == [(True, True, True)] * 4


@pytest.mark.parametrize("ways", WAYS)
def test_what_a_parent_was_refused_costs_its_children_no_record(fake, run, ways):
    """Whether a child asks once more or not: that is said once in each process at most, and all is delivered."""
    fake.fail(entity_refused())
    fake.fail(gzip_refused())
    source = f"""
    def say(text): log.info("%d %s %s", os.getpid(), text, {LONG!r})
    say("parent")
    handler.flush()
    if (pid := os.fork()) == 0:
        say("child")
        handler.flush()
        assert handler.stats.delivered == 1, handler.stats
        sys.exit()
    assert os.waitpid(pid, 0)[1] == 0
    """
    returned, output = run(source, stream=DEFAULT_LOG_STREAM_NAME, **CARRIES, **WAYS[ways])
    assert returned == 0, output
    assert [text.removesuffix(f" {LONG}") for text in arrived(fake)] == ["child", "parent"]
    assert output.count("correct the option entity") in (1, 2)
    assert output.count("refuses a compressed request") in (1, 2)


@pytest.mark.parametrize("ways", WAYS)
@pytest.mark.parametrize("status", [400, 415])
def test_what_is_refused_in_the_last_moment_is_sent_without_it_before_the_end(fake, run, ways, status):
    """The one request at the end of the process asks again at once, and its deadline is far away."""
    fake.fail(entity_refused())
    fake.fail(gzip_refused(status))
    returned, output = run(f"log.info({LONG!r})", **CARRIES, **WAYS[ways])
    assert returned == 0, output
    assert fake.messages("g", "s") == [LONG]
    assert puts(fake)[-1] == (True, False, False)
    assert "not delivered" not in output


@pytest.mark.parametrize("ways", WAYS)
def test_the_deadline_of_the_end_holds_for_what_is_asked_again_without_the_entity(fake, run, ways):
    """The second request is never answered."""
    fake.fail(entity_refused(), times=1, when=is_long)
    fake.fail(stall(), when=is_long)
    # The client is there: how long it takes to make it has no part in this.
    source = f"log.info('first')\nassert handler.flush(50)\nlog.info({LONG!r})"
    returned, output = run(source, close_timeout=4, **CARRIES, **WAYS[ways])
    assert returned == 0
    assert [request.entity for request in fake.requests if request.answer == "stall"][:1] == [None]
    assert "1 events not delivered at exit" in output


@pytest.mark.parametrize("mode", ["outage", "always"])
def test_what_a_killed_process_left_on_disk_is_delivered_with_what_its_heir_carries(fake, start, tmp_path, mode):
    """Neither an entity nor a compression is on disk: they are the options of whoever sends."""
    fake.fail(stall(), operation="PutLogEvents")
    spool = {"spool_dir": str(tmp_path / "spool"), "spool_mode": mode, "requests_per_second": None}
    source = f"""
    for n in range(3): log.info("%d %s", n, {LONG!r})
    while not handler.stats.spooled == handler.stats.pending == 3: time.sleep(0.01)
    print("on disk", flush=True)
    time.sleep(60)
    """
    program = start(source, **CARRIES, **spool)
    program.wait_for("on disk")
    program.signal(signal.SIGKILL)
    program.wait()
    fake.clear_faults()
    fake.release()
    fake.fail(entity_refused(), times=1)
    before = len(puts(fake))
    heir = start("log.info('fresh')\nwhile handler.stats.delivered < 4: time.sleep(0.01)\n", **CARRIES, **spool)
    assert heir.wait() == 0, heir.output
    delivered = [text.partition(" ")[0] for text in fake.messages("g", "s")]
    assert sorted(set(delivered)) == ["0", "1", "2", "fresh"]
    # The fresh record is short and goes plain. It is refused for its entity, and goes again without one, as all that
    # follows.
    fresh, again, *rest = puts(fake)[before:]
    assert (fresh, again) == ((False, True, False), (True, False, False))
    assert set(rest) == {(True, False, True)}
    assert heir.output.count("correct the option entity") == 1
