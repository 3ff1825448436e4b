"""Who is to be asked when."""

from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.core.agenda import SPARE_DATES, Agenda


def line(agenda):
    return [agenda.pop_due() for _ in range(agenda.count_due)]


def test_each_is_asked_at_its_earliest_date_and_once():
    agenda = Agenda()
    for at in (3.0, 1.0, 2.0):
        agenda.plan("a", at)
    agenda.advance(0.9)
    assert (line(agenda), agenda.next_at) == ([], 1.0)
    agenda.advance(1.0)
    agenda.advance(3.0)
    assert (line(agenda), agenda.next_at) == (["a"], None)


def test_those_that_are_due_wait_in_the_order_in_which_they_came_due():
    """With more streams than senders each gets its turn."""
    agenda = Agenda()
    for item, at in (("late", 2.0), ("early", 1.0), ("same", 2.0)):
        agenda.plan(item, at)
    agenda.advance(2.0)
    first = agenda.pop_due()
    agenda.plan(first, 2.0)
    agenda.advance(2.0)
    assert (first, line(agenda)) == ("early", ["late", "same", "early"])


def test_many_are_planned_at_once():
    """Each at its earliest date and once; who waits in the line is asked anyway."""
    agenda = Agenda()
    for item, at in (("early", 1.0), ("late", 4.0), ("in line", 0.0)):
        agenda.plan(item, at)
    agenda.advance(0.5)
    agenda.plan_all(["late", "early", "new", "in line"], 2.0)
    assert (len(agenda), agenda.next_at) == (3, 1.0)
    agenda.advance(2.0)
    assert line(agenda) == ["in line", "early", "late", "new"]
    agenda.advance(4.0)
    assert (line(agenda), agenda.next_at) == ([], None)


PLANS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.booleans()), max_size=200)


@given(PLANS)
def test_nobody_is_forgotten_nor_asked_before_its_date_and_few_dates_are_kept(plans):
    """Each is asked at its earliest date, however often it was planned for later or earlier before."""
    agenda, now, dates = Agenda(), 0, {}
    for item, at, moves_on in plans:
        agenda.plan(item, at)
        dates[item] = min(at, dates.get(item, at))
        now += moves_on
        agenda.advance(now)
        due = {item for item, date in dates.items() if date <= now}
        assert set(line(agenda)) == due
        for item in due:
            del dates[item]
        assert agenda.next_at is None or agenda.next_at <= min(dates.values(), default=agenda.next_at)
        assert len(agenda) <= 2 * max(1, len(dates)) + SPARE_DATES + 3
