"""The body of a PutLogEvents request as JSON, ready to be sent.

Owns: JSON escapes and the order of members. Must not know: how the body gets into botocore (`hooks`), the outcome.
botocore would validate and serialise each event by itself. That is most of the CPU time of a full request, taken from
the program's own threads. botocore still finds endpoint and credentials, and signs the request.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from json.encoder import encode_basestring_ascii as quoted
from operator import add
from typing import Any, Final

from ..core.columns import DENSE, END, Events, room_for
from ..system.primitives import give_way

# The body is made in parts of about this much text, each in 0.2 ms. After each part the GIL goes to other threads: this
# halves the delay of a thread that logs at a fixed pace, compared with a full request (1 MiB) in one part.
PART_BYTES: Final = 256 * 1024
# Below this much text nobody has to be let through: two changes of the thread would cost a tenth of a small request.
LARGE_BYTES: Final = 16 * 1024
# Ends one event and begins the next.
_NEXT: Final = b'"},'
# The backslash is replaced first, because the escapes of the other characters contain backslashes.
_ESCAPES: Final = [(char.encode(), json.dumps(char)[1:-1].encode()) for char in ("\\", '"', *map(chr, range(0x20)))]
_ESCAPED: Final = b"".join(char for char, _ in _ESCAPES)


def put_log_events(
    log_group: str, stream: str, events: Events, token: str | None, entity: Mapping[str, Any] | None = None
) -> bytes:
    """Return the body of the request in UTF-8: JSON in ASCII would take up to 12 bytes for one character."""
    # Not as a mapping for `json.dumps`, which takes ten times as long: of small requests there are many.
    head = f'{{"logGroupName":{quoted(log_group)},"logStreamName":{quoted(stream)}'
    if entity is not None:
        head += f',"entity":{json.dumps(entity)}'
    if token is not None:
        head += f',"sequenceToken":{quoted(token)}'
    is_large = len(events.texts) > LARGE_BYTES
    if is_large:
        # Yield the GIL: this thread has just closed the batch, which takes 1 ms for a full one.
        give_way()
    # All parts are written into one buffer, which becomes the body. Joining them would copy up to 1 MiB once more, and
    # the page faults of the new memory are what costs most.
    body = BytesIO()
    body.write(f'{head},"logEvents":['.encode())
    all_texts = memoryview(events.texts)
    most = max(1, len(events) * PART_BYTES // len(all_texts))
    place = 0
    for start in range(0, len(events), most):
        timestamps, lengths = events.timestamps[start : start + most], events.lengths[start : start + most]
        end = place + room_for(lengths)
        for members in _members(timestamps, lengths, bytes(all_texts[place : end - 1])):
            body.write(members)
        body.write(_NEXT if end < len(all_texts) else b'"}]}')
        place = end
        if is_large:
            give_way()
    return body.getvalue()


def _members(timestamps: Sequence[int], lengths: Sequence[int], texts: bytes) -> Iterator[bytes]:
    """Yield events as items of a JSON list, without the end of the last one. They must be in chronological order."""
    # Many small texts have none, and one pass sees that in a fraction of the time. In large ones, to search for each
    # character is faster.
    has_any = len(texts) > LARGE_BYTES or len(texts.translate(None, _ESCAPED)) < len(texts)
    escapes = [(char, escape) for char, escape in _ESCAPES if char in texts] if has_any else []
    enough = len(timestamps) // DENSE
    # Many different timestamps: each event gets its own head. The span is checked first: if it is short, the timestamps
    # cannot be many, and the set of them, which takes longer, need not be made.
    if timestamps[-1] - timestamps[0] >= enough and len(distinct := set(timestamps)) > enough:
        heads = {timestamp: _head(timestamp) for timestamp in distinct}
        yield _NEXT.join(map(add, map(heads.__getitem__, timestamps), _escaped(texts, escapes).split(END)))
        return
    # Few different timestamps: all events of a millisecond are made at once, in a third of the time.
    start = place = 0
    while start < len(timestamps):
        if start:
            yield _NEXT
        head = _head(timestamps[start])
        end = bisect_right(timestamps, timestamps[start], start)
        room = room_for(lengths[start:end])
        yield head
        yield _escaped(texts[place : place + room - 1], escapes).replace(END, _NEXT + head)
        start, place = end, place + room


def _head(timestamp: int) -> bytes:
    return b'{"timestamp":%d,"message":"' % timestamp


def _escaped(texts: bytes, escapes: Sequence[tuple[bytes, bytes]]) -> bytes:
    for char, escape in escapes:
        texts = texts.replace(char, escape)
    return texts
