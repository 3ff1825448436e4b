"""A handler added to a logger: text, arguments, a dictionary, an exception."""

import logging

import watchtower

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("shop")
logger.addHandler(watchtower.CloudWatchLogHandler(log_group_name="plain"))
logger.info("open")
logger.info("order %d costs %.2f", 7, 1.5)
logger.info({"order": 7, "paid": True, "by": {"name": "Zoë"}})
try:
    {}["basket"]
except KeyError:
    logger.exception("no basket")
