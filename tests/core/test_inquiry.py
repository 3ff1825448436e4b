"""Who is to blame for a refusal that names no event: one of the events, or the request as a whole; F15, F63."""

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from cwlog_handler.core.batches import AgeLimit, Rules
from cwlog_handler.core.columns import Events
from cwlog_handler.core.decisions import Send
from cwlog_handler.core.events import Event
from cwlog_handler.core.interval import SendInterval
from cwlog_handler.core.ledger import Ledger
from cwlog_handler.core.outcomes import Accepted, Invalid, Refused, Throttled, Unavailable
from cwlog_handler.core.pacing import Overlap, TokenBucket
from cwlog_handler.core.retry import SLOW_RETRY_MOST
from cwlog_handler.core.shared import Shared
from cwlog_handler.core.stream import Stream
from cwlog_handler.core.targets import Target

NOW_MS = 1_700_000_000_000
LATENCY = 0.05
# Longer than any inquiry takes that has not come to the slow lane, with room.
BETWEEN_SPELLS = 60.0
HOURS = 2 * 3600.0


def unnamed(words):
    """A refusal whose words name no event."""
    return Invalid(words, words, Refused("InvalidParameterException", f"{words}: mend it", way_out="mend it"))


NAMED = Invalid("1 validation error detected: Value '' at 'logEvents.1.member.message' failed to …")
NO_EVENT = unnamed("not so")
NO_REQUEST = unnamed("no such entity")


