"""The page about the format of spool files says what the code does."""

import re
import struct
from pathlib import Path

from cwlog_handler.spool import frames, records
from cwlog_handler.spool.frames import Head, Kind

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / ".docs" / "SPOOL.md").read_text(encoding="utf-8")
TYPES = {"4 bytes": "4s", "u8": "B", "u16": "H", "u32": "I", "u64": "Q"}


def rows(heading):
    """The cells of the table with this first heading."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)[1]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_the_head_of_a_frame_is_laid_out_as_the_table_says():
    place = 0
    layout = "<"
    for span, kind, _ in rows("Bytes"):
        layout += TYPES[kind]
        first, _, last = span.partition("–")
        size = struct.calcsize(f"<{TYPES[kind]}")
        assert (int(first), int(last or first)) == (place, place + size - 1), span
        place += size

    assert layout == frames._BEGIN.format + frames._CRC.format.removeprefix("<")
    assert f"a head of {frames.FRAME_HEAD_BYTES} bytes" in PAGE
    magic = " ".join(f"{byte:02X}" for byte in frames._MAGIC)
    assert rows("Bytes")[0][2].startswith(f"`{magic}`")
    assert rows("Bytes")[2][2] == f"Version: {frames.VERSION}"


def test_the_kinds_are_those_of_the_format():
    assert [name for name, _ in rows("Kind")] == [f"{kind.value} {kind.name}" for kind in Kind]


def test_every_word_of_a_head_is_explained():
    (payload,) = [payload for name, payload in rows("Kind") if name == "1 HEAD"]
    assert re.findall(r"`(\w+)`", payload) == list(Head._fields)


def test_a_record_is_laid_out_as_the_page_says():
    told = re.search(r"A record is: (.*?)\. ", " ".join(PAGE.split()))[1]

    assert told == (
        f"magic u16 `{records.MAGIC:X}`, length of the name u16, length of the text u32, id u32, time f64 in seconds, "
        "name, text, CRC-32 u32 of all before"
    )
    assert records.BEGIN.format == "<HHIId"


def test_the_endings_of_names_are_those_of_the_code():
    assert [ending for ending, _ in rows("Ends in")] == [f"`{frames.SUFFIX}`", f"`{frames.BAD_SUFFIX}`"]
