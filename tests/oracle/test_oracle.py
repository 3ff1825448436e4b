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

# In the last one the handler is the root's, where the AWS client's own records pass by.
SEEDS = [4, 8, 9, 420090]
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
    request = next(r for r in seen.requests if r.stored and not r.ordered)
    seen.requests.append(replace(request, number=len(seen.requests) + 1, started=request.started + 100))


def make_eight_requests_at_once(seen):
    started = seen.requests[-1].started + 100
    seen.requests.extend(
        replace(seen.requests[-1], operation="PutLogEvents", started=started, stored=0) for _ in range(8)
    )


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
    broken = replace(seen, lives=copy.deepcopy(seen.lives), requests=list(seen.requests), output="")
    break_it(broken)
    assert any(verdict in violation for violation in check.judge(broken).violations)
