"""Entity, compression and deletion protection, as a program sees them: options, delivery, counts, stderr."""

import logging
import logging.config
import subprocess
from unittest import mock

import boto3
import pytest
from moto import mock_aws

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.testing import entity_refused, entity_rejected, error, gzip_refused

from ..conftest import balanced
from ..programs import environment, python

ENTITY = {"keyAttributes": {"Type": "Service", "Name": "shop", "Environment": "production"}}
LONG = "a text that is long enough to be worth a compression, " * 20


def test_an_entity_goes_with_every_put_of_every_stream(fake, logger, attach):
    handler = attach(log_stream_name="{logger_name}", entity=ENTITY)
    for name in ("one", "two"):
        child = logger.getChild(name)
        child.warning("m")
        assert handler.flush()
    puts = [request for request in fake.requests if request.operation == "PutLogEvents"]
    assert len({request.stream for request in puts}) == 2
    assert [request.entity for request in puts] == [ENTITY] * len(puts)


def test_a_later_change_of_the_mapping_has_no_effect(fake, logger, attach):
    given = {"keyAttributes": dict(ENTITY["keyAttributes"])}
    handler = attach(entity=given)
    given["keyAttributes"]["Name"] = "another"
    logger.info("m")
    assert handler.flush()
    assert fake.requests[-1].entity == ENTITY


def test_compressed_requests_are_full_by_the_size_of_their_events(fake, logger, attach):
    """All limits count before the compression: the service counts like that, too."""
    fake.create("g", "s")
    handler = attach(compression="gzip", max_batch_size=10_000)
    for number in range(40):
        logger.info("%d %s", number, LONG)
    assert handler.flush(30)
    puts = [request for request in fake.requests if request.answer == "accepted"]
    assert {request.content_encoding for request in puts} == {"gzip"}
    assert max(request.size_bytes for request in puts) <= 10_000
    assert all(request.wire_bytes < request.size_bytes / 4 for request in puts)
    assert fake.messages("g") == [f"{number} {LONG}" for number in range(40)]
    assert handler.stats.delivered_bytes == sum(request.size_bytes for request in puts)


