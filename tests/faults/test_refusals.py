"""Faults that somebody has to mend: the data is kept, the tries are few, and what was mended is seen."""

import itertools

import pytest

from cwlog_handler.testing import Refusal, faults

from ..conftest import balanced
from .door import Door
from .virtual import VirtualFake, World, assert_full_rate_after, busiest_second, through_a_spell

# The slow lane: after the n-th failure in a row, a random part of min(60, 0.5 * 2**n) seconds. With a die that always
# shows its most, these are the seconds at which requests start in half a minute.
MOST_BACKOFF = 60.0
STARTS = [0.0, 0.5, 1.5, 3.5, 7.5, 15.5]

REFUSALS = {
    "denied": faults.access_denied(),
    "expired": faults.expired_token(),
    "wrong key": faults.unrecognized_client(),
    "clock skew": faults.clock_skew(),
}


@pytest.fixture
def unlimited():
    """The fake without its limit of requests a second, on the clock of its world."""
    return VirtualFake()


@pytest.mark.parametrize("name", REFUSALS)
def test_half_a_minute_of_refusal_loses_nothing_and_the_backlog_drains_at_the_full_rate(unlimited, capsys, name):
    """F21: the data is kept and comes in order; nothing was stored, so nothing is doubled."""
    unlimited.create("g", "s")
    world = World(unlimited)
    spell = through_a_spell(world, unlimited, REFUSALS[name])
    assert unlimited.messages("g", "s") == spell.sent
    stats = world.stats
    assert (stats.delivered, stats.dropped, stats.rejected) == (len(spell.sent), 0, 0)
    assert stats.possibly_duplicated == 0
    assert balanced(stats)
    assert_full_rate_after(world, spell, MOST_BACKOFF)


@pytest.mark.parametrize("name", REFUSALS)
def test_half_a_minute_of_refusal_costs_six_requests_at_the_slowest(unlimited, capsys, name):
    """F21: no hot loop."""
    unlimited.create("g", "s")
    world = World(unlimited, jitter=lambda: 1.0)
    spell = through_a_spell(world, unlimited, REFUSALS[name], latency=0.0)
    starts = [call.started for call in world.calls if spell.began <= call.started < spell.ended]
    assert [start - starts[0] for start in starts] == pytest.approx(STARTS)


def test_a_refusal_for_an_hour_costs_a_request_a_minute_and_one_line_a_minute(unlimited, capsys):
    """F21: slow lane, and then quiet."""
    unlimited.create("g", "s")
    world = World(unlimited, jitter=lambda: 1.0, batch_events=10_000)
    spell = through_a_spell(world, unlimited, faults.access_denied(), seconds=3600, per_second=1, latency=0.0)
    starts = [call.started for call in world.calls if spell.began <= call.started < spell.ended]
    assert len(starts) <= len(STARTS) + 1 + 3600 / MOST_BACKOFF
    assert max(later - start for start, later in itertools.pairwise(starts)) == pytest.approx(MOST_BACKOFF)
    lines = [line for line in capsys.readouterr().err.splitlines() if "not allowed" in line]
    assert 1 <= len(lines) <= 61
    assert unlimited.messages("g", "s") == spell.sent


@pytest.mark.parametrize("operation", ["CreateLogStream", "CreateLogGroup"])
def test_a_stream_that_may_not_be_made_for_half_a_minute_loses_nothing(unlimited, capsys, operation):
    """F17, F18: the put itself is allowed, the creation not; a failed creation is not remembered as done."""
    world = World(unlimited)
    unlimited.fail(faults.access_denied(), operation=operation)
    for number in range(600):
        world.log(f"{number}")
        world.run(0.049)
    assert not unlimited.messages("g", "s")
    tries = [request for request in unlimited.requests if request.operation == operation]
    assert 1 < len(tries) <= len(world.calls) <= 10
    assert f"logs:{operation}" in world.stats.last_error
    unlimited.clear_faults()
    world.drain()
    assert unlimited.messages("g", "s") == [f"{number}" for number in range(600)]
    assert world.stats.possibly_duplicated == world.stats.dropped == 0
    assert busiest_second(call.started for call in world.calls) <= 5


@pytest.mark.parametrize("deleted", ["group", "stream"])
def test_a_stream_deleted_while_creation_is_denied_keeps_its_records_until_it_is_allowed(unlimited, capsys, deleted):
    """F17: deleted in mid-run, and not to be made again at first."""
    world = World(unlimited)
    world.log("before")
    world.drain()
    if deleted == "group":
        unlimited.delete_log_group("g")
    else:
        unlimited.delete_log_stream("g", "s")
    unlimited.fail(faults.access_denied(), operation="CreateLogStream")
    for number in range(100):
        world.log(f"{number}")
        world.run(0.1)
    assert not unlimited.messages("g", "s")
    unlimited.clear_faults()
    world.drain()
    assert unlimited.messages("g", "s") == [f"{number}" for number in range(100)]


EXPIRED = Refusal("ExpiredTokenException", "The security token included in the request is expired")
UNKNOWN = Refusal("UnrecognizedClientException", "The security token included in the request is invalid.")


@pytest.mark.parametrize(
    ("refusal", "way_out"),
    [(EXPIRED, "use a role or profile rather than a copied session token"), (UNKNOWN, "correct the credentials")],
    ids=["expired", "wrong"],
)
@pytest.mark.parametrize("source", ["environment", "file"])
def test_keys_put_right_while_the_program_runs_are_read_and_nothing_is_lost(
    fake, logger, attach, monkeypatch, tmp_path, capsys, source, refusal, way_out
):
    """F21: boto3 keeps what it has read for good; after a refusal the client is made anew."""

    def set_key(key):
        if source == "environment":
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        else:
            lines = f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\naws_session_token = token\n"
            path = tmp_path / "credentials.new"
            path.write_text(lines)
            path.replace(tmp_path / "credentials")

    if source == "file":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    set_key("OLD")
    with fake.serve() as fake_url:
        door = Door(fake_url, "OLD", refusal)
        with door.serve() as url:
            handler = attach(boto3_client=None, endpoint_url=url, close_timeout=60)
            logger.error("while the key is good")
            assert handler.flush()
            before = door.seen["OLD"]
            door.valid = "FRESH"
            for number in range(100):
                logger.error("%d", number)
            door.wait_until_seen("OLD", before + 2)
            assert way_out in handler.stats.last_error
            assert handler.stats.pending == 100
            set_key("FRESH")
            assert handler.flush()
    assert fake.messages("g", "s") == ["while the key is good", *(str(number) for number in range(100))]
    assert set(door.seen) == {"OLD", "FRESH"}
    assert handler.stats.possibly_duplicated == handler.stats.dropped == 0
