"""multiprocessing: every process configures logging for itself and writes to its own stream, without a queue between.

With the start method "fork" a child inherits the parent's handler. It needs no configuration, but another does no harm.
"""

import logging
import logging.config
import multiprocessing

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "log_stream_name": "{machine_name}/{process_id}",
        },
    },
    "root": {"level": "INFO", "handlers": ["cloudwatch"]},
}


def configure_logging() -> None:
    logging.config.dictConfig(LOGGING)


def pack(order: int) -> int:
    logging.info("order %d is packed", order)
    return order


def main() -> None:
    configure_logging()
    with multiprocessing.get_context("spawn").Pool(2, initializer=configure_logging) as pool:
        packed = pool.map(pack, range(6), chunksize=1)
        # Without these two calls, leaving the "with" kills the workers, and what they have not sent is lost.
        pool.close()
        pool.join()
    logging.info("%d orders are packed", len(packed))


if __name__ == "__main__":
    main()
