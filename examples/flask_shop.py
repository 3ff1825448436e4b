"""A Flask application that logs to CloudWatch Logs. It configures logging before it makes the application.

Then Flask adds no handler of its own to ``app.logger``, and its records reach the root logger. Each has the id of its
request: see request_ids.py. Start it with ``flask --app flask_shop run`` or with any WSGI server.
"""

import logging.config

from flask import Flask
from request_ids import RequestIds, wsgi_request_ids

logging.config.dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_ids": {"()": RequestIds}},
        "formatters": {"line": {"format": "%(levelname)s %(name)s [%(request_id)s]: %(message)s"}},
        "handlers": {
            "cloudwatch": {
                "class": "cwlog_handler.CloudWatchLogsHandler",
                "log_group_name": "my-app",
                "log_stream_name": "flask/{machine_name}/{process_id}",
                "filters": ["request_ids"],
                "formatter": "line",
            },
            # Warnings and errors also appear on the terminal where the program was started.
            "console": {
                "class": "logging.StreamHandler",
                "level": "WARNING",
                "filters": ["request_ids"],
                "formatter": "line",
            },
        },
        "root": {"level": "INFO", "handlers": ["cloudwatch", "console"]},
        # The development server's own lines have colour codes for a terminal, so they are not sent.
        "loggers": {"werkzeug": {"level": "WARNING"}},
    }
)
app = Flask(__name__)
app.wsgi_app = wsgi_request_ids(app.wsgi_app)  # type: ignore[method-assign]


@app.get("/order/<int:number>")
def order(number: int) -> str:
    app.logger.info("order %d", number)
    if number == 13:
        raise LookupError("there is no order 13")
    return "thank you\n"
