"""structlog in front of the standard library: its ``ProcessorFormatter`` makes one JSON document of each event.

Records of libraries that do not use structlog get the same form, through ``foreign_pre_chain``.
"""

import logging
import logging.config

import structlog

SHARED = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": SHARED,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        },
    },
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "formatter": "json",
        },
    },
    "root": {"level": "INFO", "handlers": ["cloudwatch"]},
}


def configure_logging() -> None:
    logging.config.dictConfig(LOGGING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def main() -> None:
    configure_logging()
    structlog.contextvars.bind_contextvars(request="r-1")
    log = structlog.get_logger("shop")
    log.info("order", number=17, customer="Zoë")
    logging.getLogger("stock.keeper").warning("%d left", 2, extra={"shelf": "B"})
    try:
        {}["basket"]
    except KeyError:
        log.exception("order failed", number=18)


if __name__ == "__main__":
    main()
