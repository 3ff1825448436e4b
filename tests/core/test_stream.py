"""One stream's decisions against a simple model of the service, with any events and any answers (virtual clock)."""

import gc
import itertools
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwlog_handler.core.answers import Settled
from cwlog_handler.core.batches import AgeLimit, Rules
from cwlog_handler.core.columns import Events
from cwlog_handler.core.decisions import Send, Wait
from cwlog_handler.core.events import Event
from cwlog_handler.core.interval import LEAVES_MOST, SendInterval
from cwlog_handler.core.ledger import Ledger
from cwlog_handler.core.outcomes import (
    Accepted,
    AlreadyAccepted,
    AskAgain,
    Created,
    Invalid,
    Refused,
    StaleToken,
    Throttled,
    Unavailable,
)
from cwlog_handler.core.pacing import Overlap, TokenBucket
from cwlog_handler.core.parcels import FIRST_RECOVERED, Numbers, Parcel
from cwlog_handler.core.shared import Shared
from cwlog_handler.core.shelves import Shelves
from cwlog_handler.core.stream import Stream
from cwlog_handler.core.targets import Target

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
FAILURES = [
    Throttled("ThrottlingException"),
    Unavailable("503", True),
    Unavailable("refused", False),
    Refused("No", "mend"),
    Created(),
    StaleToken("7"),
]


def beside(stream):
    """Another stream of the same handler."""
    return Stream(Target("g", "other"), TokenBucket(None), stream._shared)


def a_stream(max_bytes=1_048_576, max_events=10_000, rate=None, jitter=lambda: 0.5, interval=None, overlap=1, **more):
    ledger = Ledger()
    rules, interval = Rules(max_bytes, max_events), interval or SendInterval(1.0)
    shared = Shared(rules, AgeLimit(), ledger, interval, Overlap(overlap), jitter, **more)
    return Stream(Target("g", "s"), TokenBucket(rate), shared), ledger


_numbers = itertools.count(1)


def event(message="x", timestamp=NOW_MS):
    return Events.of([Event(timestamp, message.encode(), next(_numbers))])


def next_send(stream, now):
    """Return the next Send and when it came, waiting on the virtual clock."""
    while True:
        decision = stream.decide(now, NOW_MS)
        if isinstance(decision, Send):
            return decision, now
        assert isinstance(decision, Wait), decision
        assert decision.until > now
        now = decision.until


def settle(stream, outcome, now):
    """End a request: its token comes back, its outcome is taken in."""
    stream.bucket.give_back(now)
    return stream.settle(stream.under_way.sent[0], outcome, now)


def settle_next(stream, now):
    """Have the next request accepted."""
    _, now = next_send(stream, now)
    return settle(stream, Accepted(None, 0, 0, 0), now)


def texts(send):
    return [e.message for e in send.batch]


def left_on_disk(timestamp=NOW_MS):
    """One event that a process which has ended has left on disk."""

    class Place:
        def load(self, parcel, first_number):
            return Events.of([Event(timestamp, b"old", first_number)])

        def settle(self, parcel, ids, count):
            pass

        def join(self, other):
            return False

    span = (FIRST_RECOVERED, FIRST_RECOVERED)
    return Parcel(Place(), Target("g", "s"), 2, ((0, 0),), size_bytes=29, span_ms=(NOW_MS, NOW_MS), span=span)


def balanced(ledger):
    out = ledger.delivered + ledger.rejected.total() + ledger.dropped.total()
    return ledger.emitted == out + ledger.pending


def test_an_event_waits_the_send_interval_for_company():
    stream, _ = a_stream()
    stream.add(event("a"), 20, 10.0)
    assert stream.decide(10.0, NOW_MS) == Wait(11.0)
    stream.add(event("b"), 20, 10.9)
    send, now = next_send(stream, 10.9)
    assert (texts(send), now) == (["a", "b"], 11.0)


@pytest.mark.parametrize("failure", [*FAILURES, Invalid("no", refusal=Refused("No", "mend"))], ids=str)
def test_what_one_stream_has_to_send_again_is_no_other_streams(failure):
    """As long as they have nothing to send again, all share the same emptiness."""
    stream, _ = a_stream()
    other = beside(stream)
    for each in (stream, other):
        each.add(event(), 20, 10.0)
    _, now = next_send(stream, 10.0)
    settle(stream, failure, now)
    assert [len(batch) for batch, _ in other.in_memory()] == [1]
    settle_next(other, now)
    assert other.is_idle
    assert not stream.is_idle


def test_a_full_batch_does_not_wait():
    stream, _ = a_stream(max_events=2)
    for name in "abc":
        stream.add(event(name), 20, 10.0)
    send, now = next_send(stream, 10.0)
    assert (texts(send), now) == (["a", "b"], 10.0)


def test_a_hastened_stream_does_not_wait():
    stream, _ = a_stream()
    stream.add(event(), 20, 10.0)
    stream.hasten(10.2)
    assert isinstance(stream.decide(10.2, NOW_MS), Send)


def test_events_that_come_while_a_token_is_awaited_join_the_batch():
    """As few requests as the rate allows to be full."""
    stream, _ = a_stream(rate=1)
    for name in "ab":
        stream.add(event(name), 20, 0.0)
        stream.hasten(0.0)
        if name == "a":
            stream.decide(0.0, NOW_MS)
            settle(stream, Accepted(None), 0.0)
    assert isinstance(stream.decide(0.1, NOW_MS), Wait)
    stream.add(event("c"), 20, 0.5)
    assert texts(next_send(stream, 0.5)[0]) == ["b", "c"]


def test_what_an_overflow_dropped_is_settled_once_it_was_told():
    """Else a flush that waits for it would wait for ever, or not for what tells of it."""
    stream, _ = a_stream()
    only = event()
    number = only.numbers[0]
    stream.add(only, 20, 0.0)
    assert not stream.is_settled_up_to(number)
    assert stream.is_settled_up_to(number - 1)
    stream.drop(20, newest=False)
    assert not stream.is_settled_up_to(number)
    assert stream.take_loss()
    assert stream.is_settled_up_to(number)


