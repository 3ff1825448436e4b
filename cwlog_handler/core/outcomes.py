"""The possible results of a request to the service, as values.

Owns: which outcomes there are, between the client, which returns them, and the stream. Must not know: botocore, error
codes, what follows from an outcome. Imports nothing of ours.

These are named tuples because of their cost each time a program starts: a frozen dataclass takes 0.7 ms, a named tuple
a fifth of that. With postponed annotations (``from __future__ import annotations``) a named tuple would take twice as
long, because `typing` compiles each annotation.
"""

from typing import NamedTuple, TypeAlias


class Accepted(NamedTuple):
    """The service took the batch, except for some events at its ends; ``token`` is for the next request.

    The first ``too_old`` events were rejected, the ``expired`` ones after them, and the last ``too_new``: the counts
    never overlap and never exceed the batch. ``entity_rejected``: the service took the events without the entity that
    they were to belong to.
    """

    token: str | None
    too_old: int = 0
    expired: int = 0
    too_new: int = 0
    entity_rejected: bool = False


class AlreadyAccepted(NamedTuple):
    """The service has had this very batch before: a success; ``token`` is for the next request."""

    token: str | None


class StaleToken(NamedTuple):
    """The sequence token was wrong; nothing was stored. ``expected`` is the right one; None: no token must be sent."""

    expected: str | None


class Created(NamedTuple):
    """The stream was missing and has been made, with its group if need be: send the batch again, without a token.

    ``retention_days`` is the retention if this call has made the group too and has set its retention. None: the group
    existed, or somebody else has made it meanwhile, or its retention was not set.
    """

    retention_days: int | None = None


class AskAgain(NamedTuple):
    """The request was refused, perhaps for what goes with its events: an entity, a compression. Nothing was stored.

    Send the same batch again at once. The client leaves out then what may be to blame, and so finds out. ``cause`` is
    why the request was refused.
    """

    cause: str


class Throttled(NamedTuple):
    """The service wants fewer requests; nothing was stored. ``code`` is the service's error code.

    ``is_creation``: the stream is missing, and what was refused was to create it, or its group. Creations have a quota
    of their own, so this says nothing about puts.
    """

    code: str
    is_creation: bool = False


class Unavailable(NamedTuple):
    """The network or the service failed, and will recover by itself. ``ambiguous``: the batch may have been stored."""

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

    ``refusal`` is the outcome to use if no event is to blame. None: the service names an event, which is to blame.
    ``words`` are the part of the message that is the same whichever event is to blame.
    """

    message: str
    words: str = ""
    refusal: Refused | None = None


class Connected(NamedTuple):
    """There is a client; ``endpoint`` is the same for all clients that talk to the same service."""

    endpoint: str


Outcome: TypeAlias = (
    Accepted | AlreadyAccepted | StaleToken | Created | AskAgain | Throttled | Unavailable | Refused | Invalid
)
Connection: TypeAlias = Connected | Refused | Unavailable
