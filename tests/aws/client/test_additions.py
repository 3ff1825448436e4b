"""What a put carries beside its events, entity and compression: how it is sent, and what a refusal of it comes to."""

import gzip
import json
import random
from dataclasses import replace
from unittest import mock

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from cwlog_handler.aws import errors
from cwlog_handler.aws.additions import AT_ONCE, SMALLEST_COMPRESSED, Additions
from cwlog_handler.aws.entity import checked
from cwlog_handler.core import advice
from cwlog_handler.core.batches import Batch
from cwlog_handler.core.outcomes import Accepted, AskAgain, Created, Invalid, Refused, Throttled, Unavailable
from cwlog_handler.core.targets import Target
from cwlog_handler.testing import (
    Ending,
    FakeCloudWatchLogs,
    Fault,
    Refusal,
    access_denied,
    entity_refused,
    entity_rejected,
    error,
    gzip_refused,
    server_error,
    throttle,
    truncated_answer,
)
from cwlog_handler.testing.answers import foreign

from .subject import NOW, Subject, answering_json, event

ENTITY = {"keyAttributes": {"Type": "Service", "Name": "shöp", "Environment": "production"}}
LONG = "a text that is long enough to be worth a compression, " * 20
UNNAMED = error("InvalidParameterException", "Something is wrong with this request.")
# A put of the program's own.
PLAIN = {"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": NOW, "message": LONG}]}
# What a proxy answers by itself, in the service's place.
PAGE = Fault("page", answer=lambda _: replace(foreign(b"<h1>Bad Request</h1>", "text/html", "page"), status=400))


@pytest.fixture(params=["own client", "user's client"])
def subject(request, ready):
    """Make a client with additions on the fake, over HTTP with a client of our own, or in-process with a user's."""
    if request.param == "user's client":
        yield lambda **options: Subject(ready.client(), **options)
        return
    with ready.serve() as url:
        yield lambda **options: Subject(endpoint_url=url, **options)


def carried(fake):
    """What each put had: its coding, whether it had an entity, and how it was answered."""
    return [
        (r.content_encoding, r.entity is not None, r.answer) for r in fake.requests if r.operation == "PutLogEvents"
    ]


def batch(*texts):
    return Batch.of([event(text) for text in texts])


def put(subject, of):
    """Send this very batch, as a stream does that sends it again."""
    return subject.client.put(Target("g", "s"), of, None, lambda: None)


# -- how it is sent


def test_an_entity_goes_with_every_put(ready, subject):
    """Also with a boto3 that is too old to know it: the body has it."""
    client = subject(entity=ENTITY)
    assert [client.put(), client.put()] == [Accepted(None)] * 2
    assert [request.entity for request in ready.requests] == [ENTITY] * 2
    assert ready.messages("g") == ["hello"] * 2


def test_a_long_body_goes_compressed_and_a_short_one_plain(ready, subject):
    """Both are understood; the header says which is which."""
    client = subject(compression="gzip")
    client.put(event(LONG))
    client.put(event("short"))
    assert carried(ready) == [("gzip", False, "accepted"), (None, False, "accepted")]
    assert ready.messages("g") == [LONG, "short"]
    assert ready.requests[0].wire_bytes < ready.requests[0].size_bytes / 4


def test_the_limit_is_the_length_of_the_body_before_compression(ready, subject):
    client = subject(compression="gzip")
    client.put(event("x"))
    room = SMALLEST_COMPRESSED - ready.requests[0].wire_bytes + 1
    client.put(event("x" * (room - 1)))
    client.put(event("x" * room))
    assert [request.content_encoding for request in ready.requests] == [None, None, "gzip"]


def test_what_compression_makes_no_smaller_goes_plain():
    noise, headers = random.Random(0).randbytes(SMALLEST_COMPRESSED), {}
    put_of_noise = Additions("g", lambda *_: None, compression="gzip").for_put(Target("g", "s"), batch("x"))
    assert put_of_noise.compressed(noise, headers) == noise
    assert (headers, put_of_noise.is_compressed) == ({}, False)