def test_an_event_is_not_settled_while_it_is_on_its_way_or_waits_to_go_again():
    stream, _ = a_stream()
    only = event()
    number = only.numbers[0]
    stream.add(only, 20, 0.0)
    _, now = next_send(stream, 0.0)
    assert not stream.is_settled_up_to(number)
    settle(stream, Throttled("t"), now)
    assert not stream.is_settled_up_to(number)
    _, now = next_send(stream, now)
    settle(stream, Accepted(None), now)
    assert stream.is_settled_up_to(number)


def test_a_loss_is_told_once_and_not_before_the_stream_flows_again():
    """F39."""
    stream, ledger = a_stream()
    for number in range(3):
        stream.add(event("x", NOW_MS + number), 20, 0.0)
    _, now = next_send(stream, 0.0)
    for number in range(3, 6):
        stream.add(event("x", NOW_MS + number), 20, now)
    stream.drop(20, newest=True)
    stream.drop(20, newest=False)
    assert stream.take_loss() is None
    assert not stream.is_forgettable
    settle(stream, Accepted(None), now)
    loss = stream.take_loss()
    assert (loss.count, loss.first_ms, loss.last_ms) == (2, NOW_MS + 3, NOW_MS + 5)
    assert stream.take_loss() is None
    assert +ledger.dropped == {"overflow": 2}


def test_a_stream_that_lost_all_it_had_tells_it_too():
    stream, _ = a_stream()
    stream.add(event(), 20, 0.0)
    stream.drop(20, newest=True)
    assert stream.is_idle
    assert stream.take_loss().count == 1
    assert stream.is_forgettable


def test_whoever_tells_of_losses_hears_of_each_stream_that_lost_something():
    lossy = []
    stream, _ = a_stream(lost=lossy.append)
    stream.add(event(), 20, 0.0)
    assert not lossy
    stream.drop(20, newest=True)
    assert lossy == [stream]


def test_nothing_to_send_means_no_call():
    """F11."""
    stream, _ = a_stream()
    assert stream.decide(10.0, NOW_MS) is None


@pytest.mark.parametrize("failure", FAILURES)
def test_after_a_failure_the_same_batch_goes_again_unchanged(failure):
    """F16: exactly the batch that failed, and nothing of what came since."""
    stream, ledger = a_stream()
    stream.add(event("a"), 20, 0.0)
    first, now = next_send(stream, 0.0)
    stream.add(event("b"), 20, now)
    settle(stream, failure, now)
    again, now = next_send(stream, now)
    assert again.batch is first.batch
    settle(stream, Accepted(None), now)
    assert texts(next_send(stream, now)[0]) == ["b"]
    assert (ledger.delivered, ledger.retries) == (1, 1)


THROTTLED = Throttled("ThrottlingException")
NOT_CREATED = Throttled("ThrottlingException", is_creation=True)
# What shows that others use the same quota, too: a first put that is throttled twice, a creation that is throttled.
SHORT_OF_QUOTA = [[THROTTLED] * 2, [NOT_CREATED], [NOT_CREATED, Created()]]


def fail(stream, failures, now):
    """Have all tries fail in a row, and return the one after them and its instant."""
    for failure in failures:
        settle(stream, failure, now)
        again, now = next_send(stream, now)
    return again, now


@pytest.mark.parametrize("failures", SHORT_OF_QUOTA)
def test_where_the_quota_is_short_a_throttled_batch_takes_what_has_come_since_with_it(failures):
    """Nothing of it is stored: one request instead of two, in the same order."""
    stream, ledger = a_stream()
    stream.add(event("a"), 20, 0.0)
    _, now = next_send(stream, 0.0)
    stream.add(event("b"), 20, now)
    again, now = fail(stream, failures, now)
    assert texts(again) == ["a", "b"]
    settle(stream, Accepted(None), now)
    assert (ledger.delivered, ledger.retries, ledger.pending) == (2, len(failures), 0)
    assert stream.decide(now, NOW_MS) is None


@pytest.mark.parametrize("failures", SHORT_OF_QUOTA)
@pytest.mark.parametrize("how", ["count", "size", "span", "doubt"])
def test_a_throttled_batch_takes_nothing_with_it_that_is_not_allowed_beside_it(failures, how):
    """The limits of a request, and events of which an earlier request may have stored some."""
    limits = {"count": {"max_events": 2}, "size": {"max_bytes": 90}}.get(how, {})
    stream, _ = a_stream(**limits)
    for message in "ab":
        stream.add(event(message, NOW_MS - (25 * HOUR_MS if how == "span" else 0)), 20, 0.0)
    first, now = next_send(stream, 0.0)
    if how == "doubt":
        settle(stream, Unavailable("503", True), now)
        _, now = next_send(stream, now)
    for message in "cd":
        stream.add(event(message), 20, now)
    again, now = fail(stream, failures, now)
    assert again.batch is first.batch
    settle(stream, Accepted(None), now)
    left, now = next_send(stream, now)
    assert texts(left) == ["c", "d"]
    # What is lost of it later is told with its level.
    assert [left.batch.level_at(place) for place in (0, 1)] == [20, 20]


def test_what_is_halved_to_find_a_bad_event_takes_nothing_with_it():
    """F15: what has just come is not to blame, and would be refused with it."""
    stream, ledger = a_stream()
    for message in "ab":
        stream.add(event(message), 20, 0.0)
    _, now = next_send(stream, 0.0)
    _, now = fail(stream, [THROTTLED] * 2, now)
    stream.add(event("c"), 20, now)
    sent = []
    for outcome in [Invalid("no"), Accepted(None), Invalid("no"), Accepted(None)]:
        settle(stream, outcome, now)
        if not ledger.pending:
            break
        send, now = next_send(stream, now)
        sent.append(texts(send))
    assert sent == [["a"], ["b"], ["c"]]


def test_a_creation_that_was_throttled_is_tried_again_as_a_creation_and_then_the_batch_is_sent():
    """Another put would only learn again that the stream is missing. Creations have their own quota: F67."""
    stream, ledger = a_stream()
    stream.add(event("a"), 20, 0.0)
    first, now = next_send(stream, 0.0)
    assert not first.creates
    for _ in range(3):
        settle(stream, Throttled("ThrottlingException", is_creation=True), now)
        again, now = next_send(stream, now)
        assert again.creates
    settle(stream, Created(), now)
    assert next_send(stream, now) == (first._replace(start=now), now)
    assert (ledger.throttled, ledger.retries) == (3, 4)


