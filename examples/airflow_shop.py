"""An Airflow DAG whose tasks log as usual: one prints, too, one fails once, one is killed."""

import logging
import os
import signal
from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

log = logging.getLogger("shop")


@task
def pack(order: int) -> None:
    log.info("order %d is packed", order)
    print("its label is printed")


@task(retries=1, retry_delay=timedelta(0))
def ship(ti: Any = None) -> None:
    if ti.try_number == 1:
        raise LookupError("there is no lorry")
    log.info("shipped to Zoë")


@task
def invoice() -> None:
    log.warning("out of memory soon")
    os.kill(os.getpid(), signal.SIGKILL)


@dag
def shop() -> None:
    pack(17) >> ship() >> invoice()


shop()