def test_the_coding_is_signed_with_the_body_as_it_is_sent(ready):
    """Signed plain and sent compressed, the service would refuse the signature."""
    seen = []
    boto3_client = ready.client()

    def look(request, **_):
        body = request.body if isinstance(request.body, bytes) else request.body.read()
        seen.append((request.headers["Authorization"].decode(), request.headers["Content-Length"], body))

    boto3_client.meta.events.register_first("before-send.cloudwatch-logs.PutLogEvents", look)
    Subject(boto3_client, compression="gzip", entity=ENTITY).put(event(LONG))
    ((authorization, length, body),) = seen
    assert "content-encoding;" in authorization
    assert int(length) == len(body) == ready.requests[0].wire_bytes
    assert json.loads(gzip.decompress(body))["entity"] == ENTITY


def test_the_format_header_goes_with_both(ready, subject):
    subject(compression="gzip", entity=ENTITY, log_format="json/emf").put(event(LONG))
    (request,) = ready.requests
    assert (request.log_format, request.content_encoding, request.entity) == ("json/emf", "gzip", ENTITY)


def test_the_hooks_of_a_clients_owner_see_the_whole_request_in_plain_text(ready):
    """They may be registered before ours, or after."""
    boto3_client, bodies = ready.client(), []
    look = lambda params, **_: bodies.append(json.loads(params["body"]))  # noqa: E731
    look_too = lambda params, **_: look(params)  # noqa: E731
    boto3_client.meta.events.register("before-call.cloudwatch-logs.PutLogEvents", look)
    client = Subject(boto3_client, compression="gzip")
    client.put(event(LONG))
    boto3_client.meta.events.register("before-call.cloudwatch-logs.PutLogEvents", look_too)
    client.put(event(LONG))
    assert [body["logEvents"][0]["message"] for body in bodies] == [LONG] * 3
    assert carried(ready) == [("gzip", False, "accepted")] * 2


def test_a_body_that_its_owner_has_compressed_is_left_alone(ready):
    """Twice compressed it would be unreadable, and an entity cannot be put into it."""
    boto3_client = ready.client()

    def compress(params, **_):
        # Level 0 makes it no smaller: ours would still find something to compress.
        params["body"] = gzip.compress(params["body"], compresslevel=0)
        params["headers"]["Content-Encoding"] = "gzip"

    boto3_client.meta.events.register_first("before-call.cloudwatch-logs.PutLogEvents", compress)
    assert Subject(boto3_client, compression="gzip", entity=ENTITY).put(event(LONG)) == Accepted(None)
    assert carried(ready) == [("gzip", False, "accepted")]
    assert ready.messages("g") == [LONG]


def test_a_mock_gets_the_entity_as_a_keyword_and_nothing_compressed():
    stand_in = mock.Mock(spec=["put_log_events"])
    assert Subject(stand_in, entity=ENTITY, compression="gzip").put(event(LONG)) == Accepted(None)
    assert stand_in.put_log_events.call_args.kwargs["entity"] == ENTITY


def test_other_calls_of_a_shared_client_carry_nothing(ready):
    """The client is the program's: its own puts stay as they are."""
    boto3_client = ready.client()
    Subject(boto3_client, entity=ENTITY, compression="gzip").put(event(LONG))
    Subject(boto3_client).put(event(LONG))
    boto3_client.put_log_events(**PLAIN)
    assert carried(ready) == [("gzip", True, "accepted")] + [(None, False, "accepted")] * 2


# -- the service takes the events without the entity


@pytest.mark.parametrize(
    ("verdict", "way_out"),
    [
        ("InvalidTypeValue", "correct keyAttributes['Type']"),
        ("UnsupportedLogGroupType", "log group of the class STANDARD"),
        ("SomethingNew", "correct the option entity"),
    ],
)
def test_an_entity_that_is_not_taken_is_told_once_and_counted_each_time(ready, subject, verdict, way_out):
    """The events count as delivered: they are. An older botocore drops the verdict from the answer."""
    ready.fail(entity_rejected(verdict))
    client = subject(entity=ENTITY)
    assert [client.put(), client.put()] == [Accepted(None, entity_rejected=True)] * 2
    ((key, text),) = client.said
    assert (key, f"[{verdict}]" in text, way_out in text, "'g'" in text) == (verdict, True, True, True)
    assert ready.messages("g") == ["hello"] * 2


def test_each_verdict_is_told(ready, subject):
    client = subject(entity=ENTITY)
    for verdict in ("InvalidEntity", "InvalidAttributes", "InvalidEntity"):
        ready.fail(entity_rejected(verdict), times=1)
        client.put()
    assert [key for key, _ in client.said] == ["InvalidEntity", "InvalidAttributes"]


