"""The program of a container on ECS, AWS Batch or EKS: a stream for each task, job or pod, and a clean end by SIGTERM.

Role, region and the stream's name come from the definitions beside this file: ecs_task_definition.json,
batch_job_definition.json and eks_deployment.yaml. ``python container_shop.py 3`` packs three orders, as a job does;
without a number it is a service.
"""

import itertools
import logging
import logging.config
import os
import signal
import sys
import time

log = logging.getLogger("shop")


def configure_logging() -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
            "handlers": {
                "cloudwatch": {
                    "class": "cwlog_handler.CloudWatchLogsHandler",
                    "log_group_name": "my-app",
                    # The definitions say how: by the task, the job or the pod.
                    "log_stream_name": os.environ.get("LOG_STREAM_NAME", "{machine_name}/{process_id}"),
                    "formatter": "line",
                    # The definitions leave 30 seconds between SIGTERM and SIGKILL: the rest is for the program itself.
                    "close_timeout": 10,
                    # On the definition's volume. There is none on your own machine.
                    "spool_dir": os.environ.get("SPOOL_DIR"),
                },
                # Warnings and errors also go to stderr, and so to the platform's log driver.
                "console": {"class": "logging.StreamHandler", "level": "WARNING", "formatter": "line"},
            },
            "root": {"level": "INFO", "handlers": ["cloudwatch", "console"]},
        }
    )


def main() -> None:
    # Process 1 of a container does not die of SIGTERM unless it handles the signal. This ends the program as usual.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    configure_logging()
    try:
        for number in range(int(sys.argv[1])) if sys.argv[1:] else itertools.count():
            log.info("order %d is packed", number)
            time.sleep(0.1)
    finally:
        log.info("the shop closes")


if __name__ == "__main__":
    main()
