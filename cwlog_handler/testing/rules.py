"""The service's limits, and the form of its validation errors.

Owns: every limit with its source, and the message for a broken one. Must not know: the handler, what is stored. The
handler's own limits are not used here: a mistake in them would go unnoticed.
"""

import re
from collections.abc import Collection, Sized
from typing import Any, Final

from .answers import Refusal

# PutLogEvents, API reference: "The maximum batch size is 1,048,576 bytes ... sum of all event messages in UTF-8, plus
# 26 bytes for each log event"; "The maximum number of log events in a batch is 10,000"; "the time span in a single
# batch cannot exceed 24 hours"; "more than 2 hours in the future"; "older than 14 days". The 26 is in calls.py.
MAX_BATCH_BYTES: Final = 1_048_576
MAX_BATCH_EVENTS: Final = 10_000
MAX_EVENT_BYTES: Final = 1_048_576  # "Each log event can be no larger than 1 MB", since April 2025; 262,144 before
SECOND_MS: Final = 1_000
DAY_MS: Final = 86_400 * SECOND_MS
MAX_SPAN_MS: Final = DAY_MS
MAX_AHEAD_MS: Final = 2 * 3_600 * SECOND_MS
MAX_AGE_MS: Final = 14 * DAY_MS

# GetLogEvents and FilterLogEvents: "up to 1 MB of log events or up to 10,000 log events" in a page.
MAX_PAGE_EVENTS: Final = 10_000
MAX_PAGE_BYTES: Final = 1_048_576
MAX_DESCRIBED: Final = 50  # DescribeLimit in botocore's model

# botocore's model logs/2014-03-28: shapes LogGroupName, LogStreamName, KmsKeyId, Tags, TagKey, TagValue, LogGroupClass.
MAX_NAME_LENGTH: Final = 512
GROUP_NAME_PATTERN: Final = r"[\.\-_/#A-Za-z0-9]+"
STREAM_NAME_PATTERN: Final = "[^:*]*"
MAX_KMS_KEY_LENGTH: Final = 256
MAX_TAGS: Final = 50
MAX_TAG_KEY_LENGTH: Final = 128
MAX_TAG_VALUE_LENGTH: Final = 256
GROUP_CLASSES: Final = ("STANDARD", "INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS")

# PutRetentionPolicy, API reference.
RETENTION_DAYS: Final = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545),
    *(731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


class Constraints:
    """Collects the broken constraints of one request, so that one answer names them all, as the service does."""

    def __init__(self) -> None:
        self._violations: list[str] = []

    def present(self, value: Any, where: str) -> bool:
        """A required member must be present. Returns whether it is, so that further checks can be left out."""
        if value is None:
            self._violations.append(f"Value null at '{where}' failed to satisfy constraint: Member must not be null")
        return value is not None

    def length(self, value: Sized, where: str, minimum: int, maximum: int | None = None) -> None:
        """A string, list or map must have a length within the bounds, both inclusive."""
        if len(value) < minimum:
            self._broken(value, where, f"Member must have length greater than or equal to {minimum}")
        if maximum is not None and len(value) > maximum:
            self._broken(value, where, f"Member must have length less than or equal to {maximum}")

    def within(self, value: int, where: str, minimum: int, maximum: int | None = None) -> None:
        """A number must lie within the bounds, both inclusive."""
        if value < minimum:
            self._broken(value, where, f"Member must have value greater than or equal to {minimum}")
        if maximum is not None and value > maximum:
            self._broken(value, where, f"Member must have value less than or equal to {maximum}")

    def pattern(self, value: str, where: str, pattern: str) -> None:
        """A string must match the pattern as a whole."""
        if not re.fullmatch(pattern, value):
            self._broken(value, where, f"Member must satisfy regular expression pattern: {pattern}")

    def one_of(self, value: Any, where: str, allowed: Collection[Any]) -> None:
        """A value must be one of those listed."""
        if value not in allowed:
            listed = ", ".join(str(choice) for choice in allowed)
            self._broken(value, where, f"Member must satisfy enum value set: [{listed}]")

    def group_name(self, value: str | None, where: str = "logGroupName") -> None:
        """A log group's name must be present, have 1 to 512 characters, and match the service's pattern."""
        self._name(value, where, GROUP_NAME_PATTERN)

    def stream_name(self, value: str | None, where: str = "logStreamName") -> None:
        """A log stream's name must be present, have 1 to 512 characters, and contain no colon or asterisk."""
        self._name(value, where, STREAM_NAME_PATTERN)

    def enforce(self) -> None:
        """Refuse the request if anything was broken."""
        if self._violations:
            count = len(self._violations)
            errors = "error" if count == 1 else "errors"
            raise invalid(f"{count} validation {errors} detected: {'; '.join(self._violations)}")

    def _name(self, value: str | None, where: str, pattern: str) -> None:
        if self.present(value, where) and value is not None:
            self.length(value, where, 1, MAX_NAME_LENGTH)
            self.pattern(value, where, pattern)

    def _broken(self, value: Any, where: str, constraint: str) -> None:
        self._violations.append(f"Value '{_shown(value)}' at '{where}' failed to satisfy constraint: {constraint}")


def invalid(message: str) -> Refusal:
    """The refusal of a value that breaks a rule."""
    return Refusal("InvalidParameterException", message)


def _shown(value: Any) -> str:
    if isinstance(value, list | dict) and value:
        return f"[{len(value)} members]"  # the service prints all members, which may be ten thousand events
    return str(value)
