"""What is written into a spool file can be read again; what damage and forgery leave of it is read, or told."""

import json
import struct
import sys
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cwlog_handler.core.columns import Events
from cwlog_handler.core.events import Event
from cwlog_handler.core.limits import MAX_EVENT_BYTES
from cwlog_handler.spool import frames
from cwlog_handler.spool.frames import Broken, Foreign, Head, Kind, Record, Unreadable

GOLDEN = Path(__file__).with_name("golden-1.cwl")
HEAD = Head(
    group="/app/web",
    region="eu-central-1",
    endpoint="https://logs.eu-central-1.amazonaws.com",
    machine="web-1",
    pid=4711,
    package="1.2.3",
    level_class=2,
    area=256,
    stream="main",
)
NO_AREA = HEAD._replace(area=0)
HEAD_BYTES = len(frames.head(HEAD))
NO_AREA_BYTES = len(frames.head(NO_AREA))
RECORDS = [
    (1, 1_700_000_000.25, "", "first"),
    (2, 1_700_000_001.5, "worker/ä", "a longer text: 日本"),
    (3, 1_700_000_002.0, "", "half a pair: \ud83d"),
]
EARLY = [Event(1_700_000_003_000, b"one", 7), Event(1_700_000_002_999, "zwei é".encode(), 8)]
LATE = [Event(1_700_000_009_000, b"x" * 40, 20), Event(2**64 - 1, b"\x00\n\x7f", 30), Event(0, b"y", 31)]
UNKNOWN = Broken(0, 0, 0)


def record_bytes(number, created, name, text):
    return frames.record(number, created, name.encode("utf-8", "surrogatepass"), text.encode("utf-8", "surrogatepass"))


def parts():
    """The parts of a file in order: its head, its records, the rest of its area, and its frames."""
    records = [record_bytes(*record) for record in RECORDS]
    return [
        frames.head(HEAD),
        *records,
        bytes(HEAD.area - sum(map(len, records))),
        frames.events("main", Events.of(EARLY), 4),
        frames.marks(Kind.SENT, [(1, 3), (4, 5)]),
        frames.marks(Kind.SETTLED, [(4, 4), (1, 2)]),
        frames.events("worker/ä", Events.of(LATE), 6),
    ]


PLACES = []
"""Where each part of the file begins and ends."""
for part in parts():
    begin = PLACES[-1][1] if PLACES else 0
    PLACES.append((begin, begin + len(part)))
FILE = b"".join(parts())
THE_RECORDS = [Record(number, created, name or None, text) for number, created, name, text in RECORDS]
RECORD_PLACES = PLACES[1:4]
EARLY_PLACE, SENT_PLACE, SETTLED_PLACE, LATE_PLACE = PLACES[5:]


def frame(kind, payload, *, version=1, name_length=0, count=0, first_id=0, first_ms=0, last_ms=0):
    """A frame with right checksums, whatever it says."""
    begin = struct.pack(
        "<4sBBHIIQQQI",
        b"\xc7cwl", kind, version, name_length, count, len(payload), first_id, first_ms, last_ms, crc32(payload),
    )  # fmt: skip
    return begin + struct.pack("<I", crc32(begin))


def forged(kind, payload, **fields):
    return frame(kind, payload, **fields) + payload


def forged_record(created=1.5, name=b"", text=b"text", magic=0xA7C1):
    body = struct.pack("<HHIId", magic, len(name), len(text), 9, created) + name + text
    return body + struct.pack("<I", crc32(body))


def forged_events(texts, lengths, timestamps=None, name=b"main", **fields):
    timestamps = [5] * len(lengths) if timestamps is None else timestamps
    payload = name + struct.pack(f"<{len(timestamps)}Q{len(lengths)}I", *timestamps, *lengths) + texts
    return forged(2, payload, **{"name_length": len(name), "count": len(lengths), **fields})


def events_of(data, block):
    """What a block holds, as (time, text) pairs."""
    payload = data[block.offset : block.offset + block.length]
    return [(event.timestamp, event.data) for event in frames.block_events(payload, block, 0)]


