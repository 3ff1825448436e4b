"""Endpoints that refuse what goes with the events, and bad events among them: no good event is lost for either."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwlog_handler.testing import Call, Fault, Refusal, entity_refused, error, gzip_refused, throttle

from ..conftest import balanced
from .virtual import VirtualFake, World, busiest_second

ENTITY = {"keyAttributes": {"Type": "Service", "Name": "shop", "Environment": "production"}}
UNKNOWN_TYPE = {"keyAttributes": {"Type": "Servise", "Name": "shop"}}
CARRIES = {"entity": ENTITY, "compression": "gzip"}
LONG = "a text that is long enough to be worth a compression, " * 12

UNNAMED = "Something is wrong with this request"
# How an endpoint may refuse an event: it may name it, or not, or repeat words that are not its own.
BAD_EVENTS = {
    "named": lambda call: f"Value '' at 'logEvents.{place_of_bad(call)}.member.message' failed to satisfy constraint",
    "unnamed": lambda call: UNNAMED,
    "its text is repeated": lambda call: "Not valid: the entity of this customer, keyAttributes and all",
}


def place_of_bad(call):
    return next(place for place, (_, text) in enumerate(call.batch, 1) if "bad" in text)


def bad_event(words):
    return Fault(
        "bad event",
        answer=lambda call: Refusal("InvalidParameterException", BAD_EVENTS[words](call)).answer(),
        concerns=lambda call: any("bad" in text for _, text in call.batch),
    )


def carrying(concerns):
    """A refusal that does not say what it means: of compressed requests, or of those with an entity."""
    return Fault(
        "unnamed",
        answer=lambda _: Refusal("InvalidParameterException", UNNAMED).answer(),
        concerns=concerns,
    )


GZIP = {
    "taken": None,
    "400": gzip_refused(400),
    "415": gzip_refused(415),
    "unnamed": carrying(lambda call: call.content_encoding is not None),
}
ENTITIES = {
    "taken": None,
    "rejected": None,
    "refused": entity_refused("Team"),
    "unnamed": carrying(lambda call: call.entity is not None),
}


def a_world(gzip="taken", entity="taken", words=None, **options):
    fake = VirtualFake()
    for fault in (GZIP[gzip], ENTITIES[entity], words and bad_event(words)):
        if fault is not None:
            fake.fail(fault)
    carries = CARRIES | ({"entity": UNKNOWN_TYPE} if entity == "rejected" else {})
    return fake, World(fake, carries=carries, **options)


@settings(max_examples=60)
@given(
    gzip=st.sampled_from(sorted(GZIP)),
    entity=st.sampled_from(sorted(ENTITIES)),
    words=st.sampled_from(sorted(BAD_EVENTS)),
    steps=st.lists(
        st.tuples(st.sampled_from(["good", "bad", "good", "long", "throttled"]), st.sampled_from([0.0, 0.3, 3.0])),
        max_size=20,
    ),
)
def test_every_good_event_arrives_in_order_whatever_is_refused(gzip, entity, words, steps):
    fake, world = a_world(gzip, entity, words)
    good, bad = [], 0
    for number, (kind, seconds) in enumerate([*steps, ("long", 0.0), ("good", 0.0), ("long", 0.0)]):
        if kind == "throttled":
            fake.fail(throttle(), times=1)
        else:
            text = f"{number} {kind} {LONG if kind == 'long' else ''}"
            bad += kind == "bad"
            good += [text] if kind != "bad" else []
            world.log(text)
        world.run(seconds)
        assert balanced(world.stats)
    while world.stats.pending:
        # A bad event that nobody names waits until another event of its stream is accepted.
        good.append(f"good at {len(good)}")
        world.log(good[-1])
        world.run(31.0)
        assert len(good) < 200, "records are never delivered"
    assert fake.messages("g", "s") == good
    assert world.stats.rejected_by_reason == ({"invalid": bad} if bad else {})
    assert (world.stats.delivered, world.stats.possibly_duplicated) == (len(good), 0)
    assert busiest_second([call.started for call in world.calls]) <= 5


@pytest.mark.parametrize("gzip", sorted(GZIP))
@pytest.mark.parametrize("entity", sorted(ENTITIES))
def test_what_is_refused_costs_a_request_each_and_no_second(gzip, entity, capsys):
    """No event is sought for it: the same batch goes again, at once, and the next ones without what was refused."""
    fake, world = a_world(gzip, entity, requests_per_second=None)
    fake.create("g", "s")
    texts = [f"{number} {LONG}" for number in range(20)]
    for text in texts[:10]:
        world.log(text)
    world.run(1.4)
    assert fake.messages("g") == texts[:10]
    unnamed_entity = entity == "unnamed" and gzip == "taken"
    assert len(world.calls) == 1 + (gzip != "taken") + (entity in ("refused", "unnamed")) + unnamed_entity
    asked, first = len(world.calls), world.calls[-1]
    for text in texts[10:]:
        world.log(text)
    world.run(1.4)
    assert fake.messages("g") == texts
    assert len(first.messages) == 10
    # Compression is asked about once more if the entity was to blame: it was left out meanwhile.
    assert len(world.calls) <= asked + 2
    stats = world.stats
    assert (stats.delivered, stats.rejected, stats.pending) == (20, 0, 0)
    assert (stats.entity_rejected > 0) == (entity != "taken")
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "refuses a compressed request" in line][1:] == []
    assert any("refuses a compressed request" in line for line in lines) == (gzip != "taken")
    assert any("entity" in line for line in lines) == (entity != "taken")


def test_a_refusal_of_everything_keeps_everything_and_blames_nothing(capsys):
    """Then neither the entity nor the compression is to blame, and both come back with the service."""
    fake = VirtualFake()
    fake.create("g", "s")
    fake.fail(error("ValidationException", UNNAMED))
    world = World(fake, carries=CARRIES, jitter=lambda: 1.0)
    for number in range(10):
        world.log(f"{number} {LONG}")
    world.run(120.0)
    assert (world.stats.pending, world.stats.rejected) == (10, 0)
    assert len(world.calls) <= 20
    fake.clear_faults()
    world.drain()
    assert world.stats.delivered == 10
    for number in range(700):
        world.log(f"more {number} {LONG}")
    world.drain()
    last = fake.requests[-1]
    assert (last.content_encoding, last.entity) == ("gzip", ENTITY)
    assert "compressed" not in capsys.readouterr().err


def test_a_body_that_is_too_large_is_no_matter_of_the_entity(capsys):
    """A proxy says "Request Entity Too Large", and means the body."""
    fake = VirtualFake()
    fake.create("g", "s")
    fake.fail(error("413", "Request Entity Too Large", 413), when=too_large)
    world = World(fake, carries=CARRIES)
    for number in range(8):
        world.log(f"{number} {LONG}")
    world.log("the last")
    world.run(60.0)
    assert (world.stats.rejected, world.stats.delivered) == (0, 9)
    assert "entity" not in capsys.readouterr().err


def too_large(call: Call):
    return len(call.batch) > 4