@pytest.mark.parametrize("failure", [Unavailable("503", True), Refused("No", "mend"), Throttled("ThrottlingException")])
def test_whatever_else_a_creation_comes_to_the_next_request_is_a_put_again(failure):
    """Somebody may have created the stream meanwhile, or have forbidden to create it. An answer that is missing says
    nothing about the batch, which was not in the request."""
    stream, _ = a_stream()
    stream.add(event("a"), 20, 0.0)
    _, now = next_send(stream, 0.0)
    settle(stream, Throttled("ThrottlingException", is_creation=True), now)
    creation, now = next_send(stream, now)
    assert creation.creates
    settle(stream, failure, now)
    put, now = next_send(stream, now)
    assert (put.creates, put.doubts) == (False, 0)


def test_a_creation_presumed_lost_leaves_no_doubt_about_the_batch():
    stream, ledger = a_stream()
    stream.add(event("a"), 20, 0.0)
    _, now = next_send(stream, 0.0)
    settle(stream, Throttled("ThrottlingException", is_creation=True), now)
    next_send(stream, now)
    stream.presume_lost(now)
    put, now = next_send(stream, now)
    settle(stream, Accepted(None), now)
    assert (put.doubts, ledger.possibly_duplicated) == (0, 0)


def test_a_creation_is_no_request_with_events():
    """`Stats.requests` counts puts. What is lost or left meanwhile cannot have been stored."""
    stream, ledger = a_stream(shelves=Shelves)
    stream.add(event("a"), 20, 0.0)
    _, now = next_send(stream, 0.0)
    settle(stream, NOT_CREATED, now)
    assert ledger.requests == 1
    creation, now = next_send(stream, now)
    assert creation.creates
    assert [may_be_stored for _, may_be_stored in stream.in_memory()] == [False]
    assert [may_be_stored for _, may_be_stored in stream.shelves.unstored] == [False]
    settle(stream, Created(), now)
    assert ledger.requests == 1
    next_send(stream, now)
    assert [may_be_stored for _, may_be_stored in stream.in_memory()] == [True]


def test_what_comes_while_a_batch_from_disk_is_throttled_waits_for_company_as_ever():
    """It may not join the batch, and closed it would be a request of its own, where the quota is short."""
    interval = SendInterval(1.0)
    stream, ledger = a_stream(interval=interval, shelves=Shelves)
    for at in (0.0, 2.0):
        stream.add(event("x"), 20, at)
        _, now = next_send(stream, at)
        _, now = fail(stream, [THROTTLED] * 2, now)
        settle(stream, Accepted(None), now)
    assert interval.share(1) > 1
    ledger.recover(1)
    stream.inherit(left_on_disk(), Numbers(FIRST_RECOVERED), now)
    old, now = next_send(stream, now)
    stream.add(event("fresh"), 20, now)
    due = now + interval.seconds
    settle(stream, THROTTLED, now)
    again, now = next_send(stream, now)
    assert (len(again.batch), texts(again)) == (1, texts(old))
    settle(stream, Accepted(None), now)
    assert stream.decide(now, NOW_MS) == Wait(due)


@pytest.mark.parametrize("creations", [0, 10])
def test_throttled_creations_leave_the_send_interval_and_the_back_off_of_puts_alone(creations):
    """Their quota is another one. What was throttled before the stream was created does not hold it up afterwards."""
    interval = SendInterval(1.0)
    stream, _ = a_stream(interval=interval, jitter=lambda: 1.0)
    interval.taken(0.0, 0.0, times=0)
    stream.add(event("a"), 20, 10.0)
    _, now = next_send(stream, 10.0)
    _, now = fail(stream, [THROTTLED] * 5 + [NOT_CREATED] * creations + [Created()], now)
    # Stretched once: by the put that was throttled before it learned that the stream is missing.
    assert interval.seconds == 1.8
    settle(stream, THROTTLED, now)
    _, again = next_send(stream, now)
    assert again == now + 0.5


def test_a_stream_that_was_hard_to_create_has_the_usual_interval():
    interval = SendInterval(1.0)
    stream, _ = a_stream(interval=interval)
    interval.taken(0.0, 0.0, times=0)
    stream.add(event("a"), 20, 10.0)
    _, now = next_send(stream, 10.0)
    for outcome in [Throttled("ThrottlingException", is_creation=True)] * 10 + [Created(), Accepted(None)]:
        settle(stream, outcome, now)
        if outcome != Accepted(None):
            _, now = next_send(stream, now)
    assert interval.seconds == 1.0


def test_the_token_of_each_answer_goes_with_the_next_request():
    stream, _ = a_stream()
    tokens = []
    now = 0.0
    for outcome in [Accepted("1"), StaleToken("5"), AlreadyAccepted("6"), Accepted(None), StaleToken(None), Created()]:
        stream.add(event(), 20, now)
        stream.hasten(now)
        send, now = next_send(stream, now)
        tokens.append(send.token)
        settle(stream, outcome, now)
    assert tokens == [None, "1", "5", "6", None, None]


def test_settling_returns_what_is_to_be_told_and_how_many_requests_have_failed_in_a_row():
    stream, _ = a_stream()
    stream.add(event(), 20, 0.0)
    now, refused = 0.0, Refused("No", "mend")
    for outcome, failures in [(Throttled("t"), 1), (refused, 2), (Accepted(None), 0)]:
        _, now = next_send(stream, now)
        assert settle(stream, outcome, now) == Settled(outcome, False, outcome == Accepted(None), failures)


def test_an_answer_to_a_request_that_was_presumed_lost_is_told_apart_and_not_told():
    stream, ledger = a_stream()
    stream.add(event(), 20, 0.0)
    lost, now = next_send(stream, 0.0)
    stream.presume_lost(now)
    again, now = next_send(stream, now + 2.0)
    assert stream.settle(lost, Accepted(None), now) == Settled(None, True, True, 0)
    assert stream.settle(again, Accepted(None), now) == Settled(None, False, False, 0)
    assert (ledger.delivered, ledger.possibly_duplicated) == (1, 1)