def summary(data):
    """What is in a file, in a form that does not depend on where it lies."""
    contents = frames.read(data)
    blocks = [(block.stream, block.first_id, events_of(data, block)) for block in contents.blocks]
    return contents, blocks


def pairs(events):
    return [(event.timestamp, event.data) for event in events]


THE_BLOCKS = [("main", 4, pairs(EARLY)), ("worker/ä", 6, pairs(LATE))]


class TestRoundTrip:
    def test_a_file_is_read_as_it_was_written(self):
        """Events with their stream and time, records with lone surrogates, marks merged (S35, S36)."""
        contents, blocks = summary(FILE)
        assert contents.head == HEAD
        assert contents.records == THE_RECORDS
        assert blocks == THE_BLOCKS
        assert contents.settled == [(1, 2), (4, 4)]
        assert contents.sent == [(1, 5)]
        assert contents.broken == []

    def test_a_memoryview_is_read_too(self):
        assert frames.read(memoryview(FILE)) == frames.read(FILE)

    def test_the_head_is_read_of_the_first_bytes(self):
        """Whether a file is ours is known before it is read (S24)."""
        assert frames.read_head(FILE[:4096]) == HEAD
        assert frames.read_head(FILE[:HEAD_BYTES]) == HEAD

    def test_four_kilobytes_hold_the_longest_names(self):
        longest = HEAD._replace(group="g" * 512, stream="\x01" * 512, endpoint="e" * 150, machine="m" * 64)
        assert frames.read_head(frames.head(longest)[:4096]) == longest

    @given(st.data())
    def test_whatever_is_written_is_read(self, data):
        """No text is changed, cut or refused: bytes only (S12, S14)."""
        anything = st.text(st.characters(), max_size=20)
        legal = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
        number = st.integers(0, 2**63 - 1)
        records = data.draw(
            st.lists(
                st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 1e308), anything, anything),
                max_size=5,
            )
        )
        area = b"".join(record_bytes(*record) for record in records) + bytes(data.draw(st.integers(0, 30)))
        head = Head(
            *data.draw(st.tuples(*[anything] * 4)),
            data.draw(number),
            data.draw(anything),
            data.draw(st.integers(0, 5)),
            len(area),
            data.draw(anything),
        )
        content = frames.head(head) + area
        written = data.draw(
            st.lists(
                st.tuples(
                    anything,
                    st.lists(
                        st.builds(Event, st.integers(0, 2**64 - 1), legal.map(str.encode), st.just(0)),
                        min_size=1,
                        max_size=5,
                    ),
                    number,
                ),
                max_size=4,
            )
        )
        for name, events, first_id in written:
            content += frames.events(name, Events.of(events), first_id)
        contents, blocks = summary(content)
        assert contents.head == head
        assert contents.records == [Record(id_, at, name or None, text) for id_, at, name, text in records]
        assert blocks == [(name, first_id, pairs(events)) for name, events, first_id in written]
        assert contents.broken == []

    def test_a_block_says_where_and_how_much(self):
        """What was just written need not be read to be known (S22)."""
        start, end = LATE_PLACE
        block = frames.block(FILE[start:end], start)
        assert block == frames.read(FILE).blocks[1]
        assert (block.first_ms, block.last_ms) == (0, 2**64 - 1)
        assert block.size_bytes == Events.of(LATE).size_bytes
        assert block.offset + block.length == end

    def test_what_is_no_events_frame_is_no_block(self):
        for start, end in (PLACES[0], SENT_PLACE, (3, 200), (0, 0)):
            with pytest.raises(Unreadable):
                frames.block(FILE[start:end], start)

    def test_a_block_is_numbered_anew(self):
        """Ids of a file are not numbers in memory."""
        block = frames.read(FILE).blocks[1]
        events = frames.block_events(FILE[block.offset : block.offset + block.length], block, 1000)
        assert list(events.numbers) == [1000, 1001, 1002]

    def test_a_record_costs_what_is_said(self):
        assert len(frames.record(1, 2.5, b"name", b"text")) == frames.RECORD_COST_BYTES + 8


