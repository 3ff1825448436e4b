"""The WSGI application for gunicorn_settings.py. It only logs, also while gunicorn's master process loads it."""

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

log = logging.getLogger("shop")
log.info("loaded once, before the workers are forked")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    log.info("%s by worker %d", environ["PATH_INFO"], os.getpid())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"thank you\n"]
