"""Finds out what a refusal is about: one of the events, or the request as a whole.

Owns: which event the service is asked about next, and what its answers prove. Must not know: when a request is made
(`stream`), what is written to stderr (`dispatch`), what the words of the service mean (`errors`).

If a refusal names no event, the service is asked about events one at a time. To ask about an event is to send it alone:

1. The first event of a refused batch is sent alone. If it is accepted, requests as such are fine. Then the batch is
   halved until the event that is refused is alone.
2. An event that is refused alone is a suspect. Then another event, its witness, is sent alone. If the witness is
   accepted, the suspect is sent again. It is to blame if it is refused once more in the same words. The same is done if
   the witness is refused in other words, because then each of the two is refused for a reason of its own.
3. If both are refused in the same words, the request is to blame and no event is: all of them wait. Later the suspect
   is sent again, then another witness.

A suspect without any witness waits too, with one exception: events of the same batch were accepted just before, and the
suspect is refused in the same words as that batch. In other words, the service may have begun to refuse all requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from .batches import Rules
from .decisions import Send

Verdict = Literal["event", "request", "halve", "ask on"]
"""This event is to blame, or the request is. Or this is not known yet: halve the batch, or do what `pick` says."""

# Chooses the witness of each round. The fractional parts of this number's multiples spread evenly between 0 and 1, so
# that each round has another witness, and sooner or later every candidate is one.
_GOLDEN: Final = 0.618
# A witness is sent before events that arrived earlier. If it has the same timestamp as one of these, and that one is
# accepted later, users read the two in the wrong order. So such a witness is tried only in every 4th round if there is
# no other witness, and in every 8th round if there is one.
_ANY_WITNESS_EVERY: Final = (4, 8)


# Where an event is: the index of its batch among those that wait, and its index in that batch. Third: True if all
# events have been asked about, so that asking starts again with this one.
_Place: TypeAlias = tuple[int, int, bool]


class Inquiry:
    """The state of the questions about refusals of one stream that name no event; a pure state machine."""

    __slots__ = ("_asked", "_rounds", "_step", "_suspect", "_taken_from", "_witness", "_words", "_words_of_batch")

    def __init__(self) -> None:
        self._step: Literal["", "suspect", "witness", "again"] = ""
        # Suspect and witness are each alone in their request.
        self._suspect: Send | None = None
        self._witness: Send | None = None
        # The words in which the suspect was refused.
        self._words = ""
        # The words in which a batch of several events was refused last.
        self._words_of_batch = ""
        # The place of the batch of which a piece was accepted last; None if that proves nothing any more.
        self._taken_from: int | None = None
        # The numbers of the witnesses that were refused since an event was accepted.
        self._asked: set[int] = set()
        # How many times in a row the request was found to blame.
        self._rounds = 0

    def pick(self, waiting: list[Send]) -> Send:
        """Take out of ``waiting`` what is sent next. ``waiting`` is in order of arrival and not empty."""
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
            # The suspect does not wait any more: it has become too old.
            self._step = ""
        return _cut_out(waiting, 0, 0) if self._step else waiting.pop(0)

    def accepted(self, send: Send) -> None:
        """Learn from a request that was accepted."""
        self._step = "again" if self._step == "witness" and _is_same(send, self._witness) else ""
        self._taken_from = send.place
        self._rounds = 0
        self._asked.clear()

    def refused(self, send: Send, words: str, waiting: Sequence[Send]) -> Verdict:
        """Learn from a request that was refused; return what is known now.

        ``words`` is the part of the refusal that is the same for all events; ``waiting`` is all else to be sent again.
        """
        if len(send.batch) > 1:
            self._words_of_batch = words
            if send.place == self._taken_from:
                return "halve"
            self._step = "suspect"
            return "ask on"
        if self._step == "again" and _is_same(send, self._suspect):
            if words != self._words:
                return self._blame_the_request()
            # This event explains all refusals so far, that of its batch too: nothing is known about the next one.
            self._step, self._taken_from, self._words_of_batch = "", None, ""
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
        elif send.place == self._taken_from and not waiting and words == self._words_of_batch:
            self._step = "again"
        else:
            return self._blame_the_request()
        return "ask on"

    def needs_more(self, send: Send, waiting: Sequence[Send]) -> bool:
        """True if, after the refusal of ``send``, ``waiting`` should get more events so that one can be a witness."""
        if len(send.batch) > 1:
            return False
        return self._rounds > 0 or all(other.batch.milliseconds <= {send.batch.first_ms} for other in waiting)

    def _blame_the_request(self) -> Verdict:
        self._step, self._taken_from = "suspect", None
        self._rounds += 1
        return "request"

    def _place_of_witness(self, waiting: Sequence[Send]) -> _Place | None:
        """Return where the next witness is; None if there is none.

        Usually no event with the same timestamp may wait before the witness: so users read all events in order,
        whatever becomes of the suspect. `_ANY_WITNESS_EVERY` tells of the exception.
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
            # Events are asked about in order: those before this one have been refused as witnesses, too.
            return unasked or another
        return firsts[int(self._rounds * _GOLDEN % 1 * len(firsts))] if firsts else None


def rejoined(waiting: Sequence[Send], rules: Rules) -> list[Send]:
    """Join pieces that fit into one batch, to save requests. The first piece, the suspect, stays alone."""
    joined = list(waiting[:1])
    for send in waiting[1:]:
        last = joined[-1]
        # An endpoint with sequence tokens recognizes a batch that it has stored already, if nothing in it changes.
        is_new = len(joined) > 1 and not last.doubts and not send.doubts
        if is_new and last.batch.fits_with(send.batch, rules):
            joined[-1] = last._replace(batch=last.batch.joined_with(send.batch))
        else:
            joined.append(send)
    return joined


def _is_same(send: Send, event: Send | None) -> bool:
    """True if ``send`` is the given event, or a batch that begins with it."""
    return event is not None and send.batch.columns.numbers[0] == event.batch.first_number


def _cut_out(waiting: list[Send], index: int, place: int) -> Send:
    """Take one event out of ``waiting``; the rest of its batch stays there."""
    send = waiting[index]
    before, event, after = send.batch.cut_out(place)
    waiting[index : index + 1] = [send._replace(batch=part) for part in (before, after) if part is not None]
    return send._replace(batch=event)