class World:
    """A stream on a clock of its own, and a service that refuses some events, and in spells all requests."""

    def __init__(self, count, *, per_ms=1, batch_events=10_000, poison=(), spells=(), reason=lambda number: NO_EVENT,
                 overlap=1, jitter=lambda: 0.5):  # fmt: skip
        self.now = 0.0
        self.ledger = Ledger()
        rules = Rules(1_048_576, batch_events)
        shared = Shared(rules, AgeLimit(), self.ledger, SendInterval(1.0), Overlap(overlap), jitter)
        self.stream = Stream(Target("g", "s"), TokenBucket(5), shared)
        self.per_ms = per_ms
        self.count = 0
        self.poison = set(poison)
        self.spells = list(spells)
        self.reason = reason
        self.refusal = NO_REQUEST
        self.stored = []
        self.requests = []
        self.told = []
        self.log(count)

    def log(self, count):
        for number in range(self.count, self.count + count):
            event = Event(NOW_MS + number // self.per_ms, str(number).encode(), number + 1)
            self.stream.add(Events.of([event]), 20, self.now)
        self.count += count
        self.stream.hasten(self.now)

    @property
    def good(self):
        return [number for number in range(self.count) if number not in self.poison]

    def read(self):
        """What is stored, as the service shows it: by timestamp, then as it came in."""
        return [int(event.message) for event in sorted(self.stored, key=lambda event: event.timestamp)]

    def answer(self, send):
        numbers = [int(event.message) for event in send.batch]
        if any(start <= self.now < end for start, end in self.spells):
            return self.refusal
        for number in numbers:
            if number in self.poison:
                return self.reason(number)
        self.stored += send.batch
        return Accepted(None)

    def step(self, until):
        """Make the next request; False if there is none by then."""
        while not isinstance(decision := self.stream.decide(self.now, NOW_MS), Send):
            if decision is None or decision.until > until:
                return False
            self.now = decision.until
        self.now = max(self.now, decision.start) + LATENCY
        outcome = self.answer(decision)
        self.requests.append((self.now, [int(event.message) for event in decision.batch]))
        self.stream.bucket.give_back(self.now)
        self.told.append(self.stream.settle(decision, outcome, self.now).to_tell)
        out = self.ledger.delivered + self.ledger.rejected.total() + self.ledger.dropped.total()
        assert self.ledger.emitted == out + self.ledger.pending
        return True

    def run(self, seconds=HOURS):
        """Let time pass until nothing can be done any more, or it is over."""
        until = self.now + seconds
        while self.step(until):
            pass
        return self

    def run_until_all_good_ones_are_stored(self):
        """A row of bad events that nobody names may take hours, but no more than a day."""
        until = self.now + 24 * 3600.0
        while len(self.stored) < len(self.good) and self.step(until):
            pass


def test_a_refused_request_loses_nothing_and_costs_a_few_requests():
    """F63: 64 records, 127 requests, all "invalid", none delivered."""
    world = World(64, spells=[(0.0, HOURS)], jitter=lambda: 1.0).run(0.4)
    assert len(world.requests) <= 3
    world.run(3600.0)
    assert len(world.requests) <= 3 + 2 * (len(["0.5", "1", "2", "4", "8", "16", "32"]) + 3600 / SLOW_RETRY_MOST)
    assert world.ledger.pending == 64
    assert not world.ledger.rejected.total()
    assert world.told[2] == NO_REQUEST.refusal
    assert world.ledger.last_error == NO_REQUEST.refusal.advice
    world.spells.clear()
    world.run()
    assert world.read() == [int(event.message) for event in world.stored] == world.good


def test_what_comes_while_requests_are_refused_costs_none_of_its_own():
    world = World(64, spells=[(0.0, HOURS)], batch_events=10, jitter=lambda: 1.0).run(1.0)
    before = len(world.requests)
    for _ in range(100):
        world.log(10)
        world.run(0.1)
    assert len(world.requests) - before <= 2 * len(["0.5", "1", "2", "4", "8"])
    world.spells.clear()
    world.run()
    assert world.read() == world.good


@pytest.mark.parametrize("per_ms", [1, 64])
@pytest.mark.parametrize("place", [0, 1, 31, 62, 63])
@pytest.mark.parametrize("reason", [NAMED, NO_EVENT], ids=["named", "unnamed"])
def test_one_bad_event_is_found_wherever_it_is(place, per_ms, reason):
    """F15: and the others are delivered once, in order."""
    world = World(64, per_ms=per_ms, poison=[place], reason=lambda _: reason).run(10.0)
    assert world.read() == world.good
    assert +world.ledger.rejected == {"invalid": 1}
    assert [told for told in world.told if isinstance(told, Invalid)] == [reason]
    assert len(world.requests) <= 2 * 6 + 5


@pytest.mark.parametrize("place", [0, 7777, 9999])
def test_one_bad_event_of_ten_thousand_takes_few_requests(place):
    world = World(10_000, poison=[place]).run(60.0)
    assert world.read() == world.good
    assert +world.ledger.rejected == {"invalid": 1}
    assert len(world.requests) <= 2 * 14 + 4


def test_a_single_event_is_kept_until_another_one_is_taken():
    """Nothing tells yet whether it is the event; it does not block what comes later."""
    world = World(1, poison=[0]).run(3600.0)
    assert world.ledger.pending == 1
    assert NO_EVENT.refusal in world.told
    world.log(1)
    world.run(SLOW_RETRY_MOST + 1)
    assert world.read() == [1]
    assert +world.ledger.rejected == {"invalid": 1}


def test_a_single_event_is_kept_through_a_refusal_of_the_request():
    world = World(1, spells=[(0.0, 3600.0)]).run()
    assert world.read() == [0]


def test_events_that_are_each_refused_for_a_reason_of_their_own_are_to_blame():
    """All but the last: of that one nothing tells whether requests would be taken now."""
    reasons = ["bad", "worse", "worst"]
    world = World(9, poison=range(9), reason=lambda number: unnamed(reasons[number % 3])).run()
    assert +world.ledger.rejected == {"invalid": 8}
    assert world.ledger.pending == 1


def test_an_event_is_not_blamed_where_the_words_change_from_one_spell_to_the_next():
    world = World(2, spells=[(0.0, 100.0)])
    world.run(50.0)
    world.refusal = unnamed("KMS")
    world.run()
    assert world.read() == [0, 1]


@pytest.mark.parametrize("failure", [Throttled("t"), Unavailable("503", False), Unavailable("reset", True)])
def test_weather_during_an_inquiry_changes_nothing(failure):
    """Each second request fails for another reason."""
    world = World(64, poison=[5])
    answer, calls = world.answer, []

    def at_times(send):
        calls.append(send)
        return failure if len(calls) % 2 else answer(send)

    world.answer = at_times
    world.run()
    assert world.read() == world.good
    assert +world.ledger.rejected == {"invalid": 1}


def test_an_event_that_is_too_old_by_now_ends_no_inquiry():
    world = World(3, spells=[(0.0, HOURS)]).run(10.0)
    days = 15 * 24 * 3_600_000
    while not isinstance(decision := world.stream.decide(world.now, NOW_MS + days), Send) and decision is not None:
        world.now = decision.until
    assert decision is None
    assert +world.ledger.dropped == {"too_old": 3}
    world.spells.clear()
    world.log(3)
    world.run()
    assert world.read() == [3, 4, 5]


def test_requests_that_overlapped_when_all_were_refused_go_again_in_order():
    world = World(0, batch_events=4, overlap=4)
    world.log(1)
    decision = world.stream.decide(world.now, NOW_MS)
    world.now += 1.0
    world.stream.bucket.give_back(world.now)
    world.stored += decision.batch
    world.stream.settle(decision, Accepted(None), world.now)
    world.log(16)
    sends = list(iter(lambda: world.stream.decide(world.now, NOW_MS), None))[:4]
    sends = [send for send in sends if isinstance(send, Send)]
    assert len(sends) > 1
    for send in reversed(sends):
        world.stream.bucket.give_back(world.now)
        world.stream.settle(send, NO_REQUEST, world.now)
    world.spells = [(0.0, 100.0)]
    world.run()
    assert world.read() == [int(event.message) for event in world.stored] == world.good


SPELLS = st.lists(st.tuples(st.floats(0.0, BETWEEN_SPELLS), st.floats(0.1, 600.0)), max_size=3)


ARRIVALS = st.lists(st.tuples(st.integers(1, 40), st.floats(0.0, 300.0)), min_size=1, max_size=5)


@settings(max_examples=300, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])
@given(
    ARRIVALS,
    st.integers(1, 40),
    st.integers(1, 5),
    st.sets(st.integers(0, 79)),
    SPELLS,
    st.sampled_from([NO_REQUEST, NO_EVENT]),
    st.sets(st.integers(0, 79)),
)
# The spell begins just before the last event is asked about, alone, and no witness is left.
@example([(37, 0.0)], 37, 5, {30}, [(3.0, 1.0)], NO_REQUEST, set())
# The same, and it is refused in the words of the event that is to blame for all that was refused before.
@example([(4, 0.0)], 4, 2, {0}, [(1.0, 1.0)], NO_EVENT, set())
def test_whatever_is_refused_no_good_event_is_lost_and_the_bad_ones_are_found(
    arrivals, batch_events, per_ms, poison, spells, refusal, named
):
    """Random bad events, some of them named, and random spells in which all is refused, in the same words or others."""
    spans, at = [], 0.0
    for pause, length in spells:
        start = at + pause + (BETWEEN_SPELLS if spans else 0.0)
        at = start + length
        spans.append((start, at))
    poison &= set(range(sum(count for count, _ in arrivals)))
    world = World(
        0,
        per_ms=per_ms,
        batch_events=batch_events,
        poison=poison,
        spells=spans,
        reason=lambda number: NAMED if number in named else NO_EVENT,
    )
    world.refusal = refusal
    for count, pause in arrivals:
        world.log(count)
        at = world.now + pause
        world.run(pause)
        world.now = max(world.now, at)
    world.run_until_all_good_ones_are_stored()
    # Two for each try in the slow lane, at first some in half a minute, then one; and a bisection for each bad event.
    tries = 8 * (len(spans) + len(poison) + 1) + world.now / 30
    assert len(world.requests) <= 2 * tries + 2 * 6 * len(poison) + world.count / batch_events + len(arrivals)
    assert sorted(world.read()) == world.good
    if per_ms == 1 or not spans:
        # Else a spell may end between a suspect and a witness of its millisecond.
        assert world.read() == world.good
    assert world.ledger.rejected["invalid"] + world.ledger.pending == len(poison)
    # The last bad ones are found when good ones come after them, one at most for each.
    world.spells.clear()
    world.per_ms = 1
    for _ in poison:
        world.log(1)
        world.run(600.0)
    assert sorted(world.read()) == world.good
    assert (+world.ledger.rejected).get("invalid", 0) == len(poison)
    assert world.ledger.pending == world.ledger.pending_bytes == 0
