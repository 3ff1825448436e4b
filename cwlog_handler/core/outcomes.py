"""The possible results of a request to the service, as values.

Owns: which outcomes there are, between the client, which returns them, and the stream. Must not know: botocore, error
codes, what follows from an outcome.
"""

from typing import Final, TypeAlias

from .values import Value


class Accepted(Value):
    """The service took the batch, except for some events at its ends; ``token`` is for the next request.

    The first ``too_old`` events were rejected, the ``expired`` ones after them, and the last ``too_new``: the counts
    never overlap and never exceed the batch. ``entity_rejected``: the service took the events without the entity that
    they were to belong to.
    """

    __slots__ = __match_args__ = ("token", "too_old", "expired", "too_new", "entity_rejected")

    def __init__(
        self, token: str | None, too_old: int = 0, expired: int = 0, too_new: int = 0, entity_rejected: bool = False
    ) -> None:
        self.token: Final = token
        self.too_old: Final = too_old
        self.expired: Final = expired
        self.too_new: Final = too_new
        self.entity_rejected: Final = entity_rejected

    def without_entity(self) -> "Accepted":
        """Return the same, but without the entity."""
        return Accepted(self.token, self.too_old, self.expired, self.too_new, entity_rejected=True)


class AlreadyAccepted(Value):
    """The service has had this very batch before: a success; ``token`` is for the next request."""

    __slots__ = __match_args__ = ("token",)

    def __init__(self, token: str | None) -> None:
        self.token: Final = token


class StaleToken(Value):
    """The sequence token was wrong; nothing was stored. ``expected`` is the right one; None: no token must be sent."""

    __slots__ = __match_args__ = ("expected",)

    def __init__(self, expected: str | None) -> None:
        self.expected: Final = expected


class Created(Value):
    """The stream was missing and has been made, with its group if need be: send the batch again, without a token.

    ``retention_days`` is the retention if this call has made the group too and has set its retention. None: the group
    existed, or somebody else has made it meanwhile, or its retention was not set.
    """

    __slots__ = __match_args__ = ("retention_days",)

    def __init__(self, retention_days: int | None = None) -> None:
        self.retention_days: Final = retention_days


class AskAgain(Value):
    """The request was refused, perhaps for what goes with its events: an entity, a compression. Nothing was stored.

    Send the same batch again at once. The client leaves out then what may be to blame, and so finds out. ``cause`` is
    why the request was refused.
    """

    __slots__ = __match_args__ = ("cause",)

    def __init__(self, cause: str) -> None:
        self.cause: Final = cause


class Throttled(Value):
    """The service wants fewer requests; nothing was stored. ``code`` is the service's error code.

    ``is_creation``: the stream is missing, and what was refused was to create it, or its group. Creations have a quota
    of their own, so this says nothing about puts.
    """

    __slots__ = __match_args__ = ("code", "is_creation")

    def __init__(self, code: str, is_creation: bool = False) -> None:
        self.code: Final = code
        self.is_creation: Final = is_creation


class Unavailable(Value):
    """The network or the service failed, and will recover by itself. ``ambiguous``: the batch may have been stored."""

    __slots__ = __match_args__ = ("cause", "ambiguous")

    def __init__(self, cause: str, ambiguous: bool) -> None:
        self.cause: Final = cause
        self.ambiguous: Final = ambiguous


class Refused(Value):
    """Somebody has to put something right: credentials, a permission, a missing stream. Nothing was stored.

    ``advice`` is one sentence: what is wrong, in which log group and stream, and the way out. ``renew``: the client
    should be made anew, with fresh credentials, before the next try. ``way_out`` is the last part of the advice alone.
    """

    __slots__ = __match_args__ = ("code", "advice", "renew", "way_out")

    def __init__(self, code: str, advice: str, renew: bool = False, way_out: str = "") -> None:
        self.code: Final = code
        self.advice: Final = advice
        self.renew: Final = renew
        self.way_out: Final = way_out


class Invalid(Value):
    """The service, or botocore before it, calls the request itself invalid; nothing was stored.

    ``refusal`` is the outcome to use if no event is to blame. None: the service names an event, which is to blame.
    ``words`` are the part of the message that is the same whichever event is to blame.
    """

    __slots__ = __match_args__ = ("message", "words", "refusal")

    def __init__(self, message: str, words: str = "", refusal: Refused | None = None) -> None:
        self.message: Final = message
        self.words: Final = words
        self.refusal: Final = refusal


class Connected(Value):
    """There is a client; ``endpoint`` is the same for all clients that talk to the same service."""

    __slots__ = __match_args__ = ("endpoint",)

    def __init__(self, endpoint: str) -> None:
        self.endpoint: Final = endpoint


Outcome: TypeAlias = (
    Accepted | AlreadyAccepted | StaleToken | Created | AskAgain | Throttled | Unavailable | Refused | Invalid
)
Connection: TypeAlias = Connected | Refused | Unavailable
