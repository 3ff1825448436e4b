"""Users' tests freeze time around a handler: F34. Nothing hangs, exit is clean, every record is delivered or counted.

freezegun replaces Python's names, ``time.monotonic`` too; time-machine replaces the C functions behind ``time.time``.
"""

import textwrap
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest

from cwlog_handler.testing import FakeCloudWatchLogs, faults

from ..conftest import balanced
from ..programs import HANG_LIMIT, python, started

pytestmark = pytest.mark.timeout(60)


@contextmanager
def freezegun_at(instant, ticking):
    freezegun = pytest.importorskip("freezegun", reason="freezegun is not installed")
    with freezegun.freeze_time(instant, tick=ticking) as frozen:
        yield frozen.move_to


@contextmanager
def time_machine_at(instant, ticking):
    time_machine = pytest.importorskip("time_machine", reason="time-machine is not installed")
    with time_machine.travel(instant, tick=ticking) as traveller:
        yield traveller.move_to


FREEZERS = {"freezegun": freezegun_at, "time-machine": time_machine_at}
AGES_AGO = datetime(2001, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
AGES_AHEAD = datetime(2061, 2, 3, 4, 5, 6, tzinfo=timezone.utc)


@pytest.fixture
def fake():
    """A service whose clock is frozen with the test's."""
    return FakeCloudWatchLogs(clock=lambda: time.time())


@pytest.fixture(params=FREEZERS)
def freeze(request):
    """Freeze time at an instant, by each of the libraries; the block gets the way to move it."""

    def freeze(instant, ticking=False):
        return FREEZERS[request.param](instant, ticking)

    return freeze


@pytest.mark.parametrize(
    ("made", "instant", "ticking"),
    [
        ("before", AGES_AGO, False),
        ("before", AGES_AHEAD, True),
        ("inside", AGES_AGO, True),
        ("inside", AGES_AHEAD, False),
    ],
)
def test_what_is_logged_in_frozen_time_is_delivered(fake, logger, attach, freeze, made, instant, ticking):
    handler = attach() if made == "before" else None
    with freeze(instant, ticking):
        handler = handler or attach()
        for number in range(3):
            logger.info("%d", number)
        assert handler.flush()
    assert fake.messages("g", "s") == ["0", "1", "2"]
    if not ticking:
        assert {event.timestamp for event in fake.events("g", "s")} == {int(instant.timestamp() * 1000)}
    assert balanced(handler.stats)


def test_a_record_is_sent_by_itself_in_frozen_time(fake, logger, attach, freeze):
    """The send interval is real time: it passes although the program's clocks stand still."""
    with freeze(AGES_AGO):
        attach(send_interval=0.05)
        for number in range(2):
            logger.info("%d", number)
            assert fake.wait_for(lambda n=number: len(fake.messages("g", "s")) == n + 1)
    assert fake.messages("g", "s") == ["0", "1"]


def test_failures_are_retried_in_frozen_time(fake, logger, attach, freeze):
    fake.fail(faults.throttle(), times=1)
    fake.fail(faults.server_error(), times=2)
    with freeze(AGES_AHEAD):
        handler = attach()
        logger.info("m")
        assert handler.flush()
    assert fake.messages("g", "s") == ["m"]
    assert handler.stats.retries >= 3


def test_time_may_move_between_records_either_way(fake, logger, attach, freeze):
    handler = attach()
    with freeze(AGES_AGO) as move_to:
        for number, days in enumerate((0, 1, 400, -400, 20_000, 0)):
            move_to(AGES_AGO + timedelta(days=days))
            logger.info("%d", number)
            assert handler.flush()
    logger.info("thawed")
    assert handler.flush()
    assert sorted(fake.messages("g", "s")) == ["0", "1", "2", "3", "4", "5", "thawed"]
    assert balanced(handler.stats)


@pytest.mark.parametrize(("days", "reason"), [(15, "too_old"), (-1, "too_new")])
def test_what_waited_while_time_moved_far_is_counted(fake, logger, attach, freeze, days, reason):
    """F2: by the clock of the program it is outside the window when it is sent; what came later is not."""
    handler = attach(send_interval=600)
    with freeze(AGES_AGO) as move_to:
        logger.info("left behind")
        move_to(AGES_AGO + timedelta(days=days))
        logger.info("in time")
        assert handler.flush()
    assert fake.messages("g", "s") == ["in time"]
    assert handler.stats.dropped_by_reason == {reason: 1}
    assert balanced(handler.stats)


@pytest.mark.parametrize(("instant", "reason"), [(AGES_AGO, "too_new"), (AGES_AHEAD, "too_old")])
def test_records_from_outside_the_freeze_do_not_harm_those_inside(
    request, fake, logger, attach, freeze, instant, reason
):
    """What waits when time freezes is years off by the frozen clock, and counted; what follows is delivered.

    freezegun leaves the system's clock alone: by that it may be sent, and only this service in frozen time refuses it.
    """
    is_sent = request.node.callspec.params["freeze"] == "freezegun"
    handler = attach(send_interval=600)
    logger.info("before")
    with freeze(instant):
        logger.info("inside")
        assert handler.flush()
    logger.info("after")
    assert handler.flush()
    assert fake.messages("g", "s") == sorted(["inside", "after"], reverse=instant is AGES_AGO)
    assert handler.stats.dropped_by_reason == ({} if is_sent else {reason: 1})
    assert handler.stats.rejected_by_reason == ({reason: 1} if is_sent else {})
    assert balanced(handler.stats)


@pytest.mark.parametrize(("instant", "reason"), [(AGES_AGO, "too_old"), (AGES_AHEAD, "too_new")])
def test_what_a_service_in_real_time_refuses_is_counted(logger, attach, freeze, instant, reason):
    """As one in a container would: the freeze is this process's alone."""
    # Held in variables of this function, where neither library finds it.
    monotonic, began = time.monotonic, time.time() - time.monotonic()
    service = FakeCloudWatchLogs(clock=lambda: began + monotonic())
    handler = attach(boto3_client=service.client())
    with freeze(instant):
        logger.info("years off")
        assert handler.flush()
    logger.info("thawed")
    assert handler.flush()
    assert service.messages("g", "s") == ["thawed"]
    assert handler.stats.rejected_by_reason == {reason: 1}
    assert balanced(handler.stats)


def test_flush_and_close_end_in_time_although_it_stands_still(fake, logger, attach, freeze):
    """F25: their deadlines are real time. Nothing is lost by it."""
    fake.fail(faults.stall())
    handler = attach(close_timeout=0.1)
    with freeze(AGES_AGO):
        logger.info("m")
        assert not handler.flush(0.05)
        assert not handler.flush()
        handler.close()
        fake.clear_faults()
        fake.release()
        assert handler.flush(60)
    assert fake.messages("g", "s") == ["m"]
    assert balanced(handler.stats)


FREEZING = {
    "freezegun": "import freezegun; freezegun.freeze_time('{instant}').start()",
    "time-machine": "import time_machine; time_machine.travel('{instant}', tick=False).start()",
}
MAKING = """
handler = CloudWatchLogsHandler("g", "s", send_interval=600, close_timeout={close_timeout})
logging.getLogger().addHandler(handler)
"""
PROGRAM = """
import logging
from cwlog_handler import CloudWatchLogsHandler
{first}
logging.warning("one")
{second}
logging.warning("two")
"""


def exiting(kind, instant, made="before", close_timeout=HANG_LIMIT):
    """A program that ends while its time is frozen."""
    pytest.importorskip(kind.replace("-", "_"), reason=f"{kind} is not installed")
    steps = [MAKING.format(close_timeout=close_timeout), FREEZING[kind].format(instant=instant.isoformat())]
    first, second = steps if made == "before" else [steps[1] + steps[0], ""]
    return python("-c", textwrap.dedent(PROGRAM).format(first=first, second=second))


@pytest.mark.parametrize("kind", FREEZING)
@pytest.mark.parametrize(("instant", "made"), [(AGES_AGO, "inside"), (AGES_AHEAD, "before")], ids=["ago", "ahead"])
def test_a_program_that_ends_in_frozen_time_delivers_and_ends_cleanly(kind, instant, made):
    fake = FakeCloudWatchLogs(clock=instant.timestamp)
    with fake.serve() as url, started(exiting(kind, instant, made), url=url) as program:
        assert program.wait() == 0
        assert program.output == ""
    # What was logged before the freeze is years off when it is sent.
    assert fake.messages("g", "s") == (["one", "two"] if made == "inside" else ["two"])


@pytest.mark.parametrize("kind", FREEZING)
def test_a_program_in_frozen_time_gives_a_silent_endpoint_up_in_time(kind):
    """F25."""
    fake = FakeCloudWatchLogs()
    fake.fail(faults.stall())
    with fake.serve() as url, started(exiting(kind, AGES_AGO, "inside", close_timeout=0.3), url=url) as program:
        assert program.wait() == 0
        assert program.output.count("\n") == 1
        assert "2 events not delivered at exit" in program.output
