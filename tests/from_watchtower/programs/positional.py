"""Group and stream by position, small batches, the region in a client, nothing made that is missing."""

import logging

import boto3
import watchtower

handler = watchtower.CloudWatchLogHandler(
    "positional",
    "by-position",
    use_queues=True,
    send_interval=5,
    max_batch_size=64 * 1024,
    max_batch_count=10,
    boto3_client=boto3.client("logs", region_name="eu-west-1"),
    create_log_group=False,
    create_log_stream=False,
    max_message_size=256 * 1024,
    level=logging.WARNING,
)
handler.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
logging.basicConfig(level=logging.INFO, handlers=[handler])
logging.info("too quiet")
for number in range(25):
    logging.warning("number %d", number)
