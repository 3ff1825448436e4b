"""A Flask application: the handler on its logger, and on the logger of the server below it."""

import logging

import flask
import watchtower

logging.basicConfig(level=logging.INFO)
app = flask.Flask("shop")
handler = watchtower.CloudWatchLogHandler(log_group_name="flask", log_stream_name="{logger_name}")
app.logger.addHandler(handler)
logging.getLogger("werkzeug").addHandler(handler)


@app.route("/<name>")
def hello(name):
    app.logger.info("hello %s", name)
    if name == "nobody":
        raise ValueError(name)
    return "hello"


for visitor in ("you", "nobody"):
    app.test_client().get(f"/{visitor}")
logging.getLogger("werkzeug").info("stopped")
