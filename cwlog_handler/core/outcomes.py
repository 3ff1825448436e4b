"""What a put came to: values, and nothing but values.

Owns the words in which client and stream talk to each other. Must not know: botocore, error codes, what anybody does
about an outcome. Imports nothing of ours. Named tuples, here as elsewhere: a frozen dataclass costs 0.7 ms each
time that a program starts, one of these a fifth of that, and twice as much if its annotations were postponed
(``from __future__ import annotations``), for typing compiles each of them.
"""

from typing import NamedTuple, TypeAlias


class Accepted(NamedTuple):
    """The service took the batch, except for so many events at its ends; ``token`` is for the next put.

    The first ``too_old`` events were rejected, the ``expired`` ones after them, and the last ``too_new``: the counts
    never overlap and never exceed the batch.
    """

    token: str | None
    too_old: int = 0
    expired: int = 0
    too_new: int = 0


class AlreadyAccepted(NamedTuple):
    """The service has had this very batch before: a success; ``token`` is for the next put."""

    token: str | None


class StaleToken(NamedTuple):
    """The sequence token was not the ``expected`` one, None meaning that no token must be sent; nothing was stored."""

    expected: str | None


class Created(NamedTuple):
    """The stream was missing and has been made, with its group if need be: send the batch again, without a token.

    ``retention_days``: this very call has made the group too, and set its retention to so many days. None: the group
    was there, or somebody else has made it meanwhile, or its retention was not set.
    """

    retention_days: int | None = None


class Throttled(NamedTuple):
    """The service wants fewer requests; nothing was stored. ``code`` is its word for it."""

    code: str


class Unavailable(NamedTuple):
    """The network or the service failed, which passes by itself. ``ambiguous``: the batch may have been stored."""

    cause: str
    ambiguous: bool


class Refused(NamedTuple):
    """Somebody has to put something right: credentials, a permission, a missing stream. Nothing was stored.

    ``advice`` is one sentence: what is wrong, in which log group and stream, and the way out. ``renew``: the client
    should be made anew, with fresh credentials, before the next try. ``way_out`` is the last part of the advice alone.
    """

    code: str
    advice: str
    renew: bool = False
    way_out: str = ""


class Invalid(NamedTuple):
    """The service, or botocore before it, calls the request itself invalid; nothing was stored.

    ``refusal`` is what it comes to if none of the events is to blame, None where the service names one: it is to blame.
    ``words`` are those of the message that are the same whichever event is to blame.
    """

    message: str
    words: str = ""
    refusal: Refused | None = None


class Connected(NamedTuple):
    """There is a client; ``endpoint`` is the same for all clients that talk to the same service."""

    endpoint: str


Outcome: TypeAlias = Accepted | AlreadyAccepted | StaleToken | Created | Throttled | Unavailable | Refused | Invalid
Connection: TypeAlias = Connected | Refused | Unavailable
