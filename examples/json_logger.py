"""python-json-logger, the formatter that we recommend: each record becomes one JSON document with fields you choose.

``extra=``, the keys of dict messages and the traceback become fields. CloudWatch Logs Insights finds all of them:
``filter levelname = "ERROR" | stats count() by number``. The time needs no field: Insights has it as ``@timestamp``.
"""

import logging.config

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "%(levelname)s %(name)s %(message)s",
            "json_ensure_ascii": False,
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

log = logging.getLogger("shop")


def main() -> None:
    logging.config.dictConfig(LOGGING)
    log.info("order %d", 17, extra={"number": 17, "customer": "Zoë"})
    log.info({"message": "paid", "number": 17, "amount": {"value": 9.5, "currency": "EUR"}})
    try:
        {}["basket"]
    except KeyError:
        log.exception("no basket", extra={"number": 18})


if __name__ == "__main__":
    main()
