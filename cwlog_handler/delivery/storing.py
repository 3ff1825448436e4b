"""What waits and has to survive the process: which events go to disk, when, and what of others' comes back.

Owns: when a stream is in trouble, the order in which events leave memory, when others' files are taken over. Must not
know: files and their format (`spool`), requests, threads. The caller holds the lock of `rounds`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Final

from ..core.batches import Batch
from ..core.columns import Events
from ..core.conversion import Converted, Records
from ..core.ledger import DropReason, Ledger
from ..core.losses import UNTOLD
from ..core.parcels import FIRST_NUMBER, FIRST_RECOVERED, Numbers, Parcel
from ..core.shelves import Shelves
from ..core.stream import Stream
from ..core.targets import Target
from ..core.terms import Terms
from ..spool.journal import Run, Taken
from ..spool.spool import Spool

if TYPE_CHECKING:
    from ..core.lost import Reports
    from ..spool.leftovers import Found

# An event that has waited so many seconds longer than the send interval goes to disk. A request that has been under way
# for so long counts as trouble, too. With LOOK_EVERY this keeps what a kill may cost below three seconds.
TROUBLE_AFTER: Final = 1.5
LOOK_EVERY: Final = 0.4
# So many seconds before a process must have ended, at the latest, all goes to disk that is still in memory.
BEFORE_THE_END: Final = 1.0
# About so many bytes of text are written at a time: a file that cannot be read costs no more than that.
CHUNK_BYTES: Final = 256 * 1024
# Others' files are looked for after the first request that was accepted, and then every so many seconds.
LOOK_FOR_OTHERS: Final = 60.0
# The next file is taken over when fewer events than that of the last ones wait, and no more than so many are open.
NEXT_FILE_BELOW: Final = 20_000
MOST_LEFT_FILES: Final = 4


def _shelves_of(stream: Stream) -> Shelves:
    assert stream.shelves is not None
    return stream.shelves


class Storing:
    """Moves events of one handler between memory and disk. Not thread-safe."""

    first_number: Final = FIRST_NUMBER
    """The number of the first event that arrives. It is here for `intake`, which does not load `parcels`."""

    def __init__(
        self,
        spool: Spool,
        ledger: Ledger,
        streams: Mapping[Target, Stream],
        stream: Callable[[Target], Stream],
        plan: Callable[[Stream, float], None],
        terms: Terms,
        *,
        takes_over: bool,
        reports: Reports | None = None,
    ) -> None:
        self._reports = reports
        self._spool = spool
        self._ledger = ledger
        self._streams = streams
        self._stream = stream
        self._plan = plan
        # Stands for the stream of events of which nobody knows where they were to go.
        self._nowhere = Target(terms.log_group_name, "")
        self._interval = terms.send_interval
        self._tight_bytes = terms.bounds.max_bytes // 2
        self._tight_count = inf if terms.bounds.max_count is None else terms.bounds.max_count // 2
        self._ends_at = inf
        self._before_the_end = 0.0
        self._takes_over = takes_over
        self._read_back = Numbers(1, FIRST_NUMBER)
        self._inherited = Numbers(FIRST_RECOVERED)
        self._look_at = -inf
        self._refused_until = -inf
        self._look_for_others_at = inf
        self._takes_over_now = False
        self._heirs: dict[Target, Stream] = {}
        spool.on_lost = self._lost

    # -- to the disk -------------------------------------------------------------------------------------------------

    def look(self, now: float, ends_at: float) -> None:
        """Store what is in trouble, or everything if memory is half full or the end of the process is near."""
        if ends_at != self._ends_at:
            self._ends_at = ends_at
            # A short end may be enough for the service, if that is well.
            self._before_the_end = max(0.0, min(BEFORE_THE_END, (ends_at - now) / 2))
        everything = self.is_tight or now >= ends_at - self._before_the_end
        self._spool.make_room_for_callers()
        if now < (self._refused_until if everything else self._look_at) or not self._ledger.in_memory:
            return
        if not self.is_tight and self._ledger.pending <= self._ledger.spooled:
            return
        self._look_at = now + LOOK_EVERY
        refused = UNTOLD
        for stream in list(self._streams.values()):
            if everything or self._is_in_trouble(stream, now):
                refused = self._store(stream, refused)
        if refused > UNTOLD:
            # Full, or the disk refuses: the bounds of memory hold until it is tried again.
            self._refused_until = now + LOOK_EVERY

    def took_in(self, records: Records, converted: Converted) -> None:
        """Note where on disk the records are that were just taken in, if their callers have written them."""
        journal = self._spool.journal
        if journal is None:
            return
        self._spool.adopt_begun()
        taken = Taken(records.files, records.ids)
        if converted.numbers is not None:
            journal.took_in(taken, converted.numbers)
        else:
            journal.took_in_all(taken, converted.last_number + 1 - len(records.ids))

    def relieve(self, now: float) -> None:
        """Store everything if memory is half full. Called after each lot of events has been taken in."""
        if self.is_tight:
            self.look(now, inf)

    def note_dropped(self) -> None:
        """Note that events were dropped from memory: what their callers have written of them does not count."""
        self._spool.note_dropped()

    def store_all(self) -> None:
        """Store everything that is in memory, also what is `UNTOLD`: the process ends."""
        refused = -inf
        for stream in list(self._streams.values()):
            refused = self._store(stream, refused)

    @property
    def is_tight(self) -> bool:
        """True if memory is half full: then everything is stored. Any thread may ask: it is an estimate."""
        return self._ledger.pending_bytes > self._tight_bytes or self._ledger.in_memory > self._tight_count

    def _is_in_trouble(self, stream: Stream, now: float) -> bool:
        if stream.is_idle:
            return False
        shelves = _shelves_of(stream)
        is_late = shelves.waits_since + self._interval + TROUBLE_AFTER <= now
        return stream.is_failing or is_late or shelves.asked_since + TROUBLE_AFTER <= now

    def _store(self, stream: Stream, refused: float) -> float:
        """Store the events of a stream, without those up to the level ``refused``: there is no room for them.

        Return up to which level there is no room now; ``inf`` if nothing can be stored.
        """
        if refused == inf:
            return inf
        spool, shelves = self._spool, _shelves_of(stream)
        for batch, is_sent in shelves.unstored:
            events = spool.missing(batch)
            if events is None:
                continue
            parcel = spool.store(stream.target, None, events, is_closed=True, is_sent=is_sent)
            if parcel is None:
                return inf
            batch.copied(parcel, events.numbers)
        shelves.set_aside(self._read_back)
        while (taken := shelves.take_to_store(CHUNK_BYTES, refused)) is not None:
            level, events = taken
            left = self._put_on_disk(stream, level, events)
            if left is None:
                continue
            shelves.put_back(level, left)
            if level is None or spool.is_paused:
                return inf
            # For what is more severe there may be room: that of the less severe on disk.
            refused = level
        return refused

    def _put_on_disk(self, stream: Stream, level: float | None, events: Events) -> Events | None:
        """Free the memory of events, in order; return those for which there is no room, None if there are none.

        Those that their callers have written are on disk already.
        """
        spool = self._spool
        runs = [Run(None, 0, len(events), ())] if spool.journal is None else spool.journal.runs(events)
        for file, start, end, places in runs:
            part = events if end - start == len(events) else events.part(start, end)
            # The file may have been given up a moment ago, to make room for the part before.
            if file is not None and not file.is_gone:
                parcel: Parcel | None = file.shelve(stream.target, places, part)
            else:
                parcel = spool.store(stream.target, level, part, is_closed=level is None)
            if parcel is None:
                return events.part(start, len(events)) if start else events
            self._ledger.unload(len(part), part.size_bytes)
            _shelves_of(stream).store(parcel, self._read_back)
        return None

    def _lost(self, parcel: Parcel) -> None:
        stream = self._streams.get(parcel.target)
        if stream is not None:
            stream.lose(parcel, "spool_full")

    def in_memory_only(self, batch: Batch) -> Batch | None:
        """Return what of a batch in memory is not on disk, too; None if all of it is."""
        if batch.is_stored:
            return None
        events = self._spool.missing(batch)
        if events is None:
            return None
        return batch if len(events) == len(batch) else batch.only(events)

    # -- from others -------------------------------------------------------------------------------------------------

    @property
    def left(self) -> int:
        """How many events of processes that have ended are held here and not settled."""
        return self._spool.left

    def take_over_now(self) -> None:
        """Take over what others have left from the next round on, without a first request that was accepted."""
        self._takes_over_now = True

    @property
    def _is_proven(self) -> bool:
        return self._takes_over_now or self._ledger.delivered > 0

    @property
    def has_left(self) -> bool:
        """True while there is something of others to deliver, or to look for. Any thread may ask."""
        if self._look_for_others_at == inf and not self._is_proven:
            return False
        return self._look_for_others_at == inf or self._spool.has_candidates or self.left > 0

    def take_over(self, now: float, ends_at: float) -> None:
        """Take over files of processes that have ended: one after another, once a request was accepted."""
        if not (self._takes_over or ends_at < inf) or not self._is_proven:
            return
        if self._look_for_others_at == inf or now >= self._look_for_others_at:
            self._spool.look_for_others()
            # Second: whoever asks meanwhile must see that there may be something.
            self._look_for_others_at = now + LOOK_FOR_OTHERS
        self._heirs = {target: heir for target, heir in self._heirs.items() if _shelves_of(heir).has_left}
        while self._spool.has_candidates and self._may_take_more:
            found = self._spool.take_over(self._inherited)
            if found is None:
                return
            self._take_in(found, now)

    def _take_in(self, found: Found, now: float) -> None:
        for parcel in found.parcels:
            stream = self._heirs[parcel.target] = self._stream(parcel.target)
            stream.inherit(parcel, self._inherited, now)
            self._plan(stream, now)
        for refused in found.refused:
            self._report_unknown(refused.target, refused.first_ms, refused.count, refused.reason)
        for broken in found.broken:
            if found.target is None:
                self._ledger.recover_in_vain(broken.count, "corrupt")
                self._report_unknown(self._nowhere, broken.first_ms, broken.count, "corrupt")
                continue
            stream = self._stream(found.target)
            stream.miss(broken.count, broken.first_ms, broken.last_ms)
            self._plan(stream, now)

    def _report_unknown(self, target: Target, first_ms: int, count: int, reason: DropReason) -> None:
        if self._reports is not None:
            self._reports.unknown(target, None, first_ms, count, reason)

    @property
    def _may_take_more(self) -> bool:
        files = self._spool.count_left_files
        waiting = sum(_shelves_of(heir).count_left() for heir in self._heirs.values())
        # One stream that is refused for ever must not keep what was left for others.
        heirs = self._heirs.values()
        is_failing = bool(heirs) and all(stream.is_failing for stream in heirs)
        return not self.is_tight and files < MOST_LEFT_FILES and waiting < NEXT_FILE_BELOW and not is_failing

    def next_at(self, now: float) -> float:
        """Return the instant of the next look; ``inf`` if only a record or an answer makes one necessary."""
        at = inf
        if self._ledger.in_memory and self._ledger.pending > self._ledger.spooled:
            at = max(now, self._look_at, self._refused_until)
            at = max(at, now + LOOK_EVERY / 4)
        if self._takes_over and self._is_proven:
            is_time = self._look_for_others_at == inf or (self._spool.has_candidates and self._may_take_more)
            at = min(at, now if is_time else self._look_for_others_at)
        return at

    def tidy(self) -> None:
        """Note on disk what was settled."""
        self._spool.tidy()

    def put_away(self) -> None:
        """Remove the files in which nothing is left, also those that callers would still write to."""
        self._spool.put_away()

    def release(self) -> None:
        """Let go of the files: in a forked child they are the parent's."""
        self._spool.release()