def test_a_stand_in_may_say_so_too():
    stand_in = mock.Mock(spec=["put_log_events"])
    stand_in.put_log_events.return_value = {"rejectedEntityInfo": {"errorType": "InvalidEntity"}}
    client = Subject(stand_in, entity=ENTITY)
    assert client.put() == Accepted(None, entity_rejected=True)
    assert [key for key, _ in client.said] == ["InvalidEntity"]


def test_a_boto3_that_is_too_old_to_know_an_entity_hides_neither_it_nor_the_verdict(ready):
    """It refuses such a parameter, and drops such a member of the answer."""
    ready.fail(entity_rejected())
    boto3_client = ready.client()
    put_log_events = boto3_client.meta.service_model.operation_model("PutLogEvents")
    put_log_events.input_shape.members.pop("entity", None)
    put_log_events.output_shape.members.pop("rejectedEntityInfo", None)
    with pytest.raises(ParamValidationError):
        boto3_client.put_log_events(**PLAIN, entity=ENTITY)
    assert Subject(boto3_client, entity=ENTITY).put() == Accepted(None, entity_rejected=True)
    assert ready.requests[-1].entity == ENTITY


def test_half_a_verdict_is_none(ready, subject):
    """It counts as half an answer without one. See test_an_answer_that_breaks_off_is_still_the_services_yes."""
    ready.fail(replace(entity_rejected(), ending=Ending.TRUNCATED))
    with_entity = subject(entity=ENTITY).put()
    ready.clear_faults()
    ready.fail(truncated_answer())
    without = subject().put()
    assert type(with_entity) is type(without)
    if isinstance(with_entity, Accepted):
        assert with_entity == without == Accepted(None)


def test_a_verdict_on_an_entity_that_nobody_has_sent_says_nothing(ready):
    """An owner's hook may have put one into the body."""
    client = answering_json({"rejectedEntityInfo": {"errorType": "InvalidEntity"}})
    assert client.put() == Accepted(None)


# -- the request is refused


def test_an_entity_that_is_refused_is_left_out_from_then_on(ready, subject):
    """Not bisected, no event rejected: the same batch goes again without it."""
    ready.fail(entity_refused("AccountId"))
    client, of = subject(entity=ENTITY, compression="gzip"), batch(LONG, LONG)
    first = put(client, of)
    assert isinstance(first, AskAgain)
    assert "'entity.keyAttributes'" in first.cause
    assert client.said == []
    assert put(client, of) == Accepted(None, entity_rejected=True)
    assert put(client, batch(LONG)) == Accepted(None)
    assert carried(ready) == [
        ("gzip", True, "ValidationException"),
        ("gzip", False, "accepted"),
        ("gzip", False, "accepted"),
    ]
    ((key, text),) = client.said
    assert key == "entity"
    assert "refuses a request for its entity" in text
    assert "correct the option entity" in text


def test_an_entity_may_be_refused_in_words_that_name_the_log_group_too(ready, subject):
    """Without the entity these words would mean that the group takes no events at all, whatever they carry."""
    words = "The entity is not supported by log groups of the log group class INFREQUENT_ACCESS."
    ready.fail(error("InvalidParameterException", words), when=lambda call: call.entity)
    client, of = subject(entity=ENTITY, compression="gzip"), batch(LONG)
    assert isinstance(put(client, of), AskAgain)
    assert put(client, of) == Accepted(None, entity_rejected=True)
    assert carried(ready)[-1] == ("gzip", False, "accepted")
    assert [key for key, _ in client.said] == ["entity"]


def test_a_group_that_takes_no_events_is_told_as_that(ready, subject):
    """Also if its refusal speaks of an entity: it comes again, in the same words, for a request without one."""
    words = "An entity of this log group class takes no events."
    ready.fail(error("InvalidParameterException", words))
    client, of = subject(entity=ENTITY), batch(LONG)
    assert [type(put(client, of)) for _ in range(2)] == [AskAgain, Refused]
    assert client.said == []


