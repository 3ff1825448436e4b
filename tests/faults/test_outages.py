"""Faults of network and service that pass by themselves: nothing lost, no storm, order kept, full rate afterwards."""

import itertools
import socket
import time
from collections import Counter
from dataclasses import dataclass

import boto3
import pytest
from botocore.config import Config

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.testing import FakeCloudWatchLogs, Fault, faults

from ..conftest import balanced
from ..network import nobody_listening
from ..programs import HANG_LIMIT
from .virtual import VirtualFake, World, assert_full_rate_after, busiest_second, through_a_spell

# The rule: after the n-th failure in a row, a random part of min(10, 0.5 * 2**n) seconds. With a die that always shows
# its most, these are the seconds at which requests start in half a minute, if each is answered at once.
MOST_BACKOFF = 10.0
STARTS = [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 25.5]


@dataclass(frozen=True)
class Weather:
    """A fault, the seconds that a request takes meanwhile, and whether the batch may be, or is, stored all the same."""

    fault: Fault
    latency: float = 0.0
    is_ambiguous: bool = False
    is_stored: bool = False


WEATHER = {
    "throttled": Weather(faults.throttle()),
    "503": Weather(faults.server_error(503), is_ambiguous=True),
    "503 after the commit": Weather(faults.server_error(503, after_commit=True), is_ambiguous=True, is_stored=True),
    "refused": Weather(faults.connection_refused()),
    "reset": Weather(faults.reset_before_commit(), is_ambiguous=True),
    "reset after the commit": Weather(faults.reset_after_commit(), is_ambiguous=True, is_stored=True),
    "never answers": Weather(faults.stall(), latency=15.0, is_ambiguous=True),
    "captive portal": Weather(faults.captive_portal()),
    "empty 200": Weather(faults.empty_200(), is_ambiguous=True),
}


@pytest.fixture
def unlimited():
    """The fake with a stream, and without its limit of requests a second, on the clock of its world."""
    fake = VirtualFake()
    fake.create("g", "s")
    return fake


@pytest.mark.parametrize("name", WEATHER)
def test_half_a_minute_of_weather_loses_nothing_and_the_backlog_drains_at_the_full_rate(unlimited, capsys, name):
    """F48, F49, F16: every record once and in order; a doubled one only where the answer was lost, and counted."""
    weather = WEATHER[name]
    world = World(unlimited)
    spell = through_a_spell(world, unlimited, weather.fault, latency=weather.latency)
    lost = [call for call in world.calls if spell.began <= call.started < spell.ended]
    assert len({tuple(call.messages) for call in lost}) == 1, "another batch went before the one that failed"
    arrived = unlimited.messages("g", "s")
    assert list(dict.fromkeys(arrived)) == spell.sent
    doubled = {message: len(lost) + 1 for message in lost[0].messages} if weather.is_stored else {}
    assert {message: count for message, count in Counter(arrived).items() if count > 1} == doubled
    stats = world.stats
    assert stats.possibly_duplicated == (len(lost[0].messages) if weather.is_ambiguous else 0)
    assert (stats.delivered, stats.dropped, stats.rejected, stats.retries) == (len(spell.sent), 0, 0, len(lost))
    assert balanced(stats)
    assert_full_rate_after(world, spell, MOST_BACKOFF + weather.latency)


@pytest.mark.parametrize("name", [name for name, weather in WEATHER.items() if not weather.latency])
def test_half_a_minute_of_weather_costs_as_many_requests_as_the_back_off_says(unlimited, capsys, name):
    """F20: no storm; seven requests at the slowest."""
    world = World(unlimited, jitter=lambda: 1.0)
    spell = through_a_spell(world, unlimited, WEATHER[name].fault, latency=0.0)
    starts = [call.started for call in world.calls if spell.began <= call.started < spell.ended]
    assert [start - starts[0] for start in starts] == pytest.approx(STARTS)


def test_even_the_unluckiest_die_makes_no_storm(unlimited, capsys):
    """F20: each retry takes a token of the stream's bucket, so that the rate is the limit when the back-off is none."""
    world = World(unlimited, jitter=lambda: 0.0)
    spell = through_a_spell(world, unlimited, faults.throttle(), latency=0.0)
    starts = [call.started for call in world.calls if spell.began <= call.started < spell.ended]
    assert busiest_second(starts) == 5
    assert len(starts) <= 5 * 31
    assert unlimited.messages("g", "s") == spell.sent


