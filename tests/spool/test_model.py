"""A short run of the model, and programs in which it has found something. The long run is `tests.spool.model`."""

import random

import pytest

from . import model

ANY = random.randrange(10**9)


@pytest.mark.parametrize("first", [1, 100_000, pytest.param(ANY, id="any")])
def test_nothing_stored_is_lost_or_invented_whatever_happens(first):
    """S1, S15, S27 to S31, S40: random programs, with faults of service and disk, and kills between any two calls."""
    for seed in range(first, first + 60):
        failed = model.failure(seed, model.program(seed))
        assert failed is None, f"python -m tests.spool.model --seed {seed} --examples 1: {failed}"


ROOMY = {"max_spool": 10**9, "max_bytes": 10**9, "overflow": "drop_oldest", "batch_bytes": 1_048_576}
ROOMY |= {"sync": False, "mode": "outage"}
FOUND = {
    "batches of a refusal that is looked into wait in memory": (
        {"batch_events": 100, "rate": 5},
        [
            ("start", 1),
            ("emit", 0, "b", 20, 30, 200, False),
            ("emit", 0, "b", 40, 30, 1, True),
            ("pass", 1.55),
            ("pass", 1.58),
            ("kill", 0),
        ],
    ),
    "what was sent in a batch that is not known any more is refused in another one": (
        {"batch_events": 10_000, "rate": None, "batch_bytes": 20_000},
        [
            ("start", 3018252063),
            ("pass", 3.814750353697435),
            ("die", 3, 20, False),
            ("emit", 3, "a", 20, 30, 200, True),
            ("pass", 0.2921810894795979),
            ("service", "hangs"),
            ("start", 1174476825),
            ("emit", 5, "a", 40, 200, 200, False),
            ("exit", 5, 2.0),
        ],
    ),
    "of a batch one event was written by its caller, the others found no room": (
        {"batch_events": 10_000, "rate": None, "batch_bytes": 2_000, "mode": "always", "max_spool": 100_000},
        [
            ("start", 3715289178),
            ("service", "503"),
            ("emit", 0, "a", 40, 1, 20, False),
            ("emit", 3, "a", 10, 3, 20, False),
            ("pass", 65.38843120614129),
        ],
    ),
    "a file was read while its callers still wrote into it": (
        {"batch_events": 100, "rate": None, "mode": "always", "max_spool": 100_000, "max_bytes": 20_000},
        [
            ("start", 4061113324),
            ("emit", 5, "a", 20, 200, 20, False),
            ("pass", 3.053633141593803),
            ("emit", 4, "b", 20, 200, 20, False),
        ],
    ),
    "a file was given up while some of its records had not been taken in": (
        {"batch_events": 10_000, "rate": None, "batch_bytes": 2_000, "mode": "always", "max_spool": 100_000}
        | {"max_bytes": 20_000, "overflow": "drop_newest"},
        [
            ("start", 2342803228),
            ("emit", 3, "a", 20, 200, 1, False),
            ("emit", 4, "a", 50, 30, 1, False),
            ("emit", 1, "a", 20, 200, 200, False),
        ],
    ),
    "a record was written in part where no area can be had": (
        {"batch_events": 100, "rate": 5, "batch_bytes": 2_000, "mode": "always"},
        [("reserve_nothing",), ("short_write", 2), ("start", 1), ("emit", 3, "b", 20, 3, 1, False), ("kill", 0)],
    ),
    "a head was written in part where no area can be had": (
        {"batch_events": 100, "rate": 5, "batch_bytes": 2_000, "mode": "always"},
        [("reserve_nothing",), ("short_write", 1), ("start", 1), ("emit", 3, "b", 20, 3, 1, False), ("kill", 0)],
    ),
    "killed while the head of an area was written": (
        {"batch_events": 100, "rate": 5, "batch_bytes": 2_000, "mode": "always"},
        [
            ("start", 54699250),
            ("start", 2543551099),
            ("die", 3, 34, False),
            ("emit", 1, "b", 40, 30, 20, False),
            ("die", 2, 7, True),
            ("emit", 5, "a", 40, 30, 200, False),
        ],
    ),
}


@pytest.mark.parametrize("story", FOUND)
def test_programs_in_which_something_was_found(story):
    options, actions = FOUND[story]
    world = model.World(394)
    world.options.update({**ROOMY, **options})
    world.is_tight = False
    model.run_in(world, actions)


def test_the_model_notices_what_is_lost():
    """A model that never complains proves nothing."""
    world = model.World(0)
    world.options.update({**ROOMY, "batch_events": 100, "rate": None})
    world.is_tight = False
    actions = [("start", 1), ("service", "503"), ("emit", 0, "a", 20, 3, 10, False), ("pass", 4.0), ("kill", 0)]

    def lose(world):
        for path in world.disk.contents():
            world.disk.remove(path)

    with pytest.raises(model.Violation, match="are missing"):
        model.run_in(world, actions, before_the_end=lose)
