"""Creating what a put finds missing: the stream, and its group with what it is to have.

Owns: the calls CreateLogStream, CreateLogGroup and PutRetentionPolicy. Must not know: events, when it is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from ..core import advice
from ..core.advice import Call
from ..core.outcomes import Created, Outcome, Unavailable
from ..core.targets import Target
from ..system.stderr import Say
from . import errors, hooks


class Group:
    """What may be created of a log group, and what the group gets if it is created here."""

    __slots__ = (
        "creates_group", "creates_stream", "group_class", "is_protected", "kms_key_id", "name", "retention_days",
        "tags",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        creates_group: bool = True,
        creates_stream: bool = True,
        retention_days: int | None = None,
        tags: Mapping[str, str] | None = None,
        kms_key_id: str | None = None,
        group_class: str | None = None,
        is_protected: bool = False,
    ) -> None:
        self.name: Final = name
        """As the user gave it: perhaps a template, so that this stands for many groups."""
        self.creates_group: Final = creates_group
        self.creates_stream: Final = creates_stream
        self.retention_days: Final = retention_days
        self.tags: Final = tags
        self.kms_key_id: Final = kms_key_id
        self.group_class: Final = group_class
        self.is_protected: Final = is_protected
        """Whether it gets the service's protection against deletion."""


class _Wish:
    """Something that a group can do without."""

    __slots__ = ("advice", "field", "is_refused", "key", "parameter")

    def __init__(
        self, field: str, parameter: str, key: str, advice: advice.Advice, is_refused: Callable[[Exception], bool]
    ) -> None:
        self.field: Final = field
        self.parameter: Final = parameter
        """Its name in CreateLogGroup."""
        self.key: Final = key
        """The name of the warning about it."""
        self.advice: Final = advice
        self.is_refused: Final = is_refused
        """Whether an error may be about it."""


_WISHES: Final = (
    _Wish("tags", "tags", "tags", advice.TAGS_LEFT_OUT, errors.refuses_tags),
    _Wish(
        "is_protected",
        "deletionProtectionEnabled",
        "deletion protection",
        advice.PROTECTION_LEFT_OUT,
        errors.refuses_protection,
    ),
)


_LeftOut: TypeAlias = "tuple[_Wish, str]"
"""What a group has to do without, and why."""


class Creator:
    """Creates streams and their log groups, all with the same options.

    ``say`` is called with a warning for the operator when the group lacks something that it was to have.
    """

    def __init__(self, group: Group, say: Say) -> None:
        self._group = group
        self._say = say

    def create(self, client: Any, target: Target) -> Outcome:
        """Create the stream, and its group if that is missing too. Any thread may call this."""
        group = self._group
        if not group.creates_stream:
            return Call(advice.PUT, *target).refuse(errors.RESOURCE_NOT_FOUND, advice.NO_STREAM)
        outcome = self._create_stream(client, target)
        if outcome is not None:
            return outcome
        if not group.creates_group:
            return Call(advice.PUT, *target).refuse(errors.RESOURCE_NOT_FOUND, advice.NO_GROUP)
        created = self._create_group(client, target)
        if not isinstance(created, Created):
            return created
        outcome = self._create_stream(client, target)
        if outcome is None:
            return Unavailable("the new log group cannot be seen yet", ambiguous=False)
        return created if isinstance(outcome, Created) else outcome

    def _create_stream(self, client: Any, target: Target) -> Outcome | None:
        """Create the stream; None if its group is missing."""
        try:
            with hooks.our_call():
                client.create_log_stream(logGroupName=target.group, logStreamName=target.stream)
        except Exception as error:
            code = errors.code_of(error)
            if code == errors.RESOURCE_NOT_FOUND:
                return None
            if code != errors.RESOURCE_ALREADY_EXISTS:
                return errors.creation_outcome_of(error, Call("logs:CreateLogStream", *target))
        return Created()

    def _create_group(self, client: Any, target: Target) -> Outcome:
        """Create the log group and set its retention; Created if the group exists now, whoever created it."""
        error = self._try_create_group(client, target.group, ())
        if error is not None:
            error = self._create_without(client, target.group, error)
        if error is None:
            return Created(self._set_retention(client, target.group))
        if errors.code_of(error) == errors.RESOURCE_ALREADY_EXISTS:
            # The process that created the group may have ended before it set the retention. If it has not, it may still
            # set another one after us.
            self._set_retention(client, target.group)
            return Created()
        return errors.creation_outcome_of(error, Call("logs:CreateLogGroup", *target))

    def _create_without(
        self, client: Any, name: str, error: Exception, left_out: tuple[_LeftOut, ...] = ()
    ) -> Exception | None:
        """Create the group without what was refused of its wishes, and say so; return why it cannot be created.

        Which wish a refusal means is not always to be seen. So each is left out in turn. If the last one does not help
        either, it stays left out, and then another one is left out, too.
        """
        given_up = [wish for wish, _ in left_out]
        suspects = [wish for wish in _WISHES if self._has(wish) and wish not in given_up and wish.is_refused(error)]
        reason = errors.text_of(error)
        for suspect in suspects:
            without = (*left_out, (suspect, reason))
            again = self._try_create_group(client, name, [wish for wish, _ in without])
            if again is None:
                for wish, why in without:
                    self._say(wish.key, wish.advice.sentence(name, "", reason=why), name)
                return None
            if not any(wish.is_refused(again) for wish in _WISHES):
                return again  # throttled, or the like: it says nothing about a wish
            error = again
        return self._create_without(client, name, error, without) if suspects else error

    def _has(self, wish: _Wish) -> bool:
        return bool(getattr(self._group, wish.field))

    def _try_create_group(self, client: Any, name: str, left_out: Sequence[_Wish]) -> Exception | None:
        group = self._group
        options = {
            "tags": dict(group.tags or {}),
            "kmsKeyId": group.kms_key_id,
            "logGroupClass": group.group_class,
            "deletionProtectionEnabled": group.is_protected,
        }
        for wish in left_out:
            del options[wish.parameter]
        try:
            with hooks.our_call():
                client.create_log_group(
                    logGroupName=name, **{option: value for option, value in options.items() if value}
                )
        except Exception as error:
            return error
        return None

    def _set_retention(self, client: Any, name: str) -> int | None:
        """Set the group's retention; return it in days, or None if it was not set."""
        if self._group.retention_days is None:
            return None
        try:
            with hooks.our_call():
                client.put_retention_policy(logGroupName=name, retentionInDays=self._group.retention_days)
        except Exception as error:
            reason = errors.text_of(error)
            self._say("retention", advice.RETENTION_NOT_SET.sentence(name, "", reason=reason), name)
            return None
        return self._group.retention_days