def test_an_hour_of_outage_is_noticed_to_be_over_within_the_longest_back_off(unlimited, capsys):
    """F48: no retry is the last one; at the bound of ten seconds, an hour is some 360 requests."""
    world = World(unlimited, jitter=lambda: 1.0, batch_events=10_000)
    spell = through_a_spell(world, unlimited, faults.connection_refused(), seconds=3600, latency=0.0, per_second=1)
    starts = [call.started for call in world.calls if spell.began <= call.started < spell.ended]
    assert len(starts) <= len(STARTS) + 3600 / MOST_BACKOFF
    assert max(later - start for start, later in itertools.pairwise(starts)) == pytest.approx(MOST_BACKOFF)
    assert spell.ended - starts[-1] <= MOST_BACKOFF
    assert unlimited.messages("g", "s") == spell.sent


@pytest.fixture
def attach_over_http(fake, attach):
    """Make a handler whose own client finds the fake, which is served on a port that stays the same."""
    url = fake.start()

    def attach_over_http(**options):
        return attach(boto3_client=None, endpoint_url=url, close_timeout=60, **options)

    attach_over_http.port = int(url.rpartition(":")[2])
    yield attach_over_http
    fake.release()
    fake.stop()


def log(logger, numbers):
    """Log these numbers; at ERROR, so that they go at once."""
    for number in numbers:
        logger.error("%d", number)


def texts(numbers):
    return [str(number) for number in numbers]


@pytest.mark.parametrize("has_connection", [False, True], ids=["from the start", "while a connection is open"])
def test_an_endpoint_that_nobody_listens_on_is_found_again(fake, logger, attach_over_http, capsys, has_connection):
    """F49: refused in earnest, on a closed port; a connection in the pool that has died is no lost answer."""
    handler = attach_over_http()
    log(logger, range(5) if has_connection else ())
    assert handler.flush()
    fake.stop()
    with nobody_listening(attach_over_http.port):
        log(logger, range(5, 100))
        assert fake.wait_for(lambda: handler.stats.retries >= 2)
        assert "EndpointConnectionError" in handler.stats.last_error
        assert handler.stats.pending == 95
    fake.start(attach_over_http.port)
    log(logger, range(100, 105))
    assert handler.flush()
    assert fake.messages("g", "s") == texts(range(0 if has_connection else 5, 105))
    assert handler.stats.possibly_duplicated == handler.stats.dropped == 0


def impatient_at_first(url):
    """A client that waits for its first answer for a moment, and for later ones as long as a busy machine needs."""
    hasty, client = (
        boto3.client("logs", endpoint_url=url, config=Config(read_timeout=seconds, retries={"total_max_attempts": 1}))
        for seconds in (0.2, HANG_LIMIT)
    )
    first, later = (made._endpoint.http_session.send for made in (hasty, client))
    sends = itertools.chain([first], itertools.repeat(later))
    client._endpoint.http_session.send = lambda request: next(sends)(request)
    return client


@pytest.mark.parametrize("stores", [False, True])
@pytest.mark.parametrize("name", ["reset", "never answers", "breaks down"])
def test_only_a_lost_answer_doubles_a_batch_and_what_may_be_double_is_counted(
    fake, logger, attach, known_arrivals, name, stores
):
    """F48: over HTTP. The client cannot tell whether the batch was stored, so both are counted; the next one is not."""
    fault = {
        "reset": faults.reset_after_commit() if stores else faults.reset_before_commit(),
        "never answers": faults.stall(after_commit=stores),
        "breaks down": faults.server_error(500, after_commit=stores),
    }[name]
    fake.create("g", "s")
    with fake.serve() as url:
        handler = attach(boto3_client=impatient_at_first(url), close_timeout=HANG_LIMIT)
        fake.fail(fault, times=1)
        log(logger, range(3))
        assert handler.flush()
        log(logger, range(3, 6))
        assert handler.flush()
        fake.release()
    (failed,) = [request for request in fake.requests if request.ordered]
    again = [message for _, message in failed.batch] if stores else []
    assert sorted(fake.messages("g", "s")) == sorted([*texts(range(6)), *again])
    assert (handler.stats.possibly_duplicated, handler.stats.retries) == (failed.events, 1)
    assert balanced(handler.stats)