@pytest.mark.parametrize("fault", [gzip_refused(400), gzip_refused(415)])
def test_an_endpoint_that_refuses_gzip_is_served_plain_from_then_on(ready, subject, fault):
    ready.fail(fault)
    client, of = subject(entity=ENTITY, compression="gzip"), batch(LONG, LONG)
    assert isinstance(put(client, of), AskAgain)
    assert put(client, of) == Accepted(None)
    assert put(client, batch(LONG)) == Accepted(None)
    assert [each[:2] for each in carried(ready)] == [("gzip", True), (None, True), (None, True)]
    ((key, text),) = client.said
    assert key == "compression"
    assert "refuses a compressed request and takes it plain" in text


@pytest.mark.parametrize(
    "fault",
    [
        error("InvalidSignatureException", "The request signature we calculated does not match the signature"),
        error("UnsupportedMediaType", "no such coding"),
        error("UnsupportedMediaType", "no such coding", 415),
        PAGE,
        UNNAMED,
    ],
)
def test_whatever_words_an_endpoint_refuses_gzip_with(ready, subject, fault):
    """A proxy that unpacks the body breaks the signature; others have codes of their own, or no code at all."""
    ready.fail(fault, when=lambda call: call.content_encoding)
    client, of = subject(compression="gzip"), batch(LONG)
    assert isinstance(put(client, of), AskAgain)
    assert put(client, of) == Accepted(None)
    assert [key for key, _ in client.said] == ["compression"]


def test_an_endpoint_that_knows_no_gzip_takes_plain_bodies():
    """It finds no JSON in the body."""
    fake = FakeCloudWatchLogs(takes_gzip=False, clock=lambda: NOW / 1000)
    fake.create("g", "s")
    client, of = Subject(fake.client(), compression="gzip"), batch(LONG)
    assert isinstance(put(client, of), AskAgain)
    assert put(client, of) == Accepted(None)
    assert [r.answer for r in fake.requests] == ["SerializationException", "accepted"]


def test_an_entity_is_found_out_although_nothing_names_it(ready, subject):
    """Compression is the likelier culprit, so it is asked first; it stays."""
    ready.fail(UNNAMED, when=lambda call: call.entity)
    client, of = subject(entity=ENTITY, compression="gzip"), batch(LONG)
    assert [type(put(client, of)) for _ in range(3)] == [AskAgain, AskAgain, Accepted]
    put(client, batch(LONG))
    assert [each[:2] for each in carried(ready)] == [("gzip", True), (None, True), (None, False), ("gzip", False)]
    assert [key for key, _ in client.said] == ["entity"]


def test_both_may_be_refused_each_for_itself(ready, subject):
    """Without the first the service gets further, and says something else."""
    ready.fail(gzip_refused(400))
    ready.fail(entity_refused())
    client, of = subject(entity=ENTITY, compression="gzip"), batch(LONG)
    assert [type(put(client, of)) for _ in range(3)] == [AskAgain, AskAgain, Accepted]
    assert sorted(key for key, _ in client.said) == ["compression", "entity"]
    assert [("SerializationException" in text) for key, text in sorted(client.said)] == [True, False]


@pytest.mark.parametrize("words", ["The request is not valid.", "Log event 'entity' is not valid: keyAttributes"])
def test_a_refusal_that_means_an_event_ends_neither(ready, subject, words):
    """Also if the event's text, which the service repeats, reads as if it were about the entity."""
    ready.fail(error("InvalidParameterException", words), when=lambda call: "bad" in str(call.batch))
    client, of = subject(entity=ENTITY, compression="gzip"), batch(LONG + "bad", LONG)
    assert [type(put(client, of)) for _ in range(3)] == [AskAgain, AskAgain, Invalid]
    assert client.said == []
    put(client, batch(LONG))
    assert carried(ready)[-1] == (None, True, "accepted")


def test_a_body_that_is_too_large_asks_no_question(ready, subject):
    """A proxy says "Request Entity Too Large", and means the body. Without the entity it would be a little smaller."""
    ready.fail(error("413", "Request Entity Too Large", 413), times=1)
    client = subject(entity=ENTITY, compression="gzip")
    assert isinstance(client.put(event(LONG)), Invalid)
    assert client.put(event(LONG)) == Accepted(None)
    assert carried(ready)[-1] == ("gzip", True, "accepted")


def test_a_refusal_that_names_an_event_asks_no_question(ready, subject):
    """The service has read the body to find it."""
    fault = error("InvalidParameterException", "Value 'entity' at 'logEvents.1.member.message' failed to satisfy …")
    ready.fail(fault, times=1)
    client = subject(entity=ENTITY, compression="gzip")
    assert isinstance(client.put(event(LONG)), Invalid)
    assert client.put(event(LONG)) == Accepted(None)
    assert carried(ready)[-1] == ("gzip", True, "accepted")


