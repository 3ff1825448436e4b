# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Uses every public name as a program would, for mypy and pyright to look at; it is not run.

``assert_type`` fails where a type became looser, and so does an ignored error that is none any more.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry
from typing_extensions import assert_type

import cwlog_handler
from cwlog_handler import CloudWatchLogsHandler, LostEvent, Stats, testing
from cwlog_handler.prometheus import CloudWatchLogsCollector
from cwlog_handler.testing import (
    Answer,
    Call,
    Ending,
    FakeCloudWatchLogs,
    Fault,
    LogGroup,
    Refusal,
    Request,
    StoredEvent,
)

assert_type(cwlog_handler.__version__, str)


def remember(events: Sequence[LostEvent]) -> None:
    for event in events:
        assert_type(event.timestamp, int)
        assert_type(event.level, int | None)
        assert_type(event.log_group, str)
        assert_type(event.log_stream, str)
        assert_type(event.text, str | None)
        assert_type(event.counted_as, Literal["dropped", "rejected", "pending"])
        assert_type(event.count, int)
        assert_type(event.may_be_stored, bool)
        assert event.reason in ("overflow", "invalid", "exit")
        event.text = ""  # type: ignore[misc]


def remember_one(event: LostEvent) -> None:
    assert_type(dataclasses.asdict(event), dict[str, Any])


def make_handlers(fake: FakeCloudWatchLogs) -> list[CloudWatchLogsHandler]:
    def default(value: object) -> str:
        return repr(value)

    return [
        CloudWatchLogsHandler("group"),
        CloudWatchLogsHandler("group", "stream", boto3_client=fake.client()),
        CloudWatchLogsHandler(
            log_group_name="group",
            log_stream_name="{machine_name}",
            level="INFO",
            region_name="eu-west-1",
            endpoint_url="http://127.0.0.1:4566",
            boto3_profile_name="logs",
            boto3_client=None,
            boto3_config={"tcp_keepalive": True, "proxies": {"https": "http://proxy:3128"}},
            role_arn="arn:aws:iam::123456789012:role/logs",
            external_id="4711",
            role_session_name="shop",
            create_log_group=False,
            create_log_stream=False,
            log_group_retention_days=30,
            log_group_tags={"team": "shop"},
            log_group_kms_key_id="arn:aws:kms:eu-west-1:123456789012:key/1",
            log_group_class="INFREQUENT_ACCESS",
            log_group_deletion_protection=True,
            log_format="json/emf",
            entity={"keyAttributes": {"Type": "Service", "Name": "shop"}, "attributes": {}},
            compression="gzip",
            send_interval=timedelta(seconds=1),
            max_batch_size=1_048_576,
            max_batch_count=10_000,
            max_message_size=1_048_576,
            oversize="truncate",
            flush_level=logging.CRITICAL,
            requests_per_second=None,
            max_buffer_size=2**20,
            max_buffer_count=None,
            overflow="block",
            block_timeout=0.5,
            close_timeout=timedelta(seconds=5),
            flush_on_sigterm=False,
            use_queues=False,
            json_serialize_default=default,
            spool_dir=Path("spool"),
            spool_mode="always",
            max_spool_size=2_000_000,
            spool_sync=True,
            on_lost=remember,
        ),
        CloudWatchLogsHandler("group", on_lost="pkg.mod:remember"),
        CloudWatchLogsHandler("group", level=logging.INFO, send_interval=2, json_serialize_default="pkg.mod:default"),
    ]


def make_wrong_handlers() -> None:
    CloudWatchLogsHandler()  # type: ignore[call-arg]
    CloudWatchLogsHandler("group", "stream", "third")  # type: ignore[call-arg]
    CloudWatchLogsHandler("group", log_group="g")  # type: ignore[call-arg]
    CloudWatchLogsHandler(None)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", level=None)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", region_name=1)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", endpoint_url=1)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", boto3_profile_name=1)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", boto3_config=[("tcp_keepalive", True)])  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", role_arn=1)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", external_id=1)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", role_session_name=1)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", create_log_group="no")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", create_log_stream="no")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", log_group_retention_days="30")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", log_group_tags={"team": 1})  # type: ignore[dict-item]
    CloudWatchLogsHandler("group", log_group_kms_key_id=1)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", log_group_class="standard")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", log_group_deletion_protection="yes")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", log_format="emf")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", entity={"Type": "Service"})  # type: ignore[dict-item]
    CloudWatchLogsHandler("group", compression="deflate")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", send_interval="1")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", max_batch_size=1.5)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", max_batch_count=None)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", max_message_size="1")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", oversize="cut")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", flush_level=None)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", requests_per_second="5")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", max_buffer_size=None)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", max_buffer_count="1")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", overflow="drop")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", block_timeout=None)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", close_timeout=None)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", flush_on_sigterm="no")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", use_queues="no")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", json_serialize_default=1)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", spool_dir=b"spool")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", spool_mode="sometimes")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", max_spool_size=1.5)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", spool_sync="no")  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", on_lost=1)  # type: ignore[arg-type]
    CloudWatchLogsHandler("group", on_lost=remember_one)  # type: ignore[arg-type]


