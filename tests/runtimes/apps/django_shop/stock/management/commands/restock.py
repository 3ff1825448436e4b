"""``manage.py restock``: logs, and ends at once."""

import logging

from django.core.management.base import BaseCommand

log = logging.getLogger("stock")


class Command(BaseCommand):
    """Fill the shelves."""

    def handle(self, *args, **options):
        for shelf in range(3):
            log.info("shelf %d is full", shelf)
        self.stdout.write("done")