def test_the_search_for_a_bad_event_is_not_made_longer(ready, subject):
    """After an acquittal the pieces of a batch go plain, with the entity, and no question is asked for them."""
    ready.fail(UNNAMED, when=lambda call: "bad" in str(call.batch))
    client, of = subject(entity=ENTITY, compression="gzip"), batch(LONG + "bad", LONG)
    for _ in range(3):
        outcome = put(client, of)
    assert isinstance(outcome, Invalid)
    assert put(client, batch(LONG)) == Accepted(None)
    assert isinstance(put(client, batch(LONG + "bad")), Invalid)
    assert [each[:2] for each in carried(ready)[-2:]] == [(None, True)] * 2


def test_an_entity_that_is_refused_soon_after_an_acquittal_is_found_out_too(ready, subject):
    """Its words are others than those of the bad event, for which the entity has proved innocent."""
    ready.fail(UNNAMED, when=lambda call: "bad" in str(call.batch))
    client, bad, of = subject(entity=ENTITY), batch("bad"), batch("better")
    assert [type(put(client, bad)) for _ in range(2)] == [AskAgain, Invalid]
    assert put(client, batch("good")) == Accepted(None)
    ready.fail(entity_refused())
    assert isinstance(put(client, of), AskAgain)
    assert put(client, of) == Accepted(None, entity_rejected=True)


REFUSAL = ClientError(
    {"Error": {"Code": "InvalidParameterException", "Message": "Something is wrong."}}, "PutLogEvents"
)
REFUSED = errors.outcome_of(REFUSAL, advice.Call(advice.PUT, "g", "s"))


class Overlapping:
    """Puts of which several are under way at a time, as of several streams."""

    def __init__(self):
        self.said = []
        self.now = 0.0
        self.additions = Additions(
            "g", lambda key, _: self.said.append(key), checked(ENTITY), "gzip", monotonic=lambda: self.now
        )

    def begin(self, of):
        carried = self.additions.for_put(Target("g", "s"), of)
        carried.compressed(LONG.encode(), {})
        return carried

    def refused(self, carried):
        return type(self.additions.refused(carried, REFUSED, REFUSAL))


def test_what_another_batch_has_shown_meanwhile_is_not_shown_once_more():
    """Without an entity the put is accepted, compressed or not: that says nothing about its compression."""
    puts, first, second = Overlapping(), batch("first"), batch("second", "third")
    under_way = puts.begin(second)
    assert [puts.refused(puts.begin(first)) for _ in range(2)] == [AskAgain, AskAgain]
    puts.additions.answered(puts.begin(first), Accepted(None))
    assert puts.refused(under_way) == AskAgain
    puts.additions.answered(puts.begin(second), Accepted(None))
    assert puts.said == ["entity"]


def test_an_acquittal_does_not_hold_for_a_compressed_put_that_began_before_it():
    """A bad event is refused in the same words as compression is, while a good event is under way."""
    puts, bad = Overlapping(), batch("bad")
    under_way = puts.begin(batch("good", "better"))
    assert [puts.refused(puts.begin(bad)) for _ in range(3)] == [AskAgain, AskAgain, Invalid]
    puts.additions.answered(puts.begin(batch("good")), Accepted(None))
    assert puts.refused(under_way) == AskAgain


def test_64_batches_at_most_are_tried_at_the_same_time():
    """What a few of them show holds for the others, of which there may be as many as there are streams."""
    puts = Overlapping()
    *first, last = [Batch.of([event()._replace(number=number)]) for number in range(65)]
    assert {puts.refused(puts.begin(of)) for of in (*first, last)} == {AskAgain}
    assert [puts.begin(of).is_compressed for of in (*first, last)] == [False] * 64 + [True]
    # By now the puts of the first ones prove nothing any more.
    puts.now += AT_ONCE + 1
    assert puts.refused(puts.begin(last)) == AskAgain
    assert not puts.begin(last).is_compressed