def use(handler: CloudWatchLogsHandler, record: logging.LogRecord) -> None:
    as_any_handler: logging.Handler = handler
    logging.getLogger().addHandler(as_any_handler)
    assert_type(handler.flush(), bool)
    assert_type(handler.flush(5), bool)
    assert_type(handler.flush(timeout=0.5), bool)
    handler.flush("5")  # type: ignore[arg-type]
    assert_type(handler.handle(record), bool | logging.LogRecord)
    assert_type(handler.format(record), str)
    assert_type(handler.stats, Stats)
    assert_type(handler.log_group_name, str)
    assert_type(handler.log_stream_name, str)
    assert_type(handler.flush_level, int)
    assert_type(handler.close_timeout, float)
    assert_type(handler.use_queues, bool)
    assert_type(handler.shutting_down, bool)
    handler.emit(record)
    handler.handleError(record)
    handler.close()
    handler.log_stream_name = "another"
    handler.log_stream_name = None  # type: ignore[assignment]
    handler.log_group_name = "another"  # type: ignore[misc]
    handler.close_timeout = 5  # type: ignore[misc]
    handler.stats = Stats()  # type: ignore[misc]


class Derived(CloudWatchLogsHandler):
    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)


def read(stats: Stats) -> None:
    assert_type(stats.emitted, int)
    assert_type(stats.recovered, int)
    assert_type(stats.spooled, int)
    assert_type(stats.delivered, int)
    assert_type(stats.rejected, int)
    assert_type(stats.dropped, int)
    assert_type(stats.rejected_by_reason, Mapping[str, int])
    assert_type(stats.dropped_by_reason, Mapping[str, int])
    assert_type(stats.pending, int)
    assert_type(stats.pending_bytes, int)
    assert_type(stats.requests, int)
    assert_type(stats.retries, int)
    assert_type(stats.throttled, int)
    assert_type(stats.delivered_bytes, int)
    assert_type(stats.possibly_duplicated, int)
    assert_type(stats.loss_notices, int)
    assert_type(stats.entity_rejected, int)
    assert_type(stats.last_error, str | None)
    stats.delivered = 1  # type: ignore[misc]


def collect(handlers: list[CloudWatchLogsHandler], registry: CollectorRegistry) -> None:
    collector = CloudWatchLogsCollector(*handlers)
    as_any_collector: Collector = collector
    registry.register(as_any_collector)
    assert_type(collector.describe(), Iterable[CounterMetricFamily | GaugeMetricFamily])
    assert_type(collector.collect(), Iterable[CounterMetricFamily | GaugeMetricFamily])
    CloudWatchLogsCollector(handlers)  # type: ignore[arg-type]


def look(fake: FakeCloudWatchLogs) -> None:
    assert_type(fake.start(), str)
    assert_type(fake.start(port=4566), str)
    fake.stop()
    serving: AbstractContextManager[str] = fake.serve(port=4566)
    assert_type(serving.__enter__(), str)
    with fake.serve(port=0) as url:
        assert_type(url, str)
    assert_type(fake.requests, list[Request])
    assert_type(fake.groups, dict[str, LogGroup])
    assert_type(fake.streams("group"), list[str])
    assert_type(fake.events("group", "stream"), list[StoredEvent])
    assert_type(fake.messages("group"), list[str])
    assert_type(fake.messages("group", "stream"), list[str])
    assert_type(fake.busiest_second("group", "stream"), int)
    assert_type(fake.wait_for(lambda: fake.messages("group"), timeout=5), bool)
    fake.create("group", "one", "two", retention_days=1, tags={}, kms_key_id=None, log_group_class="STANDARD")
    fake.create("group", deletion_protection=True)
    fake.put_elsewhere("group", "stream", "message", timestamp=1)
    fake.delete_log_stream("group", "stream")
    fake.delete_log_group("group")
    fake.clear_faults()
    fake.release()


