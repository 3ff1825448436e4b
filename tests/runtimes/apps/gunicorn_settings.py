"""What gunicorn is told: hooks that log in the master and in the workers, and, if it is to, how to log."""

import logging
import os

from log_settings import log_settings

if os.environ["CONFIGURED_BY"] == "server":
    logconfig_dict = log_settings()

workers = int(os.environ["WORKERS"])
worker_class = os.environ["WORKER_CLASS"]
threads = 2 if worker_class == "gthread" else 1
preload_app = os.environ["PRELOAD"] == "1"
# It would be one file for all that run at the same time.
control_socket_disable = True

early = logging.getLogger("early")
log = logging.getLogger("hooks")


def when_ready(server):
    early.info("when_ready")


def post_fork(server, worker):
    early.info("post_fork")


def on_reload(server):
    log.info("on_reload")


def worker_exit(server, worker):
    log.info("worker_exit")


def on_exit(server):
    log.info("on_exit")
