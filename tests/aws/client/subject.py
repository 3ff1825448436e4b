"""A client of ours on a real boto3 client, and real boto3 clients that are answered what a test says."""

import json
from unittest import mock

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from cwlog_handler.aws.additions import Additions
from cwlog_handler.aws.client import Client
from cwlog_handler.aws.creation import Group
from cwlog_handler.aws.entity import checked
from cwlog_handler.aws.making import Access
from cwlog_handler.core.batches import Batch
from cwlog_handler.core.events import Event
from cwlog_handler.core.targets import Target

NOW = 1_700_000_000_000
DAY = 86_400_000
SESSION = boto3.Session("key", "secret", region_name="us-east-1")  # one for all: it reads the service model once


def event(message="hello", timestamp=NOW):
    return Event(timestamp, message.encode())


class Subject:
    """A client and what it told us."""

    def __init__(self, boto3_client=None, **options):
        self.said = []
        self.started = 0
        say = lambda key, text, about="": self.said.append((key, text))  # noqa: E731
        access = {name: options.pop(name) for name in Access.__slots__ if name in options}
        group = {name: options.pop(name) for name in Group.__slots__ if name in options}
        entity, compression = options.pop("entity", None), options.pop("compression", None)
        if entity is not None or compression is not None:
            options["additions"] = Additions("g", say, entity and checked(entity), compression)
        self.client = Client(
            Access(boto3_client=boto3_client, **access), Group(**{"name": "g"} | group), say=say, **options
        )

    def start(self):
        self.started += 1

    def put(self, *events, token=None, stream="s", group="g"):
        return self.client.put(Target(group, stream), Batch.of(events or [event()]), token, self.start)

    def create(self, stream="s", group="g"):
        return self.client.create(Target(group, stream))


def answering(body, status=200, headers=()):
    """A real client that is answered this, whatever it asks."""
    url = "https://logs.us-east-1.amazonaws.com"
    boto3_client = SESSION.client("logs", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))

    class Raw:
        def stream(self):
            yield body

    def answer(request, **_):
        return AWSResponse(request.url, status, dict(headers), Raw())

    boto3_client.meta.events.register_last("before-send.cloudwatch-logs", answer)
    return Subject(boto3_client)


def answering_json(members, status=200):
    headers = {"content-type": "application/x-amz-json-1.1", "x-amzn-requestid": "r"}
    return answering(json.dumps(members).encode(), status, headers)


def raising(error):
    """A stand-in whose put raises this."""
    stand_in = mock.Mock(spec=["put_log_events"])
    stand_in.put_log_events.side_effect = error
    return Subject(stand_in)


def refused_with(code, message, status=400):
    return answering_json({"__type": code, "message": message}, status).put()


def operations(fake):
    return [request.operation for request in fake.requests]