class TestGoldenFile:
    def test_version_1_is_written_as_ever(self):
        """What today's code writes, an older one can read (S9)."""
        assert GOLDEN.read_bytes() == FILE

    def test_version_1_is_read_for_ever(self):
        """A file outlives an upgrade (S9)."""
        contents, blocks = summary(GOLDEN.read_bytes())
        assert contents.head == HEAD
        assert contents.records == THE_RECORDS
        assert blocks == THE_BLOCKS
        assert (contents.settled, contents.sent, contents.broken) == ([(1, 2), (4, 4)], [(1, 5)], [])

    def test_a_big_endian_machine_writes_and_reads_the_same_file(self, monkeypatch):
        """A file may be moved to another machine (S11). The columns are swapped here, as they lie in its memory."""
        monkeypatch.setattr(sys, "byteorder", "big" if sys.byteorder == "little" else "little")
        events = Events.of(EARLY)
        in_memory = list(events.timestamps), list(events.lengths)
        events.timestamps.byteswap()
        events.lengths.byteswap()
        written = frames.events("main", events, 4)
        start, end = EARLY_PLACE
        # The first and the last time in the head were computed from the swapped columns.
        assert written[frames.FRAME_HEAD_BYTES :] == FILE[start + frames.FRAME_HEAD_BYTES : end]
        assert events.timestamps.tolist() != in_memory[0], "the columns of the caller are left as they were"

        block = frames.block(FILE[start:end], 0)
        payload = FILE[start + block.offset : end]
        texts = payload[-len(events.texts) :]
        with pytest.raises(Unreadable):
            # Lengths are swapped on the way in too, so that on this machine they are wrong.
            frames.block_events(payload, block, 0)
        swapped = payload[:4] + events.timestamps.tobytes() + events.lengths.tobytes() + texts
        read = frames.block_events(swapped, block._replace(crc=crc32(swapped)), 0)
        assert (read.timestamps.tolist(), read.lengths.tolist()) == in_memory

    def test_another_version_is_told_from_damage(self):
        """A downgrade leaves alone what it cannot read (S9)."""
        later = frame(1, b"whatever it says", version=2) + b"whatever it says"
        for read in (frames.read, frames.read_head):
            with pytest.raises(Foreign, match="2") as caught:
                read(later + FILE)
            assert caught.value.version == 2

    def test_a_damaged_head_of_another_version_is_damage(self):
        later = bytearray(frame(1, b"", version=2))
        later[12] ^= 1
        with pytest.raises(Unreadable):
            frames.read(bytes(later))


def intact(damaged):
    """What of the file is as it was."""
    whole = [damaged[start:end] == FILE[start:end] for start, end in PLACES]
    records = [record for record, is_whole in zip(THE_RECORDS, whole[1:4], strict=True) if is_whole]
    blocks = [block for block, place in zip(THE_BLOCKS, (5, 8), strict=True) if whole[place]]
    return records, blocks, whole