def test_an_entity_may_be_refused_in_the_same_words_as_an_event(ready, subject):
    """As long as no entity was accepted, it is not known to be innocent."""
    ready.fail(UNNAMED, when=lambda call: "bad" in str(call.batch) or call.entity)
    client, of = subject(entity=ENTITY), batch("bad")
    assert [type(put(client, of)) for _ in range(2)] == [AskAgain, Invalid]
    witness = batch("good")
    assert isinstance(put(client, witness), AskAgain)
    assert put(client, witness) == Accepted(None, entity_rejected=True)
    assert [key for key, _ in client.said] == ["entity"]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [(throttle(), Throttled), (server_error(), Unavailable), (access_denied(), Refused)],
)
def test_weather_and_permissions_are_no_verdict(ready, subject, fault, outcome):
    """Neither at first, nor while something is left out on trial."""
    client, of = subject(entity=ENTITY, compression="gzip"), batch(LONG)
    ready.fail(fault, times=1)
    assert isinstance(put(client, of), outcome)
    ready.fail(gzip_refused(), when=lambda call: not ready.messages("g"))
    assert isinstance(put(client, of), AskAgain)
    ready.fail(fault, times=1)
    assert isinstance(put(client, of), outcome)
    assert client.said == []
    assert put(client, of) == Accepted(None)
    assert [each[:2] for each in carried(ready)] == [("gzip", True)] * 2 + [(None, True)] * 2
    assert [key for key, _ in client.said] == ["compression"]


def test_a_missing_stream_is_made_in_the_middle_of_it(fake):
    """The service may look for the stream only after it has read the body."""
    fake.fail(gzip_refused(400))
    client, of = Subject(fake.client(), compression="gzip"), batch(LONG)
    assert [type(put(client, of)) for _ in range(3)] == [AskAgain, Created, Accepted]
    assert [key for key, _ in client.said] == ["compression"]


def test_another_batch_that_is_accepted_meanwhile_is_no_verdict(ready, subject):
    """Only the very batch that was refused shows what it was refused for."""
    ready.fail(gzip_refused(), when=lambda call: "bad" in str(call.batch))
    client, of = subject(compression="gzip"), batch(LONG + "bad")
    assert isinstance(put(client, of), AskAgain)
    assert put(client, batch(LONG, "another")) == Accepted(None)
    assert client.said == []
    assert carried(ready)[-1] == ("gzip", False, "accepted")


def test_a_stand_in_that_knows_no_entity_gets_none():
    """Its method has another signature, and nothing but the events matters."""
    stand_in = mock.Mock(spec=["put_log_events"])
    stand_in.put_log_events.side_effect = lambda logGroupName, logStreamName, logEvents: {}  # noqa: N803
    client, of = Subject(stand_in, entity=ENTITY), batch("x")
    assert isinstance(put(client, of), AskAgain)
    assert put(client, of) == Accepted(None, entity_rejected=True)
    assert [key for key, _ in client.said] == ["entity"]


def test_ids_in_a_refusal_are_no_other_words(ready, subject):
    """A code that nobody knows, of a proxy: it refuses each request, and says another number each time."""
    numbers = iter(range(1000, 2000))
    refuse = lambda _: Refusal("PolicyViolation", f"Request {next(numbers)} at 14:{next(numbers)} is not allowed")  # noqa: E731
    ready.fail(Fault("policy", answer=lambda call: refuse(call).answer()), times=3)
    client, of = subject(entity=ENTITY, compression="gzip"), batch(LONG)
    assert [type(put(client, of)) for _ in range(3)] == [AskAgain, AskAgain, Refused]
    assert client.said == []


def test_hundreds_of_batches_are_refused_before_the_first_is_sent_again(ready, subject):
    """One for each stream: the first ones to be sent again show what all the others were refused for."""
    ready.fail(entity_refused())
    client = subject(entity=ENTITY)
    batches = [Batch.of([event(f"{number}")._replace(number=number)]) for number in range(200)]
    assert all(isinstance(put(client, of), AskAgain) for of in batches)
    assert [type(put(client, of)) for of in batches] == [Accepted] * 200
    assert [key for key, _ in client.said] == ["entity"]


def test_a_verdict_names_the_group_that_it_is_about(ready, subject):
    """One handler may have many groups, and only some of them of a class that takes an entity."""
    ready.create("other", "s")
    ready.fail(entity_rejected("UnsupportedLogGroupType"), group="other")
    client = subject(entity=ENTITY)
    client.put()
    client.put(group="other")
    ((_, text),) = client.said
    assert "log group 'other'" in text