def order(fake: FakeCloudWatchLogs) -> None:
    fake.fail(testing.throttle(), times=2)
    fake.fail(testing.throttle(), seconds=0.5, operation=None, group="group", stream="stream")
    fake.fail(testing.throttle(), when=lambda call: call.size_bytes > 1)
    fake.fail(testing.throttle)  # type: ignore[arg-type]
    fake.fail(testing.throttle(), times="2")  # type: ignore[arg-type]
    faults = [
        testing.access_denied(),
        testing.captive_portal(),
        testing.clock_skew(),
        testing.connection_refused(),
        testing.empty_200(),
        testing.entity_refused("AccountId"),
        testing.entity_rejected("InvalidEntity"),
        testing.error("Code", "message", 400, after_commit=True),
        testing.expired_token(),
        testing.gzip_refused(400),
        testing.operation_aborted(),
        testing.reset_after_commit(),
        testing.reset_before_commit(),
        testing.server_error(500, "Code", "message", after_commit=False),
        testing.slow(0.5),
        testing.stall(),
        testing.stall(0.5, after_commit=True),
        testing.throttle(),
        testing.truncated_answer(),
        testing.unrecognized_client(),
        Fault("mine", answer=lambda call: Refusal("Code", call.group).answer()),
        Fault("mine", commits=True, hold_before=0.5, hold_after=0.5, ending=Ending.RESET),
    ]
    assert_type(faults, list[Fault])
    for fault in faults:
        assert_type(dataclasses.replace(fault, hold_before=1.0), Fault)
        assert_type(fault.name, str)
        assert_type(fault.commits, bool)
        assert_type(fault.hold_before, float)
        assert_type(fault.hold_after, float)
        assert_type(fault.answer, Callable[[Call], Answer] | None)
        assert_type(fault.ending, Ending)
        assert_type(fault.adds, Mapping[str, Any] | None)
        assert_type(fault.concerns, Callable[[Call], bool] | None)
    Fault("mine", ending="reset")  # type: ignore[arg-type]
    FakeCloudWatchLogs(sequence_tokens=True, requests_per_second=None, max_event_bytes=262_144, clock=lambda: 0.0)
    FakeCloudWatchLogs(account_puts_per_second=800, account_streams_per_second=50, account_groups_per_second=5)
    FakeCloudWatchLogs(takes_gzip=False)
    FakeCloudWatchLogs(True)  # type: ignore[call-arg]
    fake.create_role("arn:aws:iam::123456789012:role/logs", external_id="4711", lifetime=900)
    fake.create_role("arn:aws:iam::123456789012:role/logs", external_id=4711)  # type: ignore[arg-type]
    fake.delete_role("arn:aws:iam::123456789012:role/logs")


def look_closely(request: Request, group: LogGroup, event: StoredEvent, call: Call) -> None:
    assert_type(request.number, int)
    assert_type(request.operation, str)
    assert_type(request.group, str)
    assert_type(request.stream, str)
    assert_type(request.started, float)
    assert_type(request.events, int)
    assert_type(request.size_bytes, int)
    assert_type(request.wire_bytes, int)
    assert_type(request.batch, tuple[tuple[int | None, str | None], ...])
    assert_type(request.sequence_token, str | None)
    assert_type(request.parameters, Mapping[str, Any])
    assert_type(request.answer, str)
    assert_type(request.ordered, bool)
    assert_type(request.stored, int)
    assert_type(request.log_format, str | None)
    assert_type(request.user_agent, str)
    assert_type(request.assumed_role, str)
    assert_type(request.content_encoding, str | None)
    assert_type(request.entity, Mapping[str, Any] | None)
    assert_type(group.name, str)
    assert_type(group.retention_days, int | None)
    assert_type(group.tags, Mapping[str, str])
    assert_type(group.kms_key_id, str | None)
    assert_type(group.log_group_class, str)
    assert_type(group.streams, tuple[str, ...])
    assert_type(group.deletion_protection, bool)
    assert_type(event.timestamp, int)
    assert_type(event.message, str)
    assert_type(event.ingestion_time, int)
    assert_type(event.request, int)
    assert_type(event.position, int)
    assert_type(event.key, tuple[int, int])
    assert_type(event.size_bytes, int)
    assert_type(call.operation, str)
    assert_type(call.params, Mapping[str, Any])
    assert_type(call.wire_bytes, int)
    assert_type(call.problem, Refusal | None)
    assert_type(call.log_format, str | None)
    assert_type(call.content_encoding, str | None)
    assert_type(call.entity, Mapping[str, Any] | None)
    assert_type(call.group, str)
    assert_type(call.stream, str)
    assert_type(call.batch, tuple[tuple[int | None, str | None], ...])
    assert_type(call.event_sizes, tuple[int, ...])
    assert_type(call.size_bytes, int)
    assert_type(Call.parse({"x-amz-target": "Logs_20140328.PutLogEvents"}, b"{}"), Call)
    assert_type(Call.parse({}, b"{}", takes_gzip=False), Call)
    refusal = Refusal("Code", "message", status=400, members={}, message_key="Message")
    assert_type(refusal.code, str)
    assert_type(refusal.message, str | None)
    assert_type(refusal.status, int)
    assert_type(refusal.members, dict[str, str])
    assert_type(refusal.message_key, str)
    answer = refusal.answer()
    assert_type(answer, Answer)
    assert_type(answer.status, int)
    assert_type(answer.headers, Mapping[str, str])
    assert_type(answer.body, bytes)
    assert_type(answer.code, str)
    assert_type(answer.is_cut, bool)
    assert_type(answer.with_members({}), Answer)