class TestTorn:
    @pytest.mark.parametrize("filler", [b"", b"\0"], ids=["short", "NUL"])
    def test_cut_at_any_byte_all_before_is_there(self, filler):
        """After a kill the file is short, after a power cut its end may be NUL bytes (S1, S2)."""
        for cut in range(len(FILE)):
            damaged = FILE[:cut].ljust(len(FILE) if filler else 0, b"\0")
            if damaged[:HEAD_BYTES] != FILE[:HEAD_BYTES]:
                with pytest.raises(Unreadable):
                    frames.read(damaged)
                continue
            records, blocks, whole = intact(damaged)
            contents, found = summary(damaged)
            assert (contents.records, found) == (records, blocks), cut
            assert contents.sent == ([(1, 5)] if whole[6] else [])
            assert contents.settled == ([(1, 2), (4, 4)] if whole[7] else [])
            if not filler:
                assert contents.broken == [], cut

    def test_a_frame_of_nul_bytes_behind_its_head_is_counted(self):
        """Its head says what is missing, and from when (S6)."""
        start, end = LATE_PLACE
        contents = frames.read(FILE[: start + frames.FRAME_HEAD_BYTES] + bytes(end - start))
        assert contents.broken == [Broken(3, 0, 2**64 - 1)]

    def test_nul_bytes_at_the_end_are_nothing(self):
        """NUL is no magic (S2)."""
        for count in (1, 47, 48, 5000):
            assert frames.read(FILE + bytes(count)) == frames.read(FILE)

    def test_a_record_that_was_being_written_is_not_counted(self):
        """Its call had not returned, so that nobody misses it: whatever was copied before the kill."""
        torn = record_bytes(4, 1_700_000_004.125, "worker", "ends in NUL\0")
        head = frames.head(HEAD)
        whole = head + record_bytes(*RECORDS[0])
        for copied in range(len(torn)):
            contents = frames.read((whole + torn[:copied]).ljust(HEAD_BYTES + HEAD.area, b"\0"))
            assert contents.records == THE_RECORDS[:1]
            assert contents.broken == [], copied

    def test_a_record_torn_before_others_is_counted(self):
        """Only the last one can be torn."""
        torn = bytearray(FILE)
        start, end = RECORD_PLACES[1]
        torn[start + 30 : end] = bytes(end - start - 30)
        contents = frames.read(bytes(torn))
        assert contents.records == [THE_RECORDS[0], THE_RECORDS[2]]
        assert contents.broken == [Broken(1, 1_700_000_000_250, 1_700_000_002_000)]

    def test_what_was_written_behind_a_torn_frame_is_read(self):
        """Who takes a file over writes behind its torn end; the marks must not stick to it (S17, S27)."""
        mark = frames.marks(Kind.SETTLED, [(6, 8)])
        start, end = LATE_PLACE
        for cut in range(start, end):
            contents, blocks = summary(FILE[:cut] + mark)
            assert contents.settled == [(1, 2), (4, 4), (6, 8)], cut
            assert blocks == THE_BLOCKS[:1]

    def test_what_is_neither_torn_nor_a_frame_is_told(self):
        assert frames.read(FILE + b"?" * 47).broken == []
        assert frames.read(FILE + b"?" * 48).broken == [UNKNOWN]

    def test_an_area_that_is_not_all_there_is_read(self):
        short = frames.head(HEAD) + record_bytes(*RECORDS[0])
        assert frames.read(short).records == THE_RECORDS[:1]


