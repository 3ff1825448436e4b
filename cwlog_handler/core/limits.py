"""The service's numbers and name patterns, each with its source.

Owns: the limits of the service. Must not know: numbers of our own choosing, which stand beside the code that uses
them. Imports nothing of ours.

Sources: the PutLogEvents, CreateLogGroup and CreateLogStream pages of the CloudWatch Logs API reference, the quotas
page of its user guide, and the service model ``logs/2014-03-28`` inside botocore (a test compares this file with it).
"""

from __future__ import annotations

import re
from typing import Final, Literal

# PutLogEvents: "The maximum batch size is 1,048,576 bytes. This size is calculated as the sum of all event messages
# in UTF-8, plus 26 bytes for each log event."
MAX_BATCH_BYTES: Final = 1_048_576
EVENT_OVERHEAD_BYTES: Final = 26

# PutLogEvents: "The maximum number of log events in a batch is 10,000."
MAX_BATCH_EVENTS: Final = 10_000

# PutLogEvents: "Each log event can be no larger than 1 MB" (256 KB until April 2025), its 26 bytes included.
MAX_EVENT_BYTES: Final = 1_048_576

# PutLogEvents: "the time span in a single batch cannot exceed 24 hours".
MAX_BATCH_SPAN_MS: Final = 24 * 3600 * 1000

# PutLogEvents: "Events older than 14 days or preceding the log group's retention period are rejected".
MAX_AGE_MS: Final = 14 * 24 * 3600 * 1000

# PutLogEvents: "Events more than 2 hours in the future are rejected".
MAX_AHEAD_MS: Final = 2 * 3600 * 1000

DAY_MS: Final = 24 * 3600 * 1000

# The service's quota of requests per second and stream. It was lifted in 2023.
REQUESTS_PER_SECOND: Final = 5

# Model shapes LogGroupName and LogStreamName.
MAX_NAME_LENGTH: Final = 512
LOG_GROUP_CHARACTERS: Final = frozenset(".-_/#ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
LOG_GROUP_NAME: Final = re.compile(r"[\.\-_/#A-Za-z0-9]+")
LOG_STREAM_NAME: Final = re.compile(r"[^:*]*")
# CreateLogGroup: "Log group names can't start with the string aws/".
RESERVED_LOG_GROUP_PREFIX: Final = "aws/"

# Model shape Days.
RETENTION_DAYS: Final = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip

# Model shape LogGroupClass.
LogGroupClass = Literal["STANDARD", "INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS"]
LOG_GROUP_CLASSES: Final = ("STANDARD", "INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS")

# Embedded metric format, PutLogEvents: a header "which tells CloudWatch Logs the metrics should be extracted, but it's
# not required". The header once was required, and still is in regions that do not detect the format by themselves.
LOG_FORMAT_HEADER: Final = "x-amzn-logs-format"
LogFormat = Literal["json/emf"]
LOG_FORMATS: Final = ("json/emf",)

# Model shapes EntityKeyAttributes, EntityAttributes, and those of their keys and values. Of the keys, the model's text
# says: "There are five allowed attributes (key names)". The sixth is what AWS's own agent adds for an account.
ENTITY_KEY_ATTRIBUTES: Final = ("Type", "ResourceType", "Identifier", "Name", "Environment", "AwsAccountId")
MIN_ENTITY_KEY_ATTRIBUTES: Final = 2
MAX_ENTITY_KEY_ATTRIBUTES: Final = 4
MAX_ENTITY_ATTRIBUTES: Final = 10
MAX_ENTITY_ATTRIBUTE_KEY_LENGTH: Final = 256
MAX_ENTITY_VALUE_LENGTH: Final = 512

# The coding of a request's body that the service's own agent uses. No documentation names another one.
Compression = Literal["gzip"]
COMPRESSIONS: Final = ("gzip",)

# Model shapes Tags, TagKey, TagValue and KmsKeyId. Only lengths are checked: their patterns use ``\p{L}\p{Z}\p{N}``,
# which ``re`` does not support.
MAX_TAGS: Final = 50
MAX_TAG_KEY_LENGTH: Final = 128
MAX_TAG_VALUE_LENGTH: Final = 256
MAX_KMS_KEY_ID_LENGTH: Final = 256
