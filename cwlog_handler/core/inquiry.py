"""What a refusal is about: one of the events, or the request as a whole.

Owns: which event the service is asked about next, and what its answers prove. Must not know: when a request goes, what
is told to anybody (`stream`), the words of the service (`errors`).

Where the service names no event, events are asked about one at a time:

1. The first event of a refused batch goes alone. If it is taken, requests are fine, and the batch is halved until the
   event that is refused is alone.
2. An event that is refused alone is a suspect, and another event goes alone, its witness. If that is taken, the suspect
   goes again, and is to blame if it is refused once more in the same words. So it is where the witness is refused in
   other words: each event is refused for a reason of its own.
3. If both are refused in the same words, the request is to blame and no event: all of them wait. Later the suspect goes
   again, then another witness.

A suspect without any witness waits too, unless events of the same batch were taken just before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from .batches import Rules
from .decisions import Send

Verdict = Literal["event", "request", "halve", "ask on"]
"""To blame is this event, or the request; or it is not known yet: halve the batch, or see what `Inquiry.pick` says."""

# Each time another witness, and sooner or later every event that waits: multiples of this fall evenly between 0 and 1.
_GOLDEN: Final = 0.618
# A witness goes before the suspect. If both have the same millisecond, and the suspect is taken later after all, they
# are read in the wrong order. So that is tried every so many times only: where no other event waits, and where some do.
_ANY_WITNESS_EVERY: Final = (4, 8)


# Where an event is: in which of the batches that wait, and where in that; and whether all have been asked about by now,
# so that from this one on they are asked about once more.
_Place: TypeAlias = tuple[int, int, bool]


class Inquiry:
    """Finds out who is to blame for refusals that name no event, for one stream; a pure state machine."""

    __slots__ = ("_asked", "_rounds", "_step", "_suspect", "_taken_from", "_witness", "_words")

    def __init__(self) -> None:
        self._step: Literal["", "suspect", "witness", "again"] = ""
        # Each is alone in its request.
        self._suspect: Send | None = None
        self._witness: Send | None = None
        # In which the suspect was refused.
        self._words = ""
        # The place of the batch of which a piece was taken last, if that proves anything still.
        self._taken_from: int | None = None
        # The numbers of witnesses that were refused too, since an event was taken.
        self._asked: set[int] = set()
        # How often in a row the request was found to blame.
        self._rounds = 0

    def pick(self, waiting: list[Send]) -> Send:
        """Take out of what waits to go again, in its order, what goes now; there must be something."""
        if self._step == "witness":
            place = self._place_of_witness(waiting)
            if place is not None:
                index, position, begins_anew = place
                self._witness = _cut_out(waiting, index, position)
                if begins_anew:
                    self._asked.clear()
                return self._witness
            self._step = "suspect"
        if self._step == "again" and not _is_same(waiting[0], self._suspect):
            # Too old by now, it has gone.
            self._step = ""
        return _cut_out(waiting, 0, 0) if self._step else waiting.pop(0)

    def accepted(self, send: Send) -> None:
        """Draw the consequences of a request that was taken."""
        self._step = "again" if self._step == "witness" and _is_same(send, self._witness) else ""
        self._taken_from = send.place
        self._rounds = 0
        self._asked.clear()

    def refused(self, send: Send, words: str, waiting: Sequence[Send]) -> Verdict:
        """Draw the consequences of a request that was refused.

        ``words`` are those of the refusal that are the same for all events; ``waiting`` is all else that goes again.
        """
        if len(send.batch) > 1:
            if send.place == self._taken_from:
                return "halve"
            self._step = "suspect"
            return "ask on"
        if self._step == "again" and _is_same(send, self._suspect):
            if words != self._words:
                return self._blame_the_request()
            # It explains all refusals so far.
            self._step, self._taken_from = "", None
            return "event"
        if self._step == "witness" and _is_same(send, self._witness):
            if words == self._words:
                self._asked.add(send.batch.first_number)
                return self._blame_the_request()
            self._step = "again"
            return "ask on"
        self._suspect, self._words = send, words
        if self._place_of_witness(waiting) is not None:
            self._step = "witness"
        elif send.place == self._taken_from and not waiting:
            self._step = "again"
        else:
            return self._blame_the_request()
        return "ask on"

    def needs_more(self, send: Send, waiting: Sequence[Send]) -> bool:
        """True if, for a request that was refused, more events should wait to be asked about."""
        if len(send.batch) > 1:
            return False
        return self._rounds > 0 or all(other.batch.milliseconds <= {send.batch.first_ms} for other in waiting)

    def _blame_the_request(self) -> Verdict:
        self._step, self._taken_from = "suspect", None
        self._rounds += 1
        return "request"

    def _place_of_witness(self, waiting: Sequence[Send]) -> _Place | None:
        """Return where the next witness is; None if there is none.

        No event of its millisecond may wait before it: so all are read in order, whatever becomes of the suspect.
        """
        assert self._suspect is not None
        suspect = self._suspect.batch
        another: _Place | None = None
        unasked: _Place | None = None
        seen = {suspect.first_ms}
        firsts: list[_Place] = []
        for index, send in enumerate(waiting):
            columns = send.batch.columns
            for place, (ms, number) in enumerate(zip(columns.timestamps, columns.numbers, strict=True)):
                if ms not in seen:
                    seen.add(ms)
                    firsts.append((index, place, False))
                if number != suspect.first_number:
                    another = another or (index, place, True)
                    if unasked is None and number not in self._asked:
                        unasked = (index, place, False)
        is_turn = self._rounds > 0 and self._rounds % _ANY_WITNESS_EVERY[bool(firsts)] == 0
        if another and (is_turn or (not firsts and self._taken_from == self._suspect.place)):
            # One after the other: those that are passed over have been refused too.
            return unasked or another
        return firsts[int(self._rounds * _GOLDEN % 1 * len(firsts))] if firsts else None


def rejoined(waiting: Sequence[Send], rules: Rules) -> list[Send]:
    """Put together what may travel together, but for the first event, the suspect: one request may do for all of it."""
    joined = list(waiting[:1])
    for send in waiting[1:]:
        last = joined[-1]
        # What may be stored already is known again by an endpoint with sequence tokens, if nothing in it changes.
        is_new = len(joined) > 1 and not last.doubts and not send.doubts
        if is_new and last.batch.fits_with(send.batch, rules):
            joined[-1] = last._replace(batch=last.batch.joined_with(send.batch))
        else:
            joined.append(send)
    return joined


def _is_same(send: Send, event: Send | None) -> bool:
    """True if this is what is asked about: a single event, or what begins with it."""
    return event is not None and send.batch.columns.numbers[0] == event.batch.first_number


def _cut_out(waiting: list[Send], index: int, place: int) -> Send:
    """Take one event out of what waits."""
    send = waiting[index]
    before, event, after = send.batch.cut_out(place)
    waiting[index : index + 1] = [send._replace(batch=part) for part in (before, after) if part is not None]
    return send._replace(batch=event)
