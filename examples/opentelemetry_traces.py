"""Each record has the ids of the OpenTelemetry span in which it was logged, so that trace and log can be connected.

A filter on the handler adds the ids of the current span to the record, and the JSON formatter writes them as fields.
The name ``traceId`` matters, capital I included: CloudWatch Logs indexes the field of this name by itself. It is in
OpenTelemetry's form. ``xray_trace_id`` is the same id in X-Ray's form: ``1-``, the time, the rest.
"""

import logging
import logging.config

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider


class SpanIds(logging.Filter):
    """Add ``traceId``, ``spanId`` and ``xray_trace_id`` to each record that is logged within a span."""

    def filter(self, record: logging.LogRecord) -> bool:
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            record.traceId = trace.format_trace_id(span.trace_id)
            record.spanId = trace.format_span_id(span.span_id)
            record.xray_trace_id = f"1-{record.traceId[:8]}-{record.traceId[8:]}"
        return True


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"span": {"()": SpanIds}},
    "formatters": {
        "json": {"()": "pythonjsonlogger.json.JsonFormatter", "fmt": "%(levelname)s %(name)s %(message)s"},
    },
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "filters": ["span"],
            "formatter": "json",
        },
    },
    "root": {"level": "INFO", "handlers": ["cloudwatch"]},
}

log = logging.getLogger("shop")
tracer = trace.get_tracer("shop")


def main() -> None:
    logging.config.dictConfig(LOGGING)
    # In your program this is your own set-up with an exporter. The ids exist even without an exporter.
    trace.set_tracer_provider(TracerProvider())
    with tracer.start_as_current_span("order"):
        log.info("ordered", extra={"number": 17})
        with tracer.start_as_current_span("payment"):
            log.info("paid", extra={"number": 17})
    log.info("outside of any span")


if __name__ == "__main__":
    main()
