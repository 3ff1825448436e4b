"""gunicorn configures logging by ``logconfig_dict``, loads the application before it forks, and every worker delivers.

The handler may have been used before the fork: a worker begins with an empty buffer, a connection and a stream of its
own. ``gunicorn -c gunicorn_settings.py gunicorn_shop:application``.
"""

from typing import Any

preload_app = True
workers = 2

logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "log_stream_name": "gunicorn/{machine_name}/{process_id}",
            "formatter": "line",
        },
        # What goes wrong is to be seen where the program was started as well.
        "console": {"class": "logging.StreamHandler", "level": "WARNING", "formatter": "line"},
    },
    "root": {"level": "INFO", "handlers": ["cloudwatch", "console"]},
    # gunicorn's own two: without handlers of their own, what they log reaches the root logger.
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
        "gunicorn.access": {"level": "INFO", "handlers": [], "propagate": True},
    },
}


def post_worker_init(worker: Any) -> None:
    """Log from one of gunicorn's hooks."""
    worker.log.info("worker %d is ready", worker.age)
