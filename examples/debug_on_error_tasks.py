"""Tasks of Celery and jobs of RQ whose DEBUG and INFO records are sent only if they fail: see debug_on_error.py.

Make the application by ``Celery("shop", task_cls=CeleryTask)``, or start the worker by
``rq worker --worker-class debug_on_error_tasks.RQWorker``.
"""

from typing import Any

import celery
import rq_shop
from debug_on_error import until_error


class CeleryTask(celery.Task):
    """Keeps back what a task logs. A retry sends it, too: Celery makes it by an exception."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        with until_error():
            return super().__call__(*args, **options)


class RQWorker(rq_shop.Worker):
    """Keeps back what a job logs. RQ logs an error if it fails, and rq_shop.Worker delivers before the process ends."""

    def perform_job(self, *arguments: Any, **options: Any) -> bool:
        with until_error():
            return super().perform_job(*arguments, **options)
