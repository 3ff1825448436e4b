"""A short run of the oracle: random programs in real processes, random faults, and every record accounted for.

The long run is ``python -m tests.oracle --minutes 10``.
"""

import random
from dataclasses import replace

import pytest

from . import check, diary, samples
from .samples import ALWAYS, CALM, OUTAGE

# The first has neither spool nor kills. In 420090 the handler is the root's, where AWS's own records pass by.
# The programs of the last two have a spool and are killed, and there is no service for most of the time.
SEEDS = [CALM, 4, 420090, ALWAYS, OUTAGE]
ANY = random.randrange(10**6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*SEEDS, pytest.param(ANY, id="any")])
def test_every_record_is_delivered_once_or_counted_whatever_program_and_faults(seed):
    """F13 to F49: what holds in `oracle.check`, for some programs and for a new one each time."""
    verdict = check.run(seed, seconds=2.0)
    assert not verdict.violations, str(verdict)
    assert verdict.taken


def lose_a_record(seen):
    seen.lives[0].taken.append(diary.Taken("p/t0/lost", 1, diary.TEXT, True))
    seen.lives[0].stats["1"]["emitted"] += 1
    seen.lives[0].stats["1"]["delivered"] += 1


def lose_a_record_of_a_collected_handler(seen):
    seen.lives[0].taken.append(diary.Taken("p/t0/lost", 99, diary.TEXT, False))


def invent_a_record(seen):
    del seen.lives[0].taken[-1]


def count_an_overflow_twice(seen):
    seen.lives[0].stats["1"]["emitted"] += 1
    seen.lives[0].stats["1"]["dropped_by_reason"]["overflow"] = 1


def forget_a_counter(seen):
    seen.lives[0].stats["1"]["delivered"] -= 1


def end_without_a_report(seen):
    seen.lives[0].stats = None


def leave_records_and_say_nothing(seen):
    stats = seen.lives[0].stats["1"]
    stats["pending"], stats["delivered"] = stats["pending"] + 1, stats["delivered"] - 1


def take_a_record_of_our_own_tools(seen):
    seen.lives[0].taken.append(diary.Taken("p/botocore/0", 1, "foreign", True))


def swap_two_records(seen):
    taken = seen.lives[0].taken
    taken[0], taken[-1] = taken[-1], taken[0]


def store_a_batch_again(seen):
    last = seen.requests[-1]
    seen.requests.append(replace(last, number=last.number + 1, started=last.started + 1.0))


def make_eight_requests_at_once(seen):
    again = replace(seen.requests[-1], batch=(), events=0, stored=0)
    seen.requests.extend(replace(again, number=number) for number in range(3, 11))


def lose_a_record_of_a_killed_program(seen, age=0.001):
    life = seen.lives[0]
    life.taken.append(diary.Taken("p/t0/lost", 1, diary.TEXT, True))
    life.returned["p/t0/lost"] = life.ended_at - age


def lose_an_old_record_of_a_killed_program(seen):
    lose_a_record_of_a_killed_program(seen, age=4.0)


def recover_what_is_not_there(seen):
    seen.lives[-1].stats["1"]["recovered"] += 1


def count_something_corrupt(seen):
    stats = seen.lives[-1].stats["1"]
    stats["recovered"] += 1
    stats["dropped_by_reason"]["corrupt"] = 1


def deliver_to_another_stream(seen):
    seen.requests[0] = replace(seen.requests[0], stream=f"{samples.PID}/other")


def deliver_with_another_time(seen):
    batch = tuple((timestamp + 1000, text) for timestamp, text in seen.requests[0].batch)
    seen.requests[0] = replace(seen.requests[0], batch=batch)


def send_again_without_a_word(seen):
    """What a killed program has sent, and perhaps did not know; whoever took it over does not count it."""
    first, second = seen.requests
    first = replace(first, started=samples.DIED - 0.1)
    seen.requests[:] = [first, second, replace(first, number=3, started=samples.DIED + 6.0)]
    stats = seen.lives[-1].stats["1"]
    stats["recovered"], stats["delivered"] = 20, 20


