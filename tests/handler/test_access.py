"""A role to assume and settings of botocore, as a program sees them: on which thread, and what it is told."""

import json
import logging
import logging.config
import threading

import pytest

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.cli.spool.survey import destination_of, survey
from cwlog_handler.testing import error, server_error, stall

from ..programs import HANG_LIMIT

ARN = "arn:aws:iam::222222222222:role/logs"
SESSION = "arn:aws:sts::222222222222:assumed-role/logs/shop"
ROLE = {"role_arn": ARN, "external_id": "4711", "role_session_name": "shop"}


@pytest.fixture
def service(fake, monkeypatch):
    """The fake as the environment's endpoint, for STS too, with a role."""
    fake.create("g", "s")
    fake.create_role(ARN, external_id="4711")
    with fake.serve() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield fake
        fake.clear_faults()
        fake.release()


@pytest.fixture
def handler_with(logger):
    def handler_with(**options):
        handler = CloudWatchLogsHandler("g", "s", flush_on_sigterm=False, **{"close_timeout": HANG_LIMIT, **options})
        logger.addHandler(handler)
        return handler

    return handler_with


def operations(service):
    return [request.operation for request in service.requests]


def test_a_configuration_that_is_plain_data_assumes_a_role(service, logger):
    """dictConfig, from JSON: a list in place of a tuple, and no object of boto3."""
    options = {**ROLE, "boto3_config": {"user_agent_extra": "shop/7", "tcp_keepalive": True, "connect_timeout": 3}}
    entry = {"class": "cwlog_handler.CloudWatchLogsHandler", "log_group_name": "g", "log_stream_name": "s", **options}
    config = json.loads(
        json.dumps({"version": 1, "disable_existing_loggers": False, "handlers": {"cloudwatch": entry}})
    )
    logging.config.dictConfig(config | {"loggers": {logger.name: {"handlers": ["cloudwatch"]}}})

    logger.warning("hello")

    assert logger.handlers[0].flush(HANG_LIMIT)
    assert service.messages("g", "s") == ["hello"]
    assuming, put = service.requests
    assert (assuming.operation, put.operation) == ("AssumeRole", "PutLogEvents")
    assert put.assumed_role == SESSION
    assert all("shop/7" in request.user_agent.split() for request in (assuming, put))


def test_the_role_is_assumed_off_the_callers_thread_which_does_not_wait(service, logger, handler_with):
    """STS may take as long as it likes."""
    service.fail(stall(), operation="AssumeRole")
    handler = handler_with(**ROLE)
    assert operations(service) == []

    logger.warning("hello")

    assert service.wait_for(lambda: operations(service) == ["AssumeRole"])
    assert handler.stats.pending == 1
    service.clear_faults()
    service.release()
    assert handler.flush(HANG_LIMIT)


def test_without_queues_the_caller_assumes_it(service, logger, handler_with, no_thread):
    """Each caller makes its own requests, that of STS among them. (`no_thread` fails if a thread is started.)"""
    handler = handler_with(use_queues=False, **ROLE)
    logger.warning("one")
    logger.warning("two")
    assert operations(service) == ["AssumeRole", "PutLogEvents", "PutLogEvents"]
    assert handler.stats.delivered == 2


def test_what_boto3_logs_while_it_assumes_the_role_is_not_sent(service, handler_with):
    """Each request would cause another one."""
    root = logging.getLogger()
    handler = handler_with(level=logging.DEBUG, **ROLE)
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        logging.getLogger("shop").debug("hello")
        assert handler.flush(HANG_LIMIT)
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    assert handler.flush(HANG_LIMIT)
    assert service.messages("g", "s") == ["hello"]


@pytest.mark.parametrize("use_queues", [True, False])
def test_a_refused_role_is_told_on_stderr_and_the_records_wait(service, logger, handler_with, capfd, use_queues):
    """As with a missing permission; once somebody has put it right they are delivered."""
    service.delete_role(ARN)
    handler = handler_with(use_queues=use_queues, close_timeout=0.5, **ROLE)
    logger.warning("hello")
    said = []
    # It is told after it is noted, in the stats and elsewhere.
    assert service.wait_for(lambda: said.append(capfd.readouterr().err) or any("\n" in part for part in said))
    (line,) = "".join(said).splitlines()
    assert line.startswith(f"cwlog_handler: the role {ARN} may not be assumed [User: ")
    assert line.endswith("with the very external_id in its condition sts:ExternalId.")
    assert handler.stats.pending == 1
    assert "PutLogEvents" not in operations(service)

    service.create_role(ARN, external_id="4711")

    assert handler.flush(HANG_LIMIT)
    stats = handler.stats
    assert (stats.delivered, stats.dropped, stats.rejected) == (1, 0, 0)


def test_an_sts_that_throttles_is_asked_again_later_and_later(service, logger, handler_with):
    """It is backed off, like every failure: botocore does not ask again by itself."""
    service.fail(error("Throttling", "Rate exceeded"), times=3, operation="AssumeRole")
    handler = handler_with(**ROLE)
    logger.warning("hello")
    assert handler.flush(HANG_LIMIT)
    assert operations(service) == ["AssumeRole"] * 4 + ["PutLogEvents"]


def test_many_callers_share_one_session(service, logger, handler_with):
    """Whichever thread is first assumes it."""
    handler = handler_with(use_queues=False, requests_per_second=None, **ROLE)
    callers = [threading.Thread(target=logger.warning, args=("hello",)) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(HANG_LIMIT)
    assert handler.flush(HANG_LIMIT)
    assert operations(service).count("AssumeRole") == 1
    assert len(service.messages("g", "s")) == 8


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"boto3_profile_name": "dev"}, ["role_arn", "boto3_profile_name was given too", "source_profile"]),
        ({"boto3_client": object()}, ["role_arn", "boto3_client was given too"]),
    ],
)
def test_a_role_has_no_company(options, words):
    """What is accepted is honoured."""
    with pytest.raises(ValueError, match="give one or the other") as raised:
        CloudWatchLogsHandler("g", role_arn=ARN, **options)
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize(("options", "account"), [(ROLE, "222222222222"), ({}, "")])
def test_what_a_spool_keeps_is_of_the_account_that_the_role_leads_to(
    service, logger, handler_with, tmp_path, options, account
):
    """Another account may have a group of the same name: what was logged for one must not go to the other."""
    service.fail(server_error(), operation=None)
    handler = handler_with(spool_dir=tmp_path / "spool", spool_mode="always", close_timeout=0, **options)
    logger.warning("hello")
    (file,) = survey(str(tmp_path / "spool"))
    assert file.destination == destination_of({**options, "log_group_name": "g"})
    assert file.destination.account == account
    assert service.wait_for(lambda: handler.stats.spooled == 1)