def test_rejections_are_counted_by_reason_and_the_rest_is_delivered():
    """F13."""
    stream, ledger = a_stream()
    for _ in range(10):
        stream.add(event(), 20, 0.0)
    _, now = next_send(stream, 0.0)
    settle(stream, Accepted(None, too_old=2, expired=1, too_new=3), now)
    assert ledger.rejected == {"too_old": 2, "expired": 1, "too_new": 3}
    assert (ledger.delivered, ledger.pending, ledger.pending_bytes, ledger.delivered_bytes) == (4, 0, 0, 4 * 27)


def test_only_a_lost_answer_makes_delivered_events_possible_duplicates():
    stream, ledger = a_stream()
    for failure, doubled in [(Unavailable("refused", False), 0), (Unavailable("reset", True), 1)]:
        stream.add(event(), 20, 0.0)
        _, now = next_send(stream, 100.0)
        settle(stream, failure, now)
        _, now = next_send(stream, now)
        settle(stream, Accepted(None), now)
        assert ledger.possibly_duplicated == doubled


def test_an_event_that_grew_too_old_while_it_waited_is_dropped_and_counted():
    """F2: also in a batch that failed before."""
    stream, ledger = a_stream()
    stream.add(event("old"), 20, 0.0)
    stream.add(event("new", NOW_MS + 10 * HOUR_MS), 20, 0.0)
    stream.decide(1.0, NOW_MS + 10 * HOUR_MS)
    settle(stream, Throttled("t"), 1.0)
    send = stream.decide(100.0, NOW_MS + 14 * 24 * HOUR_MS + 1)
    assert texts(send) == ["new"]
    assert +ledger.dropped == {"too_old": 1}


def test_the_slow_lane_is_slower_than_the_weather_lane():
    """F21: what a person must mend is not hammered."""
    delays = []
    for failure in (Unavailable("503", True), Refused("AccessDenied", "mend it")):
        stream, _ = a_stream(jitter=lambda: 1.0)
        stream.add(event(), 20, 0.0)
        now = 1.0
        for _ in range(10):
            _, now = next_send(stream, now)
            settle(stream, failure, now)
        delays.append(next_send(stream, now)[1] - now)
    assert delays == [10.0, 60.0]


def test_a_stream_that_is_created_for_ever_is_not_hammered():
    stream, _ = a_stream(jitter=lambda: 1.0)
    stream.add(event(), 20, 0.0)
    now = 1.0
    for _ in range(10):
        _, now = next_send(stream, now)
        settle(stream, Created(), now)
    assert now > 10.0


@given(st.integers(1, 60), st.sets(st.integers(0, 59)))
def test_bisecting_delivers_the_good_events_once_in_order_and_counts_the_bad(count, bad):
    """F15."""
    stream, ledger = a_stream()
    for number in range(count):
        stream.add(event(str(number)), 20, 0.0)
    delivered, now = [], 1.0
    while not stream.is_idle:
        send, now = next_send(stream, now)
        numbers = [int(text) for text in texts(send)]
        refused = bad & set(numbers)
        settle(stream, Invalid("bad") if refused else Accepted(None), now)
        if not refused:
            delivered += numbers
    assert delivered == [n for n in range(count) if n not in bad]
    assert ledger.rejected["invalid"] == len(bad & set(range(count)))
    assert balanced(ledger)


def test_bisecting_one_bad_event_of_ten_thousand_takes_few_requests():
    stream, ledger = a_stream()
    for number in range(10_000):
        stream.add(event(str(number)), 20, 0.0)
    while not stream.is_idle:
        send, _ = next_send(stream, 1.0)
        settle(stream, Invalid("bad") if "7777" in texts(send) else Accepted(None), 1.0)
    assert ledger.requests <= 2 * 14 + 1


ANSWERS = st.sampled_from([Accepted(None), Accepted("t"), AlreadyAccepted("t"), *FAILURES, Invalid("?")])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 120)),
        st.tuples(st.just("burst"), st.integers(2, 5)),
        st.tuples(st.just("wait"), st.floats(0, 3)),
        st.tuples(st.just("answer"), ANSWERS),
        st.tuples(st.just("drop"), st.none()),
        st.tuples(st.just("hasten"), st.none()),
        st.tuples(st.just("age"), st.sampled_from([1, 100, 15 * 24])),
    ),
    max_size=80,
)


