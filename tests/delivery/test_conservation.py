"""The ledger as an invariant: random programs against random faults, on a virtual clock, with no thread at all.

The oracle: every record whose `put` returned is delivered once, or counted by reason; nothing is invented; the rate and
the order hold; once the faults stop, all that is left is delivered.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwlog_handler.core import outcomes

from ..conftest import balanced
from ..simulation import VirtualTime, an_endpoint, simulated, to

FAULTS = [
    outcomes.Throttled("ThrottlingException"),
    outcomes.Unavailable("refused", ambiguous=False),
    outcomes.Refused("AccessDeniedException", "allow it"),
    outcomes.Refused("ExpiredTokenException", "renew it", renew=True),
    outcomes.StaleToken("7"),
    outcomes.Created(),
    outcomes.AskAgain("the request is wrong"),
    outcomes.Invalid("no"),
    RuntimeError("a bug in a hook"),
]


class Service:
    """Does what it was told for the next requests, then accepts all."""

    def __init__(self, clock):
        self.endpoint = an_endpoint()
        self.clock, self.faults, self.stored, self.starts = clock, [], {}, {}

    def connect(self, patience=None):
        if self.faults and isinstance(self.faults[0], outcomes.Unavailable):
            return self.faults.pop(0)
        return outcomes.Connected(self.endpoint)

    def put(self, target, events, token, on_progress, patience=None, is_fresh=False):
        on_progress()
        self.starts.setdefault(target, []).append(self.clock())
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            return fault
        self.stored.setdefault(target, []).extend(events)
        return outcomes.Accepted(token)


# The service knows a stream by its group and its own name.
TARGETS = [to("a"), to("b"), to("c"), to("a", "h"), to("b", "h")]
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"), st.tuples(st.sampled_from(TARGETS), st.integers(0, 90), st.sampled_from([10, 20, 40]))
        ),
        st.tuples(st.just("wait"), st.floats(0, 5)),
        st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
    ),
    max_size=120,
)


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
@settings(max_examples=200)
@given(STEPS, st.sampled_from([None, 5, 20]), st.randoms(use_true_random=False))
def test_every_record_is_delivered_once_or_counted_whatever_fails(overflow, steps, max_count, random):  # noqa: C901
    virtual = VirtualTime()
    service = Service(virtual.monotonic)
    rounds = simulated(
        service,
        virtual.clock(),
        max_bytes=10**6,
        max_count=max_count,
        overflow=overflow,
        batch_bytes=100,
        batch_events=4,
        event_bytes=60,
        requests_per_second=2,
        jitter=random.random,
    )
    created, texts, targets = virtual.time_of_day(), {}, {}
    for action, value in steps:
        if action == "put":
            target, length, level = value
            text = f"{len(texts)}:".ljust(length, "x") if length else ""
            targets[len(texts)], texts[len(texts)] = target, text
            rounds.put(created, text, target, level)
        elif action == "wait":
            virtual.now += value
        else:
            service.faults.append(value)
        rounds.step()
        assert balanced(rounds.stats())
        assert max_count is None or rounds.stats().pending <= max_count
    service.faults.clear()
    for _ in range(2000):
        if not rounds.stats().pending:
            break
        next_at = rounds.step()
        virtual.sleep_until(next_at if next_at is not None else virtual.now + 1.0)
    stats = rounds.stats()
    assert stats.pending == stats.pending_bytes == 0
    assert balanced(stats)
    for target, events in service.stored.items():
        # Nothing twice, in order: the part of a split record that has its number comes once.
        numbers = [int(event.message.split(":")[0]) for event in events if ":" in event.message]
        assert numbers == sorted(set(numbers)), target
        assert {targets[number] for number in numbers} <= {target}
    assert stats.delivered == sum(map(len, service.stored.values()))
    for starts in service.starts.values():
        for first, following in zip(starts, starts[2:], strict=False):
            assert following - first >= 1.0
    if not stats.dropped_by_reason.get("overflow") and not stats.rejected:
        for target, events in service.stored.items():
            # Nothing lost and nothing invented: the stream is its records' texts, one after the other.
            whole = "".join(event.message for event in events)
            numbers = {int(event.message.split(":")[0]) for event in events if ":" in event.message}
            assert whole == "".join(text for number, text in texts.items() if text and number in numbers), target