class TestFlipped:
    def test_any_bit_flipped_costs_only_what_it_hits(self):
        """A bad place blocks nothing behind it, nothing passes for good that is not, and it is told (S3, S6)."""
        for bit in range(8 * len(FILE)):
            at = bit // 8
            damaged = bytearray(FILE)
            damaged[at] ^= 1 << bit % 8
            damaged = bytes(damaged)
            if at < HEAD_BYTES:
                with pytest.raises(Unreadable):
                    frames.read(damaged)
                continue
            records, blocks, whole = intact(damaged)
            contents, found = summary(damaged)
            assert (contents.records, found) == (records, blocks), bit
            assert contents.sent == ([(1, 5)] if whole[6] else []), bit
            assert contents.settled == ([(1, 2), (4, 4)] if whole[7] else []), bit
            # What hits the last record, or the NUL bytes where the next would begin, may look like a torn record.
            if not PLACES[3][0] <= at < PLACES[3][1] + 20:
                assert len(contents.broken) == 1, bit
            lost = sum(broken.count for broken in contents.broken)
            assert lost <= len(RECORDS) + len(EARLY) + len(LATE) - len(records) - sum(len(block[2]) for block in blocks)

    def test_a_damaged_payload_is_counted_by_its_head(self):
        """How many, from when to when (S6)."""
        damaged = bytearray(FILE)
        damaged[EARLY_PLACE[1] - 2] ^= 1
        assert frames.read(bytes(damaged)).broken == [Broken(2, 1_700_000_002_999, 1_700_000_003_000)]

    def test_a_damaged_mark_is_no_lost_event(self):
        damaged = bytearray(FILE)
        damaged[SETTLED_PLACE[1] - 2] ^= 1
        contents = frames.read(bytes(damaged))
        assert (contents.settled, contents.broken) == ([], [UNKNOWN])

    def test_a_damaged_last_record_is_counted(self):
        """All of it is there, so that its call has returned."""
        damaged = bytearray(FILE)
        damaged[RECORD_PLACES[2][1] - 6] ^= 1
        contents = frames.read(bytes(damaged))
        assert contents.records == THE_RECORDS[:2]
        assert contents.broken == [Broken(1, 1_700_000_001_500, 1_700_000_001_500)]

    def test_two_damaged_records_side_by_side_are_two(self):
        damaged = bytearray(FILE)
        for start, _ in RECORD_PLACES[:2]:
            damaged[start + 12] ^= 1
        contents = frames.read(bytes(damaged))
        assert contents.broken == [Broken(2, 1_700_000_002_000, 1_700_000_002_000)]

    def test_a_time_beyond_all_numbers_is_no_obstacle(self):
        """A program may give a record any time. The times beside a damaged record tell when that was logged."""
        far, damaged, last = forged_record(created=1e306), bytearray(forged_record()), record_bytes(*RECORDS[1])
        damaged[-1] ^= 1
        contents = frames.read(frames.head(HEAD) + (far + damaged + last).ljust(HEAD.area, b"\0"))
        assert [record.created for record in contents.records] == [1e306, RECORDS[1][1]]
        (broken,) = contents.broken
        assert broken.first_ms == contents.records[1].timestamp_ms < broken.last_ms

    def test_bytes_lost_between_frames_are_told_once(self):
        damaged = FILE[: EARLY_PLACE[1]] + b"?" * 1000 + FILE[EARLY_PLACE[1] :]
        contents, blocks = summary(damaged)
        assert blocks == THE_BLOCKS
        assert contents.broken == [UNKNOWN]

    def test_bytes_lost_behind_a_damaged_frame_are_told_too(self):
        damaged = bytearray(FILE[: EARLY_PLACE[1]] + b"?" * 1000 + FILE[EARLY_PLACE[1] :])
        damaged[EARLY_PLACE[1] - 2] ^= 1
        contents, blocks = summary(bytes(damaged))
        assert blocks == THE_BLOCKS[1:]
        assert contents.broken == [Broken(2, 1_700_000_002_999, 1_700_000_003_000), UNKNOWN]

    def test_a_record_right_behind_what_looks_like_one_is_read(self):
        """The search goes on byte by byte (S3)."""
        for junk in (b"\xc1\xa7", b"\xc1\xa7???", b"\xc1\xa7" * 3, b"\xc1\xc1"):
            area = junk + record_bytes(*RECORDS[0])
            contents = frames.read(frames.head(HEAD) + area.ljust(HEAD.area, b"\0"))
            assert contents.records == THE_RECORDS[:1]
            assert len(contents.broken) == 1

    @given(st.data())
    def test_a_text_never_passes_for_a_frame(self, data):
        """Who can have a text logged cannot plant events or marks, even where the file is damaged (S37)."""
        mark = frames.marks(Kind.SETTLED, [(0, 2**64 - 1)]).decode("latin-1")
        planted = record_bytes(99, 5.0, "", "planted").decode("latin-1")
        events = [Event(1, (planted + mark).encode())]
        area = record_bytes(1, 1.0, "", planted + mark)
        content = bytearray(
            frames.head(HEAD._replace(area=len(area))) + area + frames.events("main", Events.of(events), 4)
        )
        content[data.draw(st.integers(HEAD_BYTES, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        contents = frames.read(bytes(content))
        assert contents.settled == []
        assert all(record.id == 1 for record in contents.records)


def read_or_refused(data):
    try:
        return frames.read(data)
    except (Unreadable, Foreign):
        return None


class TestHostile:
    @pytest.mark.parametrize("data", [b"", b"\0" * 100, b"\xc7cwl", b"PK\x03\x04" * 20, FILE[1:]])
    def test_what_has_no_head_is_unreadable(self, data):
        """No exception of another kind: one bad file stops nothing (S4)."""
        for read in (frames.read, frames.read_head):
            with pytest.raises(Unreadable):
                read(data)

    @given(st.binary(max_size=300))
    @example(b"\xc7cwl" * 30)
    @example(b"\xc1\xa7" * 60)
    def test_any_bytes_are_read_or_refused(self, data):
        """Alone, as record area, as frames, and as the payload of each kind of frame (S4)."""
        assert read_or_refused(data) is None
        assert frames.read(frames.head(HEAD._replace(area=len(data))) + data).blocks == []
        assert frames.read(frames.head(NO_AREA) + data).records == []
        for kind in range(6):
            frames.read(frames.head(NO_AREA) + forged(kind, data, count=len(data) // 16, name_length=3))
        with pytest.raises(Unreadable):
            frames.read(forged(1, data))

    @pytest.mark.parametrize(
        "words",
        [
            {"pid": "4711"},
            {"pid": True},
            {"pid": -1},
            {"pid": 1.0},
            {"pid": 2**63},
            {"area": -1},
            {"area": 2**63},
            {"area": None},
            {"area": float("nan")},
            {"level_class": 6},
            {"level_class": -1},
            {"level_class": True},
            {"group": 5},
            {"group": None},
            {"region": ["eu"]},
            {"stream": {"a": 1}},
            {"machine": False},
        ],
        ids=str,
    )
    def test_a_head_with_a_wrong_word_is_unreadable(self, words):
        """A file's words are checked before anybody uses them (S37)."""
        with pytest.raises(Unreadable):
            frames.read(forged(1, json.dumps({**HEAD._asdict(), **words}).encode()))

    @pytest.mark.parametrize("name", [name for name in Head._fields if name not in Head._field_defaults])
    def test_a_head_without_a_word_is_unreadable(self, name):
        words = HEAD._asdict()
        del words[name]
        with pytest.raises(Unreadable):
            frames.read(forged(1, json.dumps(words).encode()))

    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"null",
            b"[]",
            b'"head"',
            b"{",
            b"\xff\xfe",
            b"[" * 60_000,
            b'{"group":' * 7_000,
            b"9" * 60_000,
            json.dumps({**HEAD._asdict(), "more": "x" * 70_000}).encode(),
        ],
        ids=lambda payload: repr(payload[:10]),
    )
    def test_a_head_that_says_something_else_is_unreadable(self, payload):
        with pytest.raises(Unreadable):
            frames.read(forged(1, payload))

    def test_a_word_more_is_no_harm(self):
        """A later release may say more without another version (S9)."""
        payload = json.dumps({**NO_AREA._asdict(), "more": [1]}).encode()
        assert frames.read(forged(1, payload)).head == NO_AREA

    def test_an_area_larger_than_the_file_is_the_rest_of_it(self):
        assert (
            frames.read(frames.head(HEAD._replace(area=2**62)) + record_bytes(*RECORDS[0])).records == THE_RECORDS[:1]
        )

    @pytest.mark.parametrize(
        ("forgery", "broken"),
        [
            (forged_events(b"abc\xffd\xff", [3, 2]), Broken(2, 0, 0)),
            (forged_events(b"abc\xffd\xff", [1, 3]), Broken(2, 0, 0)),
            (forged_events(b"abc\xffde", [3, 1]), Broken(2, 0, 0)),
            (forged_events(b"abcd\xff\xff", [4, 0]), Broken(2, 0, 0)),
            (forged_events(b"ab\xffd\xff\xff", [4, 1]), Broken(2, 0, 0)),
            (forged_events(b"\xc3\xff\xa9\xff", [1, 1]), Broken(2, 0, 0)),
            (forged_events(b"\xed\xa0\x80\xff", [3]), Broken(1, 0, 0)),
            (forged_events(b"x" * (MAX_EVENT_BYTES - 25) + b"\xff", [MAX_EVENT_BYTES - 25]), Broken(1, 0, 0)),
            (forged_events(b"a\xff", [1], first_id=2**64 - 1, name=b"\xff"), Broken(1, 0, 0)),
            (forged_events(b"a\xffb\xff", [1, 1], first_id=2**64 - 1), Broken(2, 0, 0)),
            (forged_events(b"a\xff", [1], count=2**32 - 1), UNKNOWN),
            (forged_events(b"a\xff", [1], name_length=2**16 - 1), UNKNOWN),
            (forged_events(b"a\xff", [1], count=0), UNKNOWN),
            (forged_events(b"", []), UNKNOWN),
            (forged(3, struct.pack("<QQ", 5, 4), count=1), UNKNOWN),
            (forged(3, struct.pack("<QQ", 4, 5), count=2), UNKNOWN),
            (forged(4, b"", count=2**32 - 1), UNKNOWN),
            (forged(4, struct.pack("<QQ", 5, 4), count=1), UNKNOWN),
            (forged(0, b""), UNKNOWN),
            (forged(5, b"new"), UNKNOWN),
            (forged(3, struct.pack("<QQ", 4, 5), count=1, version=2), UNKNOWN),
            (frames.head(HEAD), UNKNOWN),
        ],
    )  # fmt: skip
    def test_a_frame_that_cannot_have_been_meant_is_broken(self, forgery, broken):
        """Its checksums are right and its words are not: none of it is used, and what follows is read (S3, S37)."""
        content = frames.head(NO_AREA) + forgery + frames.events("main", Events.of(EARLY), 4)
        contents, blocks = summary(content)
        assert blocks == THE_BLOCKS[:1]
        assert (contents.settled, contents.sent, contents.broken) == ([], [], [broken])

    def test_the_largest_event_is_read(self):
        largest = b"x" * (MAX_EVENT_BYTES - 26)
        content = frames.head(NO_AREA) + frames.events("main", Events.of([Event(1, b"a"), Event(2, largest)]), 0)
        assert summary(content)[1] == [("main", 0, [(1, b"a"), (2, largest)])]

    @pytest.mark.parametrize(
        "forgery",
        [
            forged_record(created=float("nan")),
            forged_record(created=float("inf")),
            forged_record(created=-1.0),
            forged_record(text=b"\xff"),
            forged_record(name=b"\xc3"),
        ],
    )
    def test_a_record_that_cannot_have_been_meant_is_broken(self, forgery):
        good = record_bytes(*RECORDS[0])
        for area in (good + forgery, forgery + good, good + forgery + good):
            contents = frames.read(frames.head(HEAD) + area.ljust(HEAD.area, b"\0"))
            assert contents.records == THE_RECORDS[:1] * area.count(good)
            assert contents.broken == [Broken(1, 1_700_000_000_250, 1_700_000_000_250)]

    @pytest.mark.timeout(60)
    def test_a_file_of_beginnings_is_read_in_linear_time(self):
        """A planted file does not stop the flusher (S37, S56). Each beginning claims 3 MB or more of what follows."""
        size = 100_000
        claims = b"".join(struct.pack("<HHIId", 0xA7C1, 0, 3_000_000, 1, 1.0) for _ in range(size)) + b"?" * 3_000_024
        heads = b"".join(
            struct.pack("<4sBBHIIQQQI", b"\xc7cwl", 2, 1, 0, 1, (size - at - 1) * 48, 0, 0, 0, 1) for at in range(size)
        )
        heads = b"".join(
            heads[at : at + 44] + struct.pack("<I", crc32(heads[at : at + 44])) for at in range(0, len(heads), 44)
        )
        for data in (b"\xc7cwl" * size, b"\xc1\xa7" * size, claims, heads, b"\xc1" * size * 10):
            contents = frames.read(frames.head(NO_AREA) + data)
            assert contents.broken
            assert contents.blocks == []
            contents = frames.read(frames.head(HEAD._replace(area=len(data))) + data)
            assert contents.broken
            assert contents.records == []

    @pytest.mark.parametrize("change", ["cut", "longer", "flipped", "another time", "empty"])
    def test_a_block_that_is_not_as_it_was_is_refused(self, change):
        """A file may be damaged between writing and reading it back (S3)."""
        block = frames.read(FILE).blocks[0]
        payload = FILE[block.offset : block.offset + block.length]
        changed = {
            "cut": payload[:-1],
            "longer": payload + b"\0",
            "flipped": payload.replace(b"one", b"two"),
            "another time": payload[:4] + b"?" + payload[5:],
            "empty": b"",
        }
        with pytest.raises(Unreadable):
            frames.block_events(changed[change], block, 0)

    def test_a_block_that_is_cut_is_refused_even_with_its_checksum(self):
        """Whoever can write the file can make any checksum right (S37)."""
        block = frames.read(FILE).blocks[0]
        for length in range(block.length):
            payload = FILE[block.offset : block.offset + length]
            with pytest.raises(Unreadable):
                frames.block_events(payload, block._replace(crc=crc32(payload)), 0)