@settings(max_examples=300)
@given(STEPS, st.integers(1, 8), st.integers(1, 4), st.integers(1, 3), st.randoms(use_true_random=False))
def test_whatever_comes_no_rule_is_broken_and_the_ledger_adds_up(  # noqa: C901
    steps, max_events, rate, overlap, random
):
    """Ledger, limits, order, rate; afterwards the service recovers and all that is left is delivered."""
    stream, ledger = a_stream(max_bytes=90, max_events=max_events, rate=rate, jitter=random.random, overlap=overlap)
    now, now_ms, number, waiting, starts, stored = 0.0, NOW_MS, 0, [], [], []

    def decide():
        while isinstance(decision := stream.decide(now, now_ms), Send):
            for other in waiting:
                assert not {e.timestamp for e in other.batch} & {e.timestamp for e in decision.batch}
            waiting.append(decision)
            assert len(waiting) <= overlap
            starts.append(decision.start)
            events = list(decision.batch)
            assert 0 < len(events) <= max_events
            assert decision.batch.size_bytes <= 90
            assert events[-1].timestamp - events[0].timestamp <= 24 * HOUR_MS
            assert [e.timestamp for e in events] == sorted(e.timestamp for e in events)

    def answer(outcome):
        send = waiting.pop(random.randrange(len(waiting)))
        if isinstance(outcome, Accepted | AlreadyAccepted):
            stored.extend(send.batch)
        stream.bucket.give_back(max(now, send.start))
        stream.settle(send, outcome, now)

    for action, value in steps:
        if action == "add":
            stream.add(event(str(number), now_ms - value * HOUR_MS), 20, now)
            number += 1
        elif action == "burst":
            for _ in range(12):
                # Threads hand their records over a little out of turn.
                late = random.randrange(2)
                stream.add(event(str(number), now_ms + number // value - late), random.choice((10, 20)), now)
                number += 1
        elif action == "age":
            now_ms += value * HOUR_MS
        elif action == "wait":
            now += value
        elif action == "drop":
            if stream.lowest_level is not None:
                stream.drop(stream.lowest_level, newest=False)
        elif action == "hasten":
            stream.hasten(now)
        elif waiting:
            answer(value)
        decide()
        assert balanced(ledger)
    while not stream.is_idle:
        if waiting:
            answer(Accepted(None))
        now += 0.5
        stream.hasten(now)
        decide()
    assert ledger.pending == ledger.pending_bytes == 0
    assert balanced(ledger)
    assert len(stored) == len(set(stored)) == ledger.delivered
    assert ledger.emitted == number
    for first, following in zip(starts, starts[rate:], strict=False):
        assert following - first >= 1.0
    for timestamp in {e.timestamp for e in stored}:
        same = [int(e.message) for e in stored if e.timestamp == timestamp]
        assert same == sorted(same)


OVERLAPS = st.lists(
    st.one_of(
        st.tuples(st.just("log"), st.tuples(st.integers(1, 7), st.booleans())),
        st.tuples(st.just("log"), st.tuples(st.integers(1, 7), st.just(False))),
        st.tuples(st.just("answer"), st.tuples(st.integers(0, 3), st.just(Accepted(None)))),
        st.tuples(st.just("answer"), st.tuples(st.integers(0, 3), ANSWERS)),
        st.tuples(st.just("hasten"), st.just(())),
    ),
    max_size=40,
)


@settings(max_examples=1000)
@given(OVERLAPS, st.integers(2, 6), st.integers(2, 4))
def test_however_requests_overlap_every_event_is_read_once_in_its_order(  # noqa: C901
    steps, max_events, overlap
):
    """By timestamp, and within a millisecond as the service stored them; here all answers take long."""
    stream, ledger = a_stream(max_events=max_events, overlap=overlap)
    now, tick, number, waiting, stored = 0.0, 0, 0, [], []

    def log(count, moves_on):
        nonlocal tick, number
        for _ in range(count):
            tick += moves_on
            stream.add(event(str(number), NOW_MS + tick), 10 * (1 + number % 2), now)
            number += 1

    def answer(place, outcome):
        if waiting:
            send = waiting.pop(place % len(waiting))
            if isinstance(outcome, Accepted | AlreadyAccepted):
                stored.extend(send.batch)
            stream.settle(send, outcome, now)

    def go_on(action, value):
        nonlocal now
        # Beyond any back-off.
        now += 100.0
        {"log": log, "answer": answer, "hasten": lambda: stream.hasten(now)}[action](*value)
        while isinstance(decision := stream.decide(now, NOW_MS), Send):
            waiting.append(decision)
        assert balanced(ledger)

    end = [("hasten", ()), ("answer", (0, Accepted(None)))]
    for step in [("log", (1, False)), *end, *steps]:
        go_on(*step)
    while not stream.is_idle:
        for step in end:
            go_on(*step)
    read = [int(event.message) for event in sorted(stored, key=lambda event: event.timestamp)]
    assert read == sorted(set(read))
    assert len(read) == number - ledger.rejected["invalid"]
    assert ledger.pending == 0


def slow(overlap=3, answer_takes=0.5, **options):
    """A stream whose only answer so far took so many seconds, and its ledger."""
    stream, ledger = a_stream(overlap=overlap, **options)
    stream.add(event("first", NOW_MS - 1), 20, 0.0)
    stream.hasten(0.0)
    assert isinstance(stream.decide(0.0, NOW_MS), Send)
    settle(stream, Accepted("1"), answer_takes)
    return stream, ledger


def stored(stream):
    """All that is delivered until nothing is left, in the order in which it is stored."""
    found = []
    while not stream.is_idle:
        stream.hasten(100.0)
        for send in sends(stream, 100.0):
            found += send.batch
            stream.settle(send, Accepted(None), 101.0)
    return found


def flowing(overlap=3, answer_takes=0.5, **options):
    """A stream whose first request was accepted after so many seconds, and five full batches that wait, 1 ms apart."""
    stream, _ = slow(overlap, answer_takes, max_events=2, **options)
    for number in range(10):
        stream.add(event(str(number), NOW_MS + number // 2), 20, 1.0)
    return stream


def sends(stream, now=1.0):
    """All that goes out at this instant."""
    return list(iter(lambda: stream.decide(now, NOW_MS), None))


def test_full_batches_overlap_where_answers_take_long():
    assert [texts(send) for send in sends(flowing())] == [["0", "1"], ["2", "3"], ["4", "5"]]


def test_one_at_a_time_is_enough_where_answers_come_soon():
    assert len(sends(flowing(answer_takes=0.05))) == 1


def test_requests_that_overlap_have_no_millisecond_in_common():
    """Whichever is stored first, or has to go again: the service shows events by timestamp."""
    stream = flowing()
    (send, *others) = sends(stream)
    stream.add(event("late", NOW_MS + 4), 20, 1.0)
    for each in others:
        stream.settle(each, Accepted("2"), 2.0)
    stream.settle(send, Unavailable("503", True), 2.0)
    (again,) = sends(stream, 5.0)
    assert texts(again) == texts(send)


@pytest.mark.parametrize("outcome", [Accepted(None), Unavailable("503", True), Invalid("bad")])
def test_what_a_batch_leaves_of_its_last_millisecond_waits_until_it_is_settled(outcome):
    """Full batches overlap meanwhile. A batch that has to go again does so before its rest."""
    stream, ledger = slow(max_events=4)
    for number in range(18):
        stream.add(event(str(number), NOW_MS + number // 3), 20, 1.0)
    first, second, third = sends(stream)
    assert [texts(send) for send in (first, second, third)] == [list("0123"), list("6789"), ["12", "13", "14", "15"]]
    stream.hasten(1.0)
    assert not stream.is_settled_up_to(first.batch.first_number + 4)
    for send, what in ((second, Accepted(None)), (third, Accepted(None)), (first, outcome)):
        stream.settle(send, what, 1.5)
    rest = []
    while not stream.is_idle:
        (send,) = sends(stream, 100.0)
        rest += texts(send)
        stream.settle(send, Accepted(None), 100.5)
    assert rest == ([] if isinstance(outcome, Accepted) else list("0123")) + ["4", "5", "10", "11", "16", "17"]
    assert ledger.pending == 0


def test_what_stood_aside_goes_before_what_came_later_in_the_same_millisecond():
    """Also where that is in a batch already, which was closed to see whether it may overlap."""
    stream, _ = slow(max_events=4)
    for number in range(5):
        stream.add(event(str(number), NOW_MS), 20, 1.0)
    (first,) = sends(stream)
    for number in range(5, 9):
        stream.add(event(str(number), NOW_MS), 20, 1.0)
    assert sends(stream) == []
    sent = texts(first)
    stream.settle(first, Accepted(None), 1.5)
    sent += [each.message for each in stored(stream)]
    assert sent == [str(number) for number in range(9)]


def test_what_a_batch_leaves_of_its_last_millisecond_goes_with_it_where_it_is_too_old():
    stream, ledger = slow(max_events=4)
    for number in range(6):
        stream.add(event(str(number), NOW_MS), 20, 1.0)
    stream.hasten(1.0)
    assert stream.decide(1.0, NOW_MS + 15 * 24 * HOUR_MS) is None
    assert (+ledger.dropped, ledger.pending) == ({"too_old": 6}, 0)


def test_a_millisecond_too_long_for_a_batch_is_sent_one_by_one():
    stream, _ = slow(max_events=4)
    for number in range(10):
        stream.add(event(str(number)), 20, 1.0)
    (first,) = sends(stream)
    settle(stream, Accepted(None), 1.5)
    (second,) = sends(stream, 1.5)
    assert texts(first) + texts(second) == [str(number) for number in range(8)]


@pytest.mark.parametrize(
    ("limits", "arrivals"),
    [
        # As when a record is split: its parts share a millisecond, and are more than two requests hold.
        ({"max_bytes": 4 * 27}, [(0, 20)] * 12),
        # Of one level too much waits to stand aside, of the other not.
        ({"max_events": 4}, [(0, 20)] * 4 + [(0, 10), (0, 20)] * 3 + [(0, 10)] * 5),
        # Threads that log at once hand their records over a little out of turn.
        ({"max_events": 4}, [(0, 20)] * 5 + [(1, 20), (0, 20)] + [(2, 20)] * 6),
        ({"max_events": 4}, [(0, 20)] * 4 + [(1, 20), (0, 10), (0, 20), (0, 10)] + [(2, 20)] * 6),
    ],
)
def test_what_stands_aside_keeps_its_place_among_others_of_its_millisecond(limits, arrivals):
    stream, ledger = slow(**limits)
    for number, (ms, level) in enumerate(arrivals):
        stream.add(event(str(number), NOW_MS + ms), level, 1.0)
    found = [(e.timestamp, int(e.message)) for e in stored(stream)]
    assert sorted(found, key=lambda e: e[0]) == sorted(found)
    assert ledger.pending == 0


def test_what_tells_of_a_loss_is_waited_for_where_it_stands_aside():
    """It has the number of what was lost, lower than all in the batch that is on its way."""
    stream, _ = slow(max_events=4)
    for ms in (0, 1):
        for _ in range(4):
            stream.add(event("x", NOW_MS + ms), 20, 1.0)
    first, second = sends(stream)
    lost = event("lost", NOW_MS + 2)
    number = lost.numbers[0]
    stream.add(lost, 20, 1.0)
    stream.drop(20, newest=False)
    # Shares a millisecond with the first: closed, it waits until that one is settled.
    for ms in (0, 2, 2, 2):
        stream.add(event("x", NOW_MS + ms), 20, 1.0)
    assert sends(stream) == []
    stream.settle(second, Accepted(None), 1.5)
    loss = stream.take_loss()
    stream.insert(Events.of([Event(loss.last_ms, b"told", loss.last_number)]), float("inf"), 1.5)
    stream.settle(first, Accepted(None), 1.5)
    (third,) = sends(stream, 1.5)
    assert third.rest
    assert not stream.is_settled_up_to(number)


def test_what_stands_aside_waits_no_longer_for_what_comes_later():
    """A flush asks once, and may do so while it stands aside."""
    stream, _ = slow(max_events=4)
    for number in range(5):
        stream.add(event(str(number)), 20, 1.0)
    (send,) = sends(stream)
    stream.hasten(1.1)
    stream.add(event("later", NOW_MS + 1), 20, 1.2)
    stream.settle(send, Accepted(None), 1.3)
    send = stream.decide(1.3, NOW_MS)
    assert isinstance(send, Send), send
    assert texts(send) == ["4", "later"]


def test_nothing_overlaps_once_an_endpoint_insists_on_sequence_tokens():
    """All but one of those under way are refused, and go again one by one, in order, each with its token."""
    stream = flowing()
    first, second, third = sends(stream)
    assert [send.token for send in (first, second, third)] == ["1", "1", "1"]
    stream.settle(third, StaleToken("2"), 1.1)
    stream.settle(first, Accepted("2"), 1.2)
    stream.settle(second, StaleToken("2"), 1.3)
    (again,) = sends(stream, 1.3)
    assert (texts(again), again.token) == (["2", "3"], "2")
    stream.settle(again, Accepted("3"), 1.8)
    (last,) = sends(stream, 1.8)
    assert (texts(last), last.token) == (["4", "5"], "3")


@pytest.mark.parametrize("failure", FAILURES)
def test_in_trouble_one_request_at_a_time_is_enough(failure):
    stream = flowing()
    first, second, third = sends(stream)
    stream.settle(second, failure, 1.2)
    assert sends(stream, 100.0) == []
    stream.settle(first, failure, 100.0)
    stream.settle(third, failure, 100.0)
    (again,) = sends(stream, 200.0)
    assert texts(again) == texts(first)


def test_halves_of_a_batch_keep_their_order_whatever_the_order_of_arrival():
    stream, _ = a_stream()
    for text, timestamp in (("d", 3), ("b", 2), ("c", 2), ("a", 1)):
        stream.add(event(text, NOW_MS + timestamp), 20, 0.0)
    next_send(stream, 0.0)
    settle(stream, Invalid("bad"), 1.0)
    assert texts(next_send(stream, 1.0)[0]) == ["a", "b"]
    settle(stream, Unavailable("503", True), 1.0)
    assert texts(next_send(stream, 1.0)[0]) == ["a", "b"]


def test_a_stream_made_anew_gets_no_token_of_the_old_one():
    """F17: after Created the token of the deleted stream must not be sent."""
    stream, _ = a_stream()
    stream.add(event(), 20, 0.0)
    _, now = next_send(stream, 0.0)
    settle(stream, Accepted("1"), now)
    stream.add(event(), 20, now)
    send, now = next_send(stream, now)
    assert send.token == "1"
    settle(stream, Created(), now)
    assert next_send(stream, now)[0].token is None


def test_a_lost_answer_makes_only_its_own_batch_a_possible_duplicate():
    """What is delivered after the batch in doubt is not in doubt."""
    stream, ledger = a_stream()
    now = 0.0
    for outcomes in ([Unavailable("reset", True), Accepted(None)], [Accepted(None)]):
        stream.add(event(), 20, now)
        for outcome in outcomes:
            _, now = next_send(stream, now)
            settle(stream, outcome, now)
        assert ledger.possibly_duplicated == 1


@pytest.mark.parametrize("failure", [Unavailable("503", True), Refused("No", "mend")])
def test_a_success_makes_back_off_begin_anew(failure):
    """F20, F21: the first failure after a success waits as long as the very first one, in both lanes."""
    stream, _ = a_stream(jitter=lambda: 1.0)
    now, delays = 0.0, []
    for _ in range(2):
        stream.add(event(), 20, now)
        _, now = next_send(stream, now)
        for _ in range(3):
            settle(stream, failure, now)
            before, now = now, next_send(stream, now)[1]
            delays.append(now - before)
        settle(stream, Accepted(None), now)
    assert delays == [0.5, 1.0, 2.0] * 2


@pytest.mark.parametrize("outcome", [Created(), StaleToken("7"), AskAgain("400")])
def test_a_first_stale_token_or_creation_costs_no_waiting(outcome):
    """F17: nothing is wrong with the service then, so the next try follows at once."""
    stream, _ = a_stream()
    stream.add(event(), 20, 0.0)
    _, now = next_send(stream, 0.0)
    settle(stream, outcome, now)
    assert next_send(stream, now)[1] == now


def test_a_missing_stream_and_two_questions_are_all_asked_at_once():
    """A stream that is missing, a compression and an entity that are refused: nobody need wait for these answers."""
    stream, ledger = a_stream(jitter=lambda: 1.0)
    stream.add(event("kept"), 20, 0.0)
    _, now = next_send(stream, 0.0)
    for outcome in (AskAgain("400"), AskAgain("400"), Created()):
        settle(stream, outcome, now)
        send, at = next_send(stream, now)
        assert (at, [each.message for each in send.batch]) == (now, ["kept"])
    assert (ledger.retries, ledger.last_error, stream.is_failing) == (3, "400", False)


def test_a_client_that_asks_without_end_does_not_become_a_hot_loop():
    """After the fourth question in a row it backs off as after any failure."""
    stream, _ = a_stream(jitter=lambda: 1.0)
    stream.add(event(), 20, 0.0)
    _, now = next_send(stream, 0.0)
    waits = []
    for _ in range(6):
        settle(stream, AskAgain("400"), now)
        before, now = now, next_send(stream, now)[1]
        waits.append(now - before)
    assert waits == [0.0] * 4 + [0.5, 1.0]


def test_an_entity_that_was_not_taken_costs_no_event_and_is_counted():
    """The service took the events: that is what counts for the ledger."""
    stream, ledger = a_stream()
    stream.add(event(), 20, 0.0)
    settle(stream, Accepted(None, entity_rejected=True), next_send(stream, 0.0)[1])
    assert (ledger.delivered, ledger.pending, ledger.entity_rejected) == (1, 0, 1)
    assert ledger.snapshot(0, 0).entity_rejected == 1


def test_a_throttled_stream_counts_it_and_makes_the_interval_longer():
    """F20: fewer, fuller requests; an accepted one takes a tenth off again."""
    interval = SendInterval(1.0)
    stream, ledger = a_stream(interval=interval)
    stream.add(event(), 20, 0.0)
    _, now = next_send(stream, 0.0)
    settle(stream, Throttled("ThrottlingException"), now)
    assert (ledger.throttled, ledger.last_error) == (1, "ThrottlingException")
    _, now = next_send(stream, now)
    settle(stream, Accepted(None), now)
    assert (ledger.throttled, interval.seconds) == (1, 1.8)


def test_a_process_that_has_been_there_is_throttled_for_long_and_its_interval_does_not_show_it():
    """Not how often it was throttled counts, but that it was: an outage makes no process slow."""
    interval = SendInterval(1.0)
    stream, _ = a_stream(interval=interval)
    stream.add(event(), 20, 0.0)
    _, now = next_send(stream, 0.0)
    settle(stream, Accepted(None), now)
    stream.add(event(), 20, now)
    _, now = next_send(stream, now)
    _, now = fail(stream, [THROTTLED] * 20, now)
    settle(stream, Accepted(None), now)
    assert interval.seconds == 1.8


SHARE = 15.0


def after_an_outage(is_shared=True, throttled=0):
    """A stream whose put was taken after a minute of failures. What came meanwhile goes at once, in a second put."""
    interval = SendInterval(1.0)
    stream, _ = a_stream(interval=interval)
    interval.taken(0.0, 0.0, times=0)
    if is_shared:
        for at in (1.0, 2.0):
            interval.taken(at, at, times=1)
        interval.seconds = SHARE
    stream.add(event("failed"), 20, 10.0)
    _, now = next_send(stream, 10.0)
    stream.add(event("meanwhile"), 20, now)
    _, now = fail(stream, [Unavailable("503", True)] * 20 + [THROTTLED] * throttled, now)
    settle(stream, Accepted(None), now)
    second, at = next_send(stream, now)
    assert (texts(second), at) == (["meanwhile"], now)
    return stream, interval, now


def test_the_second_put_after_an_outage_asks_as_often_as_the_first():
    """Its events are as old. In a fleet the quota must be used until the last of them is taken."""
    stream, _, now = after_an_outage()
    for _ in range(3):
        settle(stream, THROTTLED, now)
        before, now = now, next_send(stream, now)[1]
        assert 2.0 <= now - before <= 4.0
    settle(stream, Accepted(None), now)
    stream.add(event(), 20, now)
    _, now = next_send(stream, now)
    settle(stream, THROTTLED, now)
    assert next_send(stream, now)[1] - now > 4.0


def test_who_has_caught_up_first_leaves_a_turn_to_those_who_have_not():
    """F67: each of them needs two puts. The first to have both would use the quota that the last ones wait for."""
    stream, interval, now = after_an_outage()
    settle(stream, Accepted(None), now)
    stream.add(event(), 20, now)
    _, later = next_send(stream, now)
    assert later == pytest.approx(now + interval.seconds + LEAVES_MOST)
    settle(stream, Accepted(None), later)
    stream.add(event(), 20, later)
    assert next_send(stream, later)[1] == pytest.approx(later + interval.seconds)


def test_what_is_urgent_leaves_no_turn():
    stream, _, now = after_an_outage()
    settle(stream, Accepted(None), now)
    stream.add(event(), 40, now)
    stream.hasten(now)
    assert next_send(stream, now)[1] == now


def test_who_has_caught_up_late_leaves_no_turn():
    """It has waited for an interval since the service was back: half of the others have caught up before it."""
    stream, interval, now = after_an_outage(throttled=8)
    settle(stream, Accepted(None), now)
    stream.add(event(), 20, now)
    assert next_send(stream, now)[1] == pytest.approx(now + interval.seconds)


def test_who_does_not_share_the_quota_leaves_no_turn():
    stream, _, now = after_an_outage(is_shared=False)
    settle(stream, Accepted(None), now)
    stream.add(event(), 20, now)
    assert next_send(stream, now)[1] == now + 1.0


def test_a_batch_too_old_by_now_gives_its_place_to_none_that_may_not_overlap():
    """Only what was looked at is known to share no millisecond with what is on its way."""
    stream, ledger = slow(max_events=2)
    for message, timestamp in [("a", 0), ("b", 1), ("old", -5), ("old", -5), ("c", 1), ("d", 1)]:
        stream.add(event(message, NOW_MS + timestamp), 20, 1.0)
    assert texts(stream.decide(1.0, NOW_MS)) == ["a", "b"]
    assert stream.decide(1.0, NOW_MS + 14 * 24 * HOUR_MS - 1) is None
    assert +ledger.dropped == {"too_old": 2}


def test_fresh_events_are_not_forgotten_when_all_that_was_taken_over_is_too_old():
    """Nobody asks the stream again by itself: it has to say when."""
    stream, ledger = a_stream(shelves=Shelves)
    stream.add(event(), 20, 0.0)
    assert stream.decide(0.1, NOW_MS) == Wait(1.0)
    stream.inherit(left_on_disk(NOW_MS - 15 * 24 * HOUR_MS), Numbers(FIRST_RECOVERED), 0.1)
    ledger.recover(1)
    asked_again = stream.decide(0.1, NOW_MS)
    assert asked_again == Wait(0.1)
    assert stream.decide(0.1, NOW_MS) == Wait(1.0)
    assert isinstance(stream.decide(1.0, NOW_MS), Send)


def test_a_stream_that_always_has_something_waiting_keeps_few_notes_of_when_it_came():
    """A busy stream may never be empty, and lives as long as its process."""
    stream, _ = a_stream(shelves=Shelves)
    now = 0.0
    for _ in range(200):
        now += 1.0
        stream.add(event("x", NOW_MS + int(now * 1000)), 20, now)
        stream.add(event("x", NOW_MS + int(now * 1000)), 20, now + 0.5)
        _, at = next_send(stream, now)
        settle(stream, Accepted(None), at)
    assert len(stream.shelves._arrivals) <= 4
    assert stream.shelves.waits_since >= now - 1.0 or stream.shelves.waits_since == float("inf")


def test_a_batch_whose_answer_may_still_come_is_not_set_aside():
    """The late answer would find nothing to settle, and the batch would be delivered twice."""

    class Place:
        def settle(self, parcel, ids, count):
            ledger.store(-count)

    stream, ledger = a_stream(shelves=Shelves)
    stream.add(event(), 20, 0.0)
    send, at = next_send(stream, 0.0)
    batch = send.batch
    batch.stored = (
        Parcel(
            Place(),
            Target("g", "s"),
            2,
            ((0, 0),),
            size_bytes=27,
            span_ms=(NOW_MS, NOW_MS),
            numbers=batch.columns.numbers,
        ),
    )
    ledger.store(1)
    stream.presume_lost(at + 3.0)
    stream.shelves.set_aside(Numbers(1))
    stream.settle(send, Accepted(None), at + 4.0)
    assert (ledger.delivered, ledger.possibly_duplicated, ledger.pending) == (1, 0, 0)
    assert stream.is_idle


def test_what_is_in_memory_is_shown_and_whether_it_may_be_stored():
    """For who is told of it at the end of the process: a request without an answer may have arrived."""
    stream, _ = a_stream(max_events=1)
    stream.add(event("asked"), 20, 0.0)
    send, now = next_send(stream, 0.0)
    stream.add(event("waits"), 40, now)
    shown = [(each.message, batch.level_at(0), may) for batch, may in stream.in_memory() for each in batch]
    assert shown == [("asked", 20, True), ("waits", 40, False)]
    stream.settle(send, Unavailable("refused", ambiguous=False), now)
    assert [may for _, may in stream.in_memory()] == [False, False]


def test_what_is_in_memory_is_not_all_gone_through_again_for_what_is_new():
    """Thousands of records may come one after another when the process ends, each of which asks."""
    stream, _ = a_stream()
    for _ in range(1000):
        stream.add(event("x" * 1000), 20, 0.0)
    new = event("new")
    (number,) = new.numbers
    stream.add(new, 20, 0.0)
    assert sum(len(batch) for batch, _ in stream.in_memory()) == 1001
    ((batch, _),) = stream.in_memory(above=number - 1)
    assert [each.message for each in batch][-1] == "new"
    assert not list(stream.in_memory(above=number))


@pytest.mark.parametrize("shelves", [None, Shelves])
def test_a_stream_that_nobody_needs_any_more_is_gone_at_once(shelves):
    """A program may have switched the garbage collector off, and use thousands of streams in turn."""
    gc.disable()
    try:
        stream, _ = a_stream(shelves=shelves)
        stream.add(event(), 20, 0.0)
        send, now = next_send(stream, 0.0)
        stream.settle(send, Accepted(None), now)
        age_limit = weakref.ref(stream._shared.age_limit)
        del stream, send
        assert age_limit() is None
    finally:
        gc.enable()
