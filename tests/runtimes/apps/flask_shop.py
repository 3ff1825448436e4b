"""A Flask application that logs through ``app.logger``: logging is set up before it is made, as Flask's manual says."""

import logging.config
import os

from flask import Flask, request
from log_settings import log_settings

logging.config.dictConfig(log_settings())
app = Flask(__name__)
app.logger.info("imported")


@app.route("/")
def order():
    for line in range(5):
        app.logger.info("order %s, line %d", request.query_string.decode(), line)
    return str(os.getpid())
