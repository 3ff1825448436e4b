"""A short run of the oracle: random programs in real processes, random faults, and every record accounted for.

The long run is ``python -m tests.oracle --minutes 10``.
"""

import copy
import random
from collections import defaultdict
from dataclasses import replace
from functools import cache

import pytest

from . import check, diary

# The first has neither spool nor kills. In 420090 the handler is the root's, where AWS's own records pass by.
# The programs of the last two have a spool and are killed, and there is no service for most of the time.
ALWAYS, OUTAGE = 53, 38
SEEDS = [43, 4, 420090, ALWAYS, OUTAGE]
ANY = random.randrange(10**6)


@cache
def observed(seed):
    return check.observe(seed, seconds=2.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*SEEDS, pytest.param(ANY, id="any")])
def test_every_record_is_delivered_once_or_counted_whatever_program_and_faults(seed):
    """F13 to F49: what holds in `oracle.check`, for some programs and for a new one each time."""
    verdict = check.judge(observed(seed))
    verdict.seed, verdict.seconds = seed, 2.0
    assert not verdict.violations, str(verdict)
    assert verdict.taken


def lose_a_record(seen):
    seen.lives[0].taken.append(diary.Taken("p/t0/lost", 1, diary.TEXT, True))
    seen.lives[0].stats["1"]["emitted"] += 1
    seen.lives[0].stats["1"]["delivered"] += 1


def lose_a_record_of_a_collected_handler(seen):
    seen.lives[0].taken.append(diary.Taken("p/t0/lost", 99, diary.TEXT, False))


def invent_a_record(seen):
    seen.lives[0].taken.remove(delivered(seen)[-1])


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
    by_voice = defaultdict(list)
    for taken in delivered(seen):
        if taken.id.startswith("p/t"):
            by_voice[taken.id.rpartition("/")[0], taken.serial].append(taken)
    first, *_, last = max(by_voice.values(), key=len)
    taken = seen.lives[0].taken
    i, j = taken.index(first), taken.index(last)
    taken[i], taken[j] = last, first


def store_a_batch_again(seen):
    # The service was well by then.
    request = [request for request in seen.requests if request.stored and not request.ordered][-1]
    seen.requests.append(replace(request, number=len(seen.requests) + 1, started=request.started + 100))


def make_eight_requests_at_once(seen):
    started = seen.requests[-1].started + 100
    seen.requests.extend(
        replace(seen.requests[-1], operation="PutLogEvents", started=started, stored=0) for _ in range(8)
    )


def killed(seen):
    return next(life for life in seen.lives if life.was_killed)


def lose_a_record_of_a_killed_program(seen, age=0.001):
    life = killed(seen)
    life.taken.append(diary.Taken("p/t0/lost", 1, diary.TEXT, True))
    life.handlers[1] = (0.2, False)
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
    place = next(place for place, request in enumerate(seen.requests) if request.stored)
    seen.requests[place] = replace(seen.requests[place], stream=f"{seen.requests[place].stream}/other")


def deliver_with_another_time(seen):
    place = next(place for place, request in enumerate(seen.requests) if request.stored)
    batch = tuple((timestamp + 1000, text) for timestamp, text in seen.requests[place].batch)
    seen.requests[place] = replace(seen.requests[place], batch=batch)


def send_again_without_a_word(seen):
    """What a killed program has sent, and perhaps did not know; whoever took it over does not count it."""
    died_at = max(life.ended_at for life in seen.lives[:-1])
    for life in seen.lives:
        for stats in (life.stats or {}).values():
            stats["possibly_duplicated"] = 0
    place = next(
        n for n, one in enumerate(seen.requests) if one.stored and one.stream.startswith(str(killed(seen).pid))
    )
    number = len(seen.requests) + 1
    again = replace(seen.requests[place], number=number, started=died_at + 2.0)
    seen.requests[place] = replace(seen.requests[place], started=died_at - 0.1)
    seen.requests.append(again)


def delivered(seen):
    stored = {text.partition(" ")[0] for request in seen.requests if request.stored for _, text in request.batch}
    return [taken for taken in seen.lives[0].taken if taken.id in stored and taken.kind == diary.TEXT]


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
    seen = observed(SEEDS[0])
    assert verdict in complaints(seen, break_it)


@pytest.mark.slow
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
    assert verdict in complaints(observed(seed), break_it)


def test_what_is_too_young_to_be_on_disk_may_be_lost():
    assert "do not survive" not in complaints(observed(OUTAGE), lose_a_record_of_a_killed_program)


def complaints(seen, break_it):
    broken = replace(seen, lives=copy.deepcopy(seen.lives), requests=list(seen.requests), output="")
    break_it(broken)
    return "\n".join(check.judge(broken).violations)
