"""watchtower's own formatter, with attributes of the record; it stays watchtower's, only the handler moves."""

import logging

import watchtower

logger = logging.getLogger("shop")
logger.setLevel(logging.INFO)
handler = watchtower.CloudWatchLogHandler(log_group_name="formatter", log_stream_name="s")
handler.setFormatter(watchtower.CloudWatchLogFormatter(add_log_record_attrs=("levelname", "funcName")))
logger.addHandler(handler)
logger.info("open")
logger.warning({"order": 7})