@pytest.mark.parametrize("use_queues", [True, False])
@pytest.mark.parametrize("fault", [entity_refused(), gzip_refused(400), gzip_refused(415)])
def test_what_is_refused_is_told_and_costs_nothing(fake, logger, attach, capsys, fault, use_queues):
    """Also if each record is sent before its call returns."""
    fake.fail(fault)
    handler = attach(entity=ENTITY, compression="gzip", use_queues=use_queues)
    for number in range(3):
        logger.info("%d %s", number, LONG)
        assert use_queues or fake.messages("g")[-1].startswith(f"{number} ")
    assert handler.flush()
    assert fake.messages("g") == [f"{number} {LONG}" for number in range(3)]
    stats = handler.stats
    assert (stats.delivered, stats.rejected, stats.entity_rejected) == (3, 0, int(fault.name == "ValidationException"))
    assert balanced(stats)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_entity_that_is_not_taken_is_counted_and_told_once(fake, logger, attach, capsys):
    fake.fail(entity_rejected("UnsupportedLogGroupType"))
    handler = attach(entity=ENTITY)
    for _ in range(3):
        logger.info("m")
        assert handler.flush()
    assert (handler.stats.delivered, handler.stats.rejected) == (3, 0)
    # The first put finds no stream.
    assert handler.stats.entity_rejected == handler.stats.requests - 1 == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cwlog_handler: the service takes the events but not the entity that they belong to [Unsup")
    assert line.endswith("(log group 'g'): send to a log group of the class STANDARD, or take the option entity out.")


def test_a_mock_takes_both(logger):
    client = mock.Mock()
    handler = CloudWatchLogsHandler("g", "s", boto3_client=client, entity=ENTITY, compression="gzip")
    logger.addHandler(handler)
    logger.info(LONG)
    assert handler.flush()
    assert client.put_log_events.call_args.kwargs["entity"] == ENTITY
    assert handler.stats.delivered == 1


@pytest.mark.parametrize("own", [True, False])
def test_moto_takes_both(logger, own):
    """It reads compressed bodies, and does not look at the entity."""
    with mock_aws():
        client = None if own else boto3.client("logs")
        handler = CloudWatchLogsHandler("g", "s", boto3_client=client, entity=ENTITY, compression="gzip")
        logger.addHandler(handler)
        logger.info(LONG)
        assert handler.flush(30)
        logger.removeHandler(handler)
        handler.close()
        events = boto3.client("logs").filter_log_events(logGroupName="g")["events"]
    assert [event["message"] for event in events] == [LONG]


def test_a_group_is_made_protected(fake, logger, attach):
    handler = attach(log_group_deletion_protection=True)
    logger.info("m")
    assert handler.flush()
    assert fake.groups["g"].deletion_protection


@pytest.mark.parametrize("value", [None, False])
def test_without_the_wish_nothing_is_said_of_a_protection(fake, logger, attach, value):
    handler = attach(log_group_deletion_protection=value)
    logger.info("m")
    assert handler.flush()
    created = next(request for request in fake.requests if request.operation == "CreateLogGroup")
    assert "deletionProtectionEnabled" not in created.parameters


def test_a_protection_that_cannot_be_had_is_told(fake, logger, attach, capsys):
    denied = error("AccessDeniedException", "User: u is not authorized to perform: logs:PutLogGroupDeletionProtection")
    fake.fail(denied, operation="CreateLogGroup", when=lambda call: "deletionProtectionEnabled" in call.params)
    handler = attach(log_group_deletion_protection=True)
    logger.info("m")
    assert handler.flush()
    (line,) = capsys.readouterr().err.splitlines()
    assert "the log group was created without log_group_deletion_protection" in line


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        ({"compression": "zip"}, ValueError, "compression='zip': give one of 'gzip'"),
        ({"compression": True}, TypeError, "compression=True is of type bool: give one of 'gzip'"),
        ({"compression": ""}, ValueError, "compression='': give one of 'gzip'"),
        ({"log_group_deletion_protection": "yes"}, TypeError, "log_group_deletion_protection='yes' is of type str"),
        ({"entity": "shop"}, TypeError, "entity='shop' is of type str: give a mapping such as"),
        ({"entity": {}}, ValueError, "entity={}: 'keyAttributes' is missing"),
    ],
)
def test_wrong_options_are_refused_in_the_constructor(options, kind, told):
    with pytest.raises(kind) as caught:
        CloudWatchLogsHandler("g", **options)
    assert str(caught.value).startswith(told)


def test_dict_config_takes_them_as_plain_data(fake):
    """They come from JSON or YAML."""
    cloudwatch = {
        "class": "cwlog_handler.CloudWatchLogsHandler", "log_group_name": "g", "boto3_client": fake.client(),
        "entity": ENTITY, "compression": "gzip", "log_group_deletion_protection": True,
    }  # fmt: skip
    loggers = {"test.additions": {"handlers": ["cloudwatch"], "propagate": False}}
    config = {"version": 1, "disable_existing_loggers": False, "handlers": {"cloudwatch": cloudwatch}}
    logging.config.dictConfig(config | {"loggers": loggers})
    logger = logging.getLogger("test.additions")
    logger.warning(LONG)
    logger.handlers.pop().close()
    last = fake.requests[-1]
    assert (last.entity, last.content_encoding, fake.groups["g"].deletion_protection) == (ENTITY, "gzip", True)


@pytest.mark.parametrize(("options", "loaded"), [("", False), (", compression='gzip'", True)])
def test_only_who_uses_them_pays_for_them(options, loaded):
    """They are loaded when the handler is made: the driver could not import them while the interpreter ends."""
    program = (
        f"import sys, cwlog_handler; cwlog_handler.CloudWatchLogsHandler('g'{options}); "
        "print('cwlog_handler.aws.additions' in sys.modules)"
    )
    ended = subprocess.run(python("-c", program), env=environment(), capture_output=True, check=True, text=True)
    assert ended.stdout.strip() == str(loaded)
