"""Shows `handler.stats` as Prometheus metrics, read at each scrape. Needs ``cwlog-handler[prometheus]``.

Owns: names, types and labels of the metrics. Must not know: how the counts are made, how the metrics are served.

    from prometheus_client import REGISTRY, start_http_server
    from cwlog_handler.prometheus import CloudWatchLogsCollector

    REGISTRY.register(CloudWatchLogsCollector(handler))
    start_http_server(9100)

The counts are those of one process, and a forked child begins at zero. The multiprocess mode of prometheus_client
(``PROMETHEUS_MULTIPROC_DIR``) does not work with this collector, nor with any other: it merges files that only its own
metric classes write. Under gunicorn and similar servers, let each worker serve its metrics on its own port, or push
them, or log ``handler.stats``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from .core.ledger import DROP_REASONS, REJECT_REASONS, Stats
from .handler import CloudWatchLogsHandler

__all__ = ["CloudWatchLogsCollector"]

_Family: TypeAlias = "CounterMetricFamily | GaugeMetricFamily"
_Labels: TypeAlias = "tuple[str, str, str]"

_LABELS: Final = ("log_group", "log_stream", "handler")


@dataclass(frozen=True, slots=True)
class _Metric:
    """One metric: the field of `Stats` that it shows, and, if that counts by reason, the known reasons."""

    name: str
    field: str
    documentation: str
    reasons: tuple[str, ...] = ()
    is_gauge: bool = False

    def family(self) -> _Family:
        labels = (*_LABELS, "reason") if self.reasons else _LABELS
        made = GaugeMetricFamily if self.is_gauge else CounterMetricFamily
        return made(f"cwlog_handler_{self.name}", self.documentation, labels=labels)

    def values(self, stats: Iterable[Stats]) -> Mapping[str, int]:
        """Return the sum over ``stats`` for each reason; a metric without reasons has one sum, under ""."""
        # Each reason is shown with the value 0 from the start. A series that first appears with the value 1 has no
        # rate in Prometheus, so an alert would miss the first event.
        total: Counter[str] = Counter(dict.fromkeys(self.reasons, 0))
        for each in stats:
            value: int | Mapping[str, int] = getattr(each, self.field)
            total.update(value if isinstance(value, Mapping) else {"": value})
        return total


_METRICS: Final = (
    _Metric("events_emitted", "emitted", "Log events that the program logged."),
    _Metric("events_recovered", "recovered", "Log events taken over from processes that have ended."),
    _Metric("events_delivered", "delivered", "Log events that CloudWatch Logs acknowledged."),
    _Metric("events_rejected", "rejected_by_reason", "Log events sent and refused by CloudWatch Logs.", REJECT_REASONS),
    _Metric("events_dropped", "dropped_by_reason", "Log events never sent.", DROP_REASONS),
    _Metric("events_possibly_duplicated", "possibly_duplicated", "Delivered log events that may be stored twice."),
    _Metric("loss_notices", "loss_notices", "Log events of the handler's own, which tell of an overflow."),
    _Metric("events_pending", "pending", "Log events waiting or on their way.", is_gauge=True),
    _Metric("events_spooled", "spooled", "Pending log events that are on disk.", is_gauge=True),
    _Metric("pending_bytes", "pending_bytes", "Memory counted against max_buffer_size.", is_gauge=True),
    _Metric("delivered_bytes", "delivered_bytes", "Bytes delivered as they are billed: UTF-8 plus 26 an event."),
    _Metric("requests", "requests", "PutLogEvents requests that ended, retries included."),
    _Metric("retries", "retries", "PutLogEvents requests that carried a batch again."),
    _Metric("throttled", "throttled", "PutLogEvents requests that CloudWatch Logs throttled."),
    _Metric("entity_rejected", "entity_rejected", "PutLogEvents requests delivered without their entity."),
)


class CloudWatchLogsCollector(Collector):
    """Shows the `stats` of one or several handlers to Prometheus. Register it with a ``CollectorRegistry``.

    The labels are ``log_group`` and ``log_stream`` (the templates as the user wrote them) and ``handler`` (its name in
    ``dictConfig``, or empty). Handlers with the same three labels are added up and shown as one. `collect` takes a
    snapshot of each handler; it makes no request, and any thread may call it. Without a handler, or with anything else
    than handlers, the constructor raises TypeError.
    """

    def __init__(self, *handlers: CloudWatchLogsHandler) -> None:
        if not handlers:
            raise TypeError("CloudWatchLogsCollector() needs a handler, or several")
        for handler in handlers:
            if not isinstance(handler, CloudWatchLogsHandler):
                raise TypeError(f"{handler!r}: not a CloudWatchLogsHandler; give handlers, one by one")
        self._handlers = handlers

    def describe(self) -> Iterable[_Family]:
        """Return the metrics without values: a registry needs only their names, so no handler is asked."""
        return [metric.family() for metric in _METRICS]

    def collect(self) -> Iterable[_Family]:
        """Return the metrics with their present values. All values of one handler are from the same instant."""
        snapshots: dict[_Labels, list[Stats]] = {}
        for handler in self._handlers:
            snapshots.setdefault(_labels_of(handler), []).append(handler.stats)
        return [_filled(metric, snapshots) for metric in _METRICS]


def _labels_of(handler: CloudWatchLogsHandler) -> _Labels:
    return handler.log_group_name, handler.log_stream_name, handler.get_name() or ""


def _filled(metric: _Metric, snapshots: Mapping[_Labels, list[Stats]]) -> _Family:
    family = metric.family()
    for labels, stats in snapshots.items():
        for reason, value in metric.values(stats).items():
            family.add_metric([*labels, reason] if metric.reasons else list(labels), value)
    return family
