"""``handler.stats`` as OpenTelemetry metrics: counters that are read whenever your exporter collects.

Set alarms on ``cloudwatch_logs.dropped`` and ``cloudwatch_logs.rejected``. They have no values while all is well.
"""

import logging
from collections.abc import Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from cwlog_handler import CloudWatchLogsHandler


def observe(handler: CloudWatchLogsHandler) -> None:
    """Register the handler's counts with OpenTelemetry's meter."""
    meter = metrics.get_meter("cwlog_handler")
    labels = {"log_group": handler.log_group_name}

    def delivered(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(handler.stats.delivered, labels)

    def rejected(_: CallbackOptions) -> Iterable[Observation]:
        for reason, count in handler.stats.rejected_by_reason.items():
            yield Observation(count, {**labels, "reason": reason})

    def dropped(_: CallbackOptions) -> Iterable[Observation]:
        for reason, count in handler.stats.dropped_by_reason.items():
            yield Observation(count, {**labels, "reason": reason})

    def pending(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(handler.stats.pending, labels)

    meter.create_observable_counter("cloudwatch_logs.delivered", [delivered], "{event}", "acknowledged by the service")
    meter.create_observable_counter("cloudwatch_logs.rejected", [rejected], "{event}", "refused by the service")
    meter.create_observable_counter("cloudwatch_logs.dropped", [dropped], "{event}", "never sent")
    meter.create_observable_gauge("cloudwatch_logs.pending", [pending], "{event}", "waiting, or on their way")


def main() -> None:
    # In your program the reader has an exporter. This one only keeps the numbers in memory.
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))

    cloudwatch = CloudWatchLogsHandler("my-app")
    observe(cloudwatch)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[cloudwatch])
    for number in range(3):
        logging.info("order %d", number)
    logging.info("")  # dropped and counted: the service accepts no empty event
    cloudwatch.flush()

    for resource in reader.get_metrics_data().resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    print(f"{metric.name} {dict(point.attributes)} = {point.value}")


if __name__ == "__main__":
    main()