@pytest.mark.parametrize(
    ("break_it", "verdict"),
    [
        (lose_a_record, "were never stored"),
        (lose_a_record_of_a_collected_handler, "of collected handlers were lost"),
        (invent_a_record, "were invented"),
        (count_an_overflow_twice, "and counted"),
        (forget_a_counter, "do not balance"),
        (end_without_a_report, "never reported"),
        (leave_records_and_say_nothing, "nobody said so"),
        (take_a_record_of_our_own_tools, "of their own tools"),
        (swap_two_records, "out of order"),
        (store_a_batch_again, "were stored again"),
        (make_eight_requests_at_once, "requests in a second"),
    ],
)
def test_the_oracle_notices(break_it, verdict):
    """An oracle that never complains proves nothing."""
    assert any(verdict in complaint for complaint in complaints(samples.calm(), break_it))


@pytest.mark.parametrize(
    ("seed", "break_it", "verdict"),
    [
        (ALWAYS, lose_a_record_of_a_killed_program, "do not survive its kill"),
        (OUTAGE, lose_an_old_record_of_a_killed_program, "do not survive its kill"),
        (ALWAYS, recover_what_is_not_there, "do not balance"),
        (ALWAYS, count_something_corrupt, "lost as 'corrupt'"),
        (ALWAYS, deliver_to_another_stream, "in the wrong place"),
        (ALWAYS, deliver_with_another_time, "in the wrong place"),
        (ALWAYS, send_again_without_a_word, "counted as possibly duplicated"),
    ],
)
def test_the_oracle_notices_what_a_kill_must_not_cost(seed, break_it, verdict):
    assert any(verdict in complaint for complaint in complaints(samples.killed(seed), break_it))


@pytest.mark.parametrize("seed", [ALWAYS, OUTAGE])
def test_the_oracle_has_no_complaint_where_all_is_well(seed):
    assert check.judge(samples.calm()).violations == []
    assert check.judge(samples.killed(seed)).violations == []


def test_what_is_too_young_to_be_on_disk_may_be_lost():
    assert complaints(samples.killed(OUTAGE), lose_a_record_of_a_killed_program) == []


def test_what_the_machine_gave_no_time_to_write_may_be_lost():
    def lose_a_record_of_a_program_that_was_not_let_run(seen):
        lose_an_old_record_of_a_killed_program(seen)
        seen.lives[0].late = 1.0

    assert complaints(samples.killed(OUTAGE), lose_a_record_of_a_program_that_was_not_let_run) == []


def drop_what_a_collected_handler_has_left(seen):
    seen.lives[0].taken.append(diary.Taken("p/t0/old", 99, diary.OLD, False))
    stats = seen.lives[-1].stats["1"]
    stats["recovered"] += 1
    stats["dropped_by_reason"]["too_old"] = 1


def test_who_takes_over_may_drop_what_is_too_old_of_a_handler_that_does_not_report():
    assert complaints(samples.killed(ALWAYS), drop_what_a_collected_handler_has_left) == []


@pytest.mark.parametrize("is_known", [False, True])
def test_what_was_stored_without_an_answer_may_find_no_room_and_nothing_else_that_was_stored(is_known):
    def find_no_room(seen):
        seen.plan.is_small = True
        if not is_known:
            seen.requests[1] = replace(seen.requests[1], answer="ServiceUnavailableException", ordered=True)
        stats = seen.lives[0].stats["1"]
        stats["delivered"], stats["dropped_by_reason"]["spool_full"] = 10, 10

    found = complaints(samples.calm(), find_no_room)
    assert bool(found) == is_known, found


def complaints(seen, break_it):
    broken = samples.changeable(seen)
    break_it(broken)
    return check.judge(broken).violations
