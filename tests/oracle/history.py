"""What the service ever stored, read from the fake's ledger of requests: what was deleted afterwards counts too.

Owns the rules that need nothing but the requests: no needless second copy, order, rate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from cwlog_handler.testing import Request

from . import diary
from .diary import Life, Taken
from .world import GROUP, HELD_ANSWERS, World

NOTICE = "cwlog_handler: "
RATE = 5
# We see arrivals, the promise is about starts: a request that was under way for long arrives with those that started
# later. 45 ms are common on a busy machine, a second was seen, so two such requests are let pass, and any around an
# outage. A handler with no bucket is far beyond; exact numbers are the business of the tests of the bucket.
DELAYED = 2
WINDOW = 0.8
# How long after its start a request is answered at the latest, and a usual one also noted as answered.
LATEST_ANSWER = 5.0
LATEST_NOTE = 1.0
# A process that has reported its end may still make a request, and one that was killed may have made one.
LATE = 1.0


@dataclass(frozen=True)
class Copy:
    """One record in one request that was stored."""

    request: Request
    position: int


class History:
    """All that the service ever stored, whatever was deleted afterwards."""

    def __init__(self, world: World, requests: Sequence[Request], lives: Sequence[Life] = ()) -> None:
        self._world = world
        self._ends = {life.pid: life.ended_at for life in lives if life.ended_at is not None and _left_something(life)}
        self.deaths = list(self._ends.values())
        """When processes ended that may have had requests under way."""
        self._requests = requests
        self.copies: dict[str, list[Copy]] = defaultdict(list)
        self.notices: set[tuple[str, str]] = set()
        self.problems: list[str] = []
        self._stored: dict[str, list[int]] = defaultdict(list)
        for request in self._requests:
            if request.stored:
                self._read(request)
            if request.answer in ("InvalidParameterException", "SerializationException"):
                self.problems.append(f"request {request.number} was refused as invalid")
            if request.group not in ("", GROUP):
                self.problems.append(f"request {request.number} was for group {request.group}")

    def _read(self, request: Request) -> None:
        self._stored[request.stream].append(request.number)
        if request.stored != request.events:
            self.problems.append(f"request {request.number} held {request.events - request.stored} bad events")
        for position, (_, message) in enumerate(request.batch):
            text = message or ""
            if text.startswith(NOTICE):
                self.notices.add((request.stream, text))
            else:
                self.copies[text.partition(" ")[0]].append(Copy(request, position))

    def stored_unknown(self, record_ids: Iterable[str]) -> int:
        """How many of these records were stored although whoever sent them may have got no answer.

        They wait for another try, and if the disk has no room for them they are counted as dropped.
        """
        stored = filter(None, map(self.copies.get, record_ids))
        return sum(all(self._is_answer_lost(copy.request) for copy in copies) for copies in stored)

    def _is_answer_lost(self, request: Request) -> bool:
        return self._world.answer_was_lost(request.answer, request.ordered, request.started, inf)

    def doubles(self) -> Iterator[str]:
        """A record is stored again only if the answer to the request before may have been lost."""
        bad: list[str] = []
        for record_id, copies in self.copies.items():
            for first, second in pairwise(copies):
                if why := self._unexplained(first.request, second.request):
                    bad.append(f"{record_id} in requests {first.request.number} and {second.request.number}: {why}")
        if bad:
            yield f"{len(bad)} records were stored again: {bad[:5]}"

    def _unexplained(self, first: Request, second: Request) -> str | None:
        if first.stream != second.stream:
            return "in two streams"
        if self._was_cut_short(first, second):
            return None
        if not self._world.answer_was_lost(first.answer, first.ordered, first.started, second.started):
            return f"the first was answered {first.answer}"
        if not self._world.tokens or first.sequence_token is None:
            return None
        # Whoever takes over knows no token, and sends other batches.
        if any(first.started < death < second.started for death in self.deaths):
            return None
        # Sent with a token, so the service knows it again, unless the stream is another one by now, or has moved on.
        between = range(first.number, second.number)
        if any(count in between and stream in ("", first.stream) for count, stream in self._world.deleted):
            return None
        if any(number in between for number in self._stored[first.stream] if number != first.number):
            return None
        return "the service would have known it by its sequence token"

    def _was_cut_short(self, first: Request, second: Request) -> bool:
        """True if a process ended that may not have seen the answer to the first request, or not noted it."""
        held = LATEST_ANSWER if first.answer in HELD_ANSWERS else LATEST_NOTE
        return any(first.started - LATE < death < min(first.started + held, second.started) for death in self.deaths)

    def disorder(self, everything: list[Taken], by_level: bool) -> Iterator[str]:
        """What one thread said to one handler is read in each stream in the order in which it was said.

        The service shows events by timestamp, and those of a millisecond as they came: requests may overlap.
        ``by_level``: on disk those of each level lie apart, and for the levels of one millisecond no order is promised;
        nor is it for what another process has taken over, file by file.
        """
        last: dict[tuple[object, ...], tuple[tuple[int, int, int], Taken]] = {}
        bad: list[str] = []
        for taken in everything:
            if taken.kind != diary.TEXT or taken.id not in self.copies:
                continue
            first = self.copies[taken.id][0]
            if by_level and first.request.started > self._ends.get(_pid_of(first.request.stream), inf):
                continue
            timestamp = first.request.batch[first.position][0]
            place = (timestamp, first.request.number, first.position)
            key = (taken.id.rpartition("/")[0], taken.serial, first.request.stream, taken.level if by_level else 0)
            if key in last and place < last[key][0]:
                bad.append(f"{taken.id} at {place} is read before {last[key][1].id} at {last[key][0]}")
            last[key] = (place, taken)
        if bad:
            yield f"{len(bad)} records out of order: {bad[:5]}"

    def haste(self) -> Iterator[str]:
        """No stream gets more requests in a second than its quota."""
        puts: dict[str, list[Request]] = defaultdict(list)
        for request in self._requests:
            # Several processes may have taken something over that one which ended has left.
            if request.operation == "PutLogEvents" and request.started < self._end_of(request.stream):
                puts[request.stream].append(request)
        for stream, requests in puts.items():
            for first, last in zip(requests, requests[RATE + DELAYED :], strict=False):
                if last.started - first.started < WINDOW and not self._world.was_down(
                    first.started - 1.5, last.started
                ):
                    burst = [
                        f"{request.number} after {request.started - first.started:.3f} s: {request.answer}"
                        for request in requests
                        if first.number <= request.number <= last.number
                    ]
                    yield f"stream {stream!r} got {RATE + DELAYED + 1} requests in a second: {'; '.join(burst)}"
                    break

    def _end_of(self, stream: str) -> float:
        """When the process ended to which a stream belongs; ``inf`` if it has left nothing."""
        return self._ends.get(_pid_of(stream), inf)


def _pid_of(stream: str) -> int:
    return int(stream.partition("/")[0])


def _left_something(life: Life) -> bool:
    return life.was_killed or any(stats["pending"] for stats in (life.stats or {}).values())
