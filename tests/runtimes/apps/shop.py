"""A WSGI application that logs while it is imported and five times for each order, and answers with its process id."""

import logging.config
import os

from log_settings import log_settings

if os.environ.get("CONFIGURED_BY") != "server":
    logging.config.dictConfig(log_settings())

log = logging.getLogger("shop")
logging.getLogger("early").info("imported")


def application(environ, start_response):
    for line in range(5):
        log.info("order %s, line %d", environ["QUERY_STRING"], line)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
