"""What a put carries beside its events: the entity that they belong to, and its compression.

Owns: how a body gets both, and which of them the endpoint takes. Must not know: boto3's event system (`hooks`), when a
batch is sent again. This module is imported only if a handler has an entity or compresses.

A request may be refused for what it carries. Then nothing must happen to its events. But the service does not always
say what it means, and a proxy never does. So the same batch is sent again, at once, without what may be to blame:

- If it is accepted, the endpoint does not take what was left out. From then on this process leaves it out, and stderr
  says so.
- If it is refused again in the same words, what was left out is innocent, and the refusal means an event or the request
  as a whole.

A put that was not made at once, because of back-off, proves nothing against what it has left out: meanwhile the cause
of the refusal may have gone away.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from ..core import advice
from ..core.batches import Batch
from ..core.outcomes import Accepted, AlreadyAccepted, AskAgain, Invalid, Outcome, Refused, Unavailable
from ..core.targets import Target
from ..system.clock import SYSTEM_CLOCK
from . import errors
from .entity import UNKNOWN_VERDICT, WAYS_OUT, Entity

_Kind: TypeAlias = Literal["compression", "entity"]
_Key: TypeAlias = "tuple[Target, int, int]"
"""Tells a batch from others: its group and stream, the number of its first event, how many it has."""

# A smaller body would not become one packet less.
SMALLEST_COMPRESSED: Final = 512
# Level 1 costs a third of the CPU of level 6, and text becomes a quarter of its size all the same.
LEVEL: Final = 1
# zlib's number for its largest window, and a gzip header around the data.
_GZIP: Final = 16 + zlib.MAX_WBITS
CONTENT_ENCODING: Final = "Content-Encoding"

# After a refusal for which the additions were innocent, so many puts are sent without compression. Once an entity has
# been accepted among them, no refusal in the same words is taken for one of the entity: all of these puts may belong
# to the search for one bad event.
TRUSTED: Final = 64
# In seconds. A put that begins later after the refusal proves nothing.
AT_ONCE: Final = 5.0
# No more batches than this are tried at the same time: what these show holds for all others, which may be those of
# hundreds of streams. What has proved nothing in time makes room, and is tried once more.
_MOST_TRIALS: Final = 64
_UNSUPPORTED_MEDIA_TYPE: Final = 415
_BAD_REQUEST: Final = 400
_TOO_LARGE: Final = 413
_NAMES_ENTITY: Final = r"(?i)\bentity\b|\bkey ?attributes\b"


class Carried:
    """What one put carries, and what came of it. Belongs to the thread that makes the put."""

    __slots__ = ("began", "compresses", "entity", "entity_error", "is_compressed", "key")

    def __init__(self, key: _Key, began: float, entity: Entity | None, compresses: bool) -> None:
        self.key = key
        self.began = began
        """The instant at which the put began."""
        self.entity = entity
        """None: none, or not this time."""
        self.compresses = compresses
        self.is_compressed = False
        """True once the body has been compressed: a small one is not."""
        self.entity_error: str | None = None
        """What the answer says against the entity."""

    def with_entity(self, body: bytes) -> bytes:
        """Return a body that botocore has made, with the entity in it, which botocore may be too old to know."""
        if self.entity is None:
            return body
        if not body.startswith(b'{"'):
            # A hook of the client's owner has made something else of it.
            self.entity = None
            return body
        return b'{"entity":' + json.dumps(self.entity).encode() + b"," + body[1:]

    def compressed(self, body: bytes, headers: MutableMapping[str, str]) -> bytes:
        """Return the body as it goes out, and set the header that says so; a small one is returned as it is."""
        if not self.compresses or len(body) < SMALLEST_COMPRESSED or CONTENT_ENCODING in headers:
            return body
        # zlib releases the GIL meanwhile: some 10 ms for a full request.
        packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
        small = packer.compress(body) + packer.flush()
        if len(small) >= len(body):
            return body
        self.is_compressed = True
        headers[CONTENT_ENCODING] = "gzip"
        return small

    def read_answer(self, body: bytes) -> None:
        """Find out whether the answer rejects the entity: an older botocore drops this member of the answer."""
        if b"rejectedEntityInfo" in body:
            with suppress(ValueError):  # half of an answer: whether it is one at all is for botocore to say
                self.heed_answer(json.loads(body))

    def heed_answer(self, answer: Any) -> None:
        """Note what an answer, as a mapping, says against the entity."""
        info = answer.get("rejectedEntityInfo") if isinstance(answer, dict) else None
        if isinstance(info, dict):
            self.entity_error = str(info.get("errorType") or "InvalidEntity")

    def has(self, kind: _Kind) -> bool:
        """Return whether the put had this."""
        return self.is_compressed if kind == "compression" else self.entity is not None


class _Trial(NamedTuple):
    """A batch that was refused, and is sent again without something."""

    left_out: tuple[_Kind, ...]
    """What was left out so far, the last one now."""
    words: str
    """The part of the refusal that is the same whichever event is to blame."""
    cause: str
    at: float
    """The instant of the refusal."""
    kept: tuple[_Kind, ...]
    """What the refused put had beside that."""

    def proves(self, carried: Carried) -> bool:
        """Return whether the outcome of this put tells about what was left out last, and not about anything else.

        Meanwhile another batch may have shown that something is refused: then this put lacks that, too.
        """
        return carried.began <= self.at + AT_ONCE and all(map(carried.has, self.kept))


class Additions:
    """The entity and the compression of all puts of one handler. Any thread may call this.

    ``say(key, text)`` is called with a warning for the operator, once for each cause.
    """

    def __init__(
        self,
        log_group: str,
        say: Callable[[str, str], None],
        entity: Entity | None = None,
        compression: str | None = None,
        *,
        monotonic: Callable[[], float] = SYSTEM_CLOCK.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._log_group = log_group
        self._say = say
        self._entity = entity
        self._compresses = compression is not None
        self._trials: dict[_Key, _Trial] = {}
        self._trusted = 0
        # The words of the service when the additions proved innocent last.
        self._acquitted = ""
        # True if an entity has been accepted since: it may have been refused in the same words as an event.
        self._is_proven = False
        # True if an entity was refused and this has not been counted yet.
        self._is_to_count = False
        self._told: set[str] = set()

    def for_put(self, target: Target, batch: Batch) -> Carried:
        """Return what this put carries."""
        key = (target, batch.first_number, len(batch))
        trial = self._trials.get(key)
        left_out = trial.left_out if trial is not None else ()
        self._trusted = max(0, self._trusted - 1)
        return Carried(
            key,
            self._monotonic(),
            None if "entity" in left_out else self._entity,
            self._compresses and not self._trusted and "compression" not in left_out,
        )

    def answered(self, carried: Carried, outcome: Outcome) -> Outcome:
        """Learn from a put that was answered; return its outcome."""
        trial = self._trials.pop(carried.key, None) if isinstance(outcome, Accepted | AlreadyAccepted) else None
        if not isinstance(outcome, Accepted):
            return outcome
        if trial is not None and trial.proves(carried):
            self._leave_out(trial)
        if carried.entity is not None:
            self._is_proven = True
            if carried.entity_error is not None:
                self._tell_of_entity(carried.entity_error, carried.key[0].group)
                return outcome.without_entity()
        if self._is_to_count:
            self._is_to_count = False
            return outcome.without_entity()
        return outcome

    def refused(self, carried: Carried, outcome: Outcome, error: Exception) -> Outcome:
        """Return the outcome of a put that raised: `AskAgain` if something that it carried may be to blame."""
        suspects, words = _suspects(outcome, error), _words(outcome)
        is_verdict = bool(suspects) or isinstance(outcome, Invalid)
        trial = self._trials.pop(carried.key, None) if is_verdict else None
        if trial is not None and words != trial.words:
            # Without it the service has got further, and now refuses something else.
            if trial.proves(carried):
                self._leave_out(trial)
            trial = None
        # A put that began before the acquittal may still have been compressed.
        is_trusted = self._trusted and self._is_proven and not carried.is_compressed
        if is_trusted and (suspects[:1] != ("entity",) or words == self._acquitted):
            suspects = ()
        left_out = () if trial is None else trial.left_out
        for kind in suspects:
            if carried.has(kind):
                cause = _cause(outcome)
                kept = tuple(other for other in suspects if other != kind and carried.has(other))
                self._try(carried.key, _Trial((*left_out, kind), words, cause, self._monotonic(), kept))
                return AskAgain(cause)
        if trial is not None:
            self._trusted, self._acquitted, self._is_proven = TRUSTED, words, False
        return outcome

    def _try(self, key: _Key, trial: _Trial) -> None:
        """Have the batch sent again without something, unless so many are already that this one can wait for them."""
        if len(self._trials) >= _MOST_TRIALS:
            for other, begun in list(self._trials.items()):
                if begun.at + AT_ONCE < trial.at:
                    self._trials.pop(other, None)
        if len(self._trials) < _MOST_TRIALS:
            self._trials[key] = trial

    def _leave_out(self, trial: _Trial) -> None:
        """Carry from now on no more what a trial has shown to be refused."""
        kind = trial.left_out[-1]
        if kind == "entity":
            self._entity, why = None, advice.ENTITY_LEFT_OUT
            self._is_to_count = True
        else:
            self._compresses, why = False, advice.COMPRESSION_LEFT_OUT
        self._trials.clear()
        self._tell(kind, why.sentence(self._log_group, "", reason=trial.cause))

    def _tell_of_entity(self, verdict: str, log_group: str) -> None:
        way_out = WAYS_OUT.get(verdict, UNKNOWN_VERDICT)
        self._tell(verdict, advice.ENTITY_REJECTED.sentence(log_group, "", verdict=verdict, way_out=way_out))

    def _tell(self, cause: str, text: str) -> None:
        if cause not in self._told:
            self._told.add(cause)
            self._say(cause, text)


def _suspects(outcome: Outcome, error: Exception) -> tuple[_Kind, ...]:
    """Return what a refusal may be about, of all that a put can carry: the likeliest comes first."""
    if errors.status_of(error) == _TOO_LARGE:
        return ()
    match outcome:
        case Invalid(refusal=None):
            return ()  # the service names an event, so it has read all of the body
        case Invalid(message):
            return ("entity", "compression") if re.search(_NAMES_ENTITY, message) else ("compression", "entity")
        case Refused(way_out=advice.WRONG_SECRET.way_out):
            # A proxy that unpacks the body breaks its signature.
            return ("compression",)
        case Refused(advice=text, way_out=advice.BAD_DESTINATION.way_out) if re.search(_NAMES_ENTITY, text):
            return ("entity",)  # it may be that the log group takes events, but none with an entity
        case Refused(code) if not errors.is_known(code) and errors.status_of(error) == _BAD_REQUEST:
            return ("compression", "entity")
        case Unavailable() if errors.code_of(error) == str(_BAD_REQUEST):
            return ("compression",)
        case Unavailable() if isinstance(error, TypeError) and re.search(_NAMES_ENTITY, str(error)):
            return ("entity",)  # a stand-in whose method has no such parameter
        case _ if errors.status_of(error) == _UNSUPPORTED_MEDIA_TYPE:
            return ("compression",)
    return ()


def _words(outcome: Outcome) -> str:
    # Ids and times in it differ from one refusal to the next, also where nothing else does.
    return outcome.words if isinstance(outcome, Invalid) and outcome.words else errors.without_values(_cause(outcome))


def _cause(outcome: Outcome) -> str:
    match outcome:
        case Invalid(message=text) | Refused(advice=text) | Unavailable(cause=text):
            return text
    return str(outcome)