def test_a_server_that_accepts_and_does_not_answer_holds_one_request_and_no_caller(fake, logger, attach_over_http):
    """F48: nothing else goes out for the stream, all is kept; let go, all arrives once."""
    fake.create("g", "s")
    fake.fail(faults.stall(), times=1)
    handler = attach_over_http()
    log(logger, range(1))
    assert fake.wait_for(lambda: fake.requests)
    log(logger, range(1, 1000))
    assert handler.flush(0.1) is False
    assert (len(fake.requests), handler.stats.pending) == (1, 1000)
    fake.release()
    assert handler.flush()
    assert fake.messages("g", "s") == texts(range(1000))
    assert handler.stats.possibly_duplicated == handler.stats.retries == 0


def test_while_answers_are_slow_a_stream_has_one_request_under_way_and_fuller_ones(
    fake, logger, attach_over_http, known_arrivals
):
    """Slow is no fault: no second request beside the first, no retry, and what came meanwhile travels together."""
    fake.create("g", "s")
    fake.fail(faults.slow(0.4), times=3)
    handler = attach_over_http()
    for number in range(200):
        log(logger, [number])
        time.sleep(0.005)
    assert handler.flush()
    assert fake.messages("g", "s") == texts(range(200))
    puts = fake.requests
    for first, following in itertools.pairwise(puts[:4]):
        assert following.started - first.started >= 0.4
    assert handler.stats.retries == handler.stats.possibly_duplicated == 0


def test_a_name_that_is_not_found_costs_few_tries_and_no_record(fake, logger, attach, monkeypatch, capsys):
    """A resolver that fails and then works again; it is asked by nobody but the tries."""
    asked, is_broken = [], True
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **options):
        if host != "logs.invalid":
            return resolve(host, *arguments, **options)
        asked.append(host)
        if is_broken:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with fake.serve() as url:
        handler = attach(boto3_client=None, endpoint_url=url.replace("127.0.0.1", "logs.invalid"), close_timeout=60)
        log(logger, range(50))
        assert fake.wait_for(lambda: handler.stats.retries >= 3)
        assert not fake.requests
        is_broken = False
        assert handler.flush()
    assert fake.messages("g", "s") == texts(range(50))
    assert handler.stats.possibly_duplicated == 0
    assert len(asked) <= handler.stats.requests + 3  # the client keeps no connection after a failure


SPELLS = {
    "throttled": faults.throttle(),
    "503": faults.server_error(503),
    "captive portal": faults.captive_portal(),
}


@pytest.mark.parametrize("name", SPELLS)
def test_a_second_of_weather_over_http_under_load_loses_nothing(
    fake, logger, attach_over_http, known_arrivals, capsys, name
):
    """F49: what half a minute does on a virtual clock, with threads, sockets and the fake's own limit of requests."""
    fake.create("g", "s")
    handler = attach_over_http(max_batch_count=50)
    log(logger, range(10))
    assert handler.flush()
    fake.fail(SPELLS[name])
    number, fair = 10, 0
    # Not by the clock: on a busy machine no request may be made within a second.
    while fair < 100:
        log(logger, [number])
        number += 1
        time.sleep(0.002)
        if number >= 400 and handler.stats.retries:
            fake.clear_faults()
            fair += 1
    assert handler.flush()
    assert fake.messages("g", "s") == texts(range(number))
    assert handler.stats.delivered == handler.stats.emitted == number
    assert fake.busiest_second("g", "s") <= 5


@pytest.mark.parametrize("tokens", [False, True], ids=["today's service", "sequence tokens"])
@pytest.mark.parametrize("deleted", ["group", "stream"])
def test_what_is_logged_after_a_deletion_under_load_arrives(logger, deleted, tokens):
    """F17, F49: group or stream go while requests are under way; all that comes afterwards arrives once."""
    fake = FakeCloudWatchLogs(sequence_tokens=tokens)
    with fake.serve() as url:
        handler = CloudWatchLogsHandler("g", "s", endpoint_url=url, close_timeout=60, max_batch_count=10)
        logger.addHandler(handler)
        log(logger, range(30))
        assert fake.wait_for(lambda: fake.messages("g", "s"))
        if deleted == "group":
            fake.delete_log_group("g")
        else:
            fake.delete_log_stream("g", "s")
        log(logger, range(30, 60))
        assert handler.flush()
    arrived = fake.messages("g", "s")
    assert arrived[-30:] == texts(range(30, 60))
    # Where answers are slow, a request may overtake another one: then it is not the oldest batches that are gone.
    assert arrived == sorted(set(arrived), key=int)
    accepted = [text for request in fake.requests if request.answer == "accepted" for _, text in request.batch]
    assert sorted(accepted, key=int) == texts(range(60))
    assert handler.stats.delivered == 60
    assert handler.stats.possibly_duplicated == 0
