"""Events that are added one by one are kept in another form than those that are added in columns: nobody notices."""

from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.core.backlog import Backlog
from cwlog_handler.core.batches import Rules
from cwlog_handler.core.columns import Events
from cwlog_handler.core.conversion import Records, convert
from cwlog_handler.core.events import Event
from cwlog_handler.core.loose import MOST_LOOSE
from cwlog_handler.core.targets import Target

LEVELS = st.sampled_from([10, 20, 40])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.tuples(LEVELS, st.integers(0, 3), st.integers(1, 30))),
        st.tuples(st.just("many"), st.tuples(LEVELS, st.integers(1, 2 * MOST_LOOSE))),
        st.tuples(st.just("take"), st.none()),
        st.tuples(st.just("drop"), st.booleans()),
        st.tuples(st.just("rest"), st.integers(0, 3)),
        st.tuples(st.just("store"), st.integers(1, 200)),
        st.tuples(st.just("look"), LEVELS),
    ),
    max_size=40,
)


class Both:
    """Two backlogs: events come to the one in columns of their own, to the other one by one."""

    def __init__(self, rules):
        self.packed, self.loose = Backlog(rules, keeps_levels=True), Backlog(rules, keeps_levels=True)
        self.number = 0

    def add(self, level, timestamp, length):
        self.number += 1
        event = Event(timestamp, b"x" * length, self.number)
        self.packed.append(Events.of([event]), level)
        assert self.loose.append_one(event.number, event.timestamp, event.data, level) == self.packed.has_full_batch

    def do(self, action, value):
        """Do one thing with each; return what came of it."""
        return [getattr(self, f"_{action}")(backlog, value) for backlog in (self.packed, self.loose)]

    def _take(self, backlog, _):
        if backlog.is_empty:
            return None
        batch = backlog.take()
        levels = [(level, list(numbers or ())) for level, numbers in batch.levels]
        return list(batch), batch.first_number, batch.size_bytes, levels

    def _drop(self, backlog, newest):
        level = backlog.lowest_level
        return level and (backlog.next_to_drop(level, newest), backlog.drop(level, newest))

    def _rest(self, backlog, ms):
        rest = backlog.take_rest(ms)
        backlog.put_back(rest)
        return [(level, list(events)) for level, events in rest]

    def _store(self, backlog, about_bytes):
        taken = backlog.take_to_store(about_bytes)
        if taken is None:
            return None
        level, events = taken
        first, events = events.take_first(1), events
        if len(events):
            backlog.put_back([(level, events)])
        return level, list(first)

    def _look(self, backlog, level):
        facts = backlog.is_empty, backlog.first_number, backlog.lowest_level, backlog.count_of(level)
        return facts, backlog.has_full_batch, backlog.would_close_at(1), [list(batch) for batch in backlog.in_batches()]


@given(STEPS, st.sampled_from([Rules(200, 5), Rules(10_000, 40), Rules(1_048_576, 10_000)]))
def test_events_added_one_by_one_go_the_way_of_events_in_columns(steps, rules):
    """What is taken, dropped, stored and told is the same, whatever happens in between."""
    both = Both(rules)
    for action, value in steps:
        if action == "add":
            both.add(*value)
        elif action == "many":
            level, count = value
            for _ in range(count):
                both.add(level, 1, 10)
        else:
            packed, loose = both.do(action, value)
            assert packed == loose
    while not both.packed.is_empty:
        packed, loose = both.do("take", None)
        assert packed == loose
    assert both.loose.is_empty


TARGETS = [None, *(Target("g", f"s{number}") for number in range(9))]


@given(
    st.lists(st.tuples(st.sampled_from(TARGETS), LEVELS, st.booleans(), st.text(min_size=1, max_size=5)), min_size=1),
    st.booleans(),
)
def test_events_of_many_kinds_are_those_of_their_records(made, waits):
    """Whether they come in columns of their kind or scattered: each has its target, level, place and text."""
    targets, levels, surplus, texts = map(list, zip(*made, strict=True))
    surplus = surplus if waits else [False] * len(made)
    converted = convert(Records([1.0] * len(made), texts, targets, levels, surplus), 1, 1_000, "split")
    assert converted.last_number == len(made)
    scattered = converted.scattered
    by_kind = converted.events if scattered is None else scattered.by_kind()
    expected = {}
    for number, (kind, text) in enumerate(zip(zip(targets, levels, surplus, strict=True), texts, strict=True), 1):
        expected.setdefault(kind, []).append((number, text))
    found = {tuple(kind): [(e.number, e.message) for e in events] for kind, events in by_kind.items()}
    assert found == expected
    if scattered is not None:
        assert not any(surplus)
        rows = list(scattered.events.rows())
        assert rows == [(number, 1_000, text.encode()) for number, text in enumerate(texts, 1)]
        behind = scattered.behind(len(rows) - 1)
        assert (list(behind.events.rows()), behind.targets, behind.levels) == (rows[-1:], targets[-1:], levels[-1:])
        assert list(scattered.behind(0).events.rows()) == rows
        assert scattered.behind(len(rows)) is None
