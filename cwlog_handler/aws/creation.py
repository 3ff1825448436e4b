"""Creating what a put finds missing: the stream, and its group with what it is to have.

Owns: the calls CreateLogStream, CreateLogGroup and PutRetentionPolicy. Must not know: events, when it is tried again.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..core import advice
from ..core.advice import Call
from ..core.outcomes import Created, Outcome, Unavailable
from . import errors, hooks


class Group(NamedTuple):
    """A log group, what may be created in it, and what the group gets if it is created here."""

    name: str
    creates_group: bool = True
    creates_stream: bool = True
    retention_days: int | None = None
    tags: Mapping[str, str] | None = None
    kms_key_id: str | None = None
    group_class: str | None = None


class Creator:
    """Creates the streams of one log group, and the group.

    ``say(key, text)`` is called with a warning for the operator when the group lacks something that it was to have.
    """

    def __init__(self, group: Group, say: Callable[[str, str], None]) -> None:
        self._group = group
        self._say = say

    def create(self, client: Any, stream: str) -> Outcome:
        """Create the stream, and its group if that is missing too. Any thread may call this."""
        group = self._group
        if not group.creates_stream:
            return Call(advice.PUT, group.name, stream).refuse(errors.RESOURCE_NOT_FOUND, advice.NO_STREAM)
        outcome = self._create_stream(client, stream)
        if outcome is not None:
            return outcome
        if not group.creates_group:
            return Call(advice.PUT, group.name, stream).refuse(errors.RESOURCE_NOT_FOUND, advice.NO_GROUP)
        created = self._create_group(client, stream)
        if not isinstance(created, Created):
            return created
        outcome = self._create_stream(client, stream)
        if outcome is None:
            return Unavailable("the new log group cannot be seen yet", ambiguous=False)
        return created if isinstance(outcome, Created) else outcome

    def _create_stream(self, client: Any, stream: str) -> Outcome | None:
        """Create the stream; None if its group is missing."""
        try:
            with hooks.our_call():
                client.create_log_stream(logGroupName=self._group.name, logStreamName=stream)
        except Exception as error:
            code = errors.code_of(error)
            if code == errors.RESOURCE_NOT_FOUND:
                return None
            if code != errors.RESOURCE_ALREADY_EXISTS:
                return errors.creation_outcome_of(error, Call("logs:CreateLogStream", self._group.name, stream))
        return Created()

    def _create_group(self, client: Any, stream: str) -> Outcome:
        """Create the log group and set its retention; Created if the group exists now, whoever created it."""
        tags = dict(self._group.tags or {})
        error = self._try_create_group(client, tags)
        if error is not None and tags and errors.refuses_tags(error):
            tags_error, error = error, self._try_create_group(client, {})
            if error is None:
                reason = errors.text_of(tags_error)
                self._say("tags", advice.TAGS_LEFT_OUT.sentence(self._group.name, "", reason=reason))
        if error is None:
            return Created(self._set_retention(client))
        if errors.code_of(error) == errors.RESOURCE_ALREADY_EXISTS:
            # The process that created the group may have ended before it set the retention. If it has not, it may still
            # set another one after us.
            self._set_retention(client)
            return Created()
        return errors.creation_outcome_of(error, Call("logs:CreateLogGroup", self._group.name, stream))

    def _try_create_group(self, client: Any, tags: Mapping[str, str]) -> Exception | None:
        options = {"tags": tags, "kmsKeyId": self._group.kms_key_id, "logGroupClass": self._group.group_class}
        try:
            with hooks.our_call():
                client.create_log_group(
                    logGroupName=self._group.name, **{name: value for name, value in options.items() if value}
                )
        except Exception as error:
            return error
        return None

    def _set_retention(self, client: Any) -> int | None:
        """Set the group's retention; return it in days, or None if it was not set."""
        if self._group.retention_days is None:
            return None
        try:
            with hooks.our_call():
                client.put_retention_policy(logGroupName=self._group.name, retentionInDays=self._group.retention_days)
        except Exception as error:
            reason = errors.text_of(error)
            self._say("retention", advice.RETENTION_NOT_SET.sentence(self._group.name, "", reason=reason))
            return None
        return self._group.retention_days
