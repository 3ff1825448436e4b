"""gunicorn's settings: ``logconfig_dict`` configures logging in the master, before it forks the workers.

The handler may be used before the fork. Each worker begins with an empty buffer, and has its own connection and its own
stream. Start it with ``gunicorn -c gunicorn_settings.py gunicorn_shop:application``.
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
        # Warnings and errors also appear on the terminal where the program was started.
        "console": {"class": "logging.StreamHandler", "level": "WARNING", "formatter": "line"},
    },
    "root": {"level": "INFO", "handlers": ["cloudwatch", "console"]},
    # gunicorn's two loggers have no handlers here, so that their records reach the root logger.
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
        "gunicorn.access": {"level": "INFO", "handlers": [], "propagate": True},
    },
}


def post_worker_init(worker: Any) -> None:
    """Log from one of gunicorn's hooks."""
    worker.log.info("worker %d is ready", worker.age)
