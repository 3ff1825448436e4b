"""A PutLogEvents request as JSON, ready to be sent.

botocore would check, walk and serialise every event on its own: most of the CPU of a full request, taken from the
program's own threads. It still finds endpoint and credentials, and signs.

Must not know: how the request gets into botocore (`hooks`), what comes of it.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from io import BytesIO
from operator import add
from typing import Final

from .columns import END, Events
from .threads import give_way

# So much text is put together at a time, in a quarter to half a millisecond. Then other threads have their turn, and
# the memory that one part took is there for the next. With half of it a thread that never sleeps loses half a percent
# more.
PART_BYTES: Final = 256 * 1024
# With so many events in a millisecond, on average, they are put together by the millisecond.
DENSE: Final = 10

_END: Final = END.encode()
# Between two events.
_NEXT: Final = b'"},'


def put_log_events(log_group: str, stream: str, events: Events, token: str | None) -> bytes:
    """Return the body of the request: plain UTF-8, where ASCII with escapes takes up to six bytes for a character."""
    head = {"logGroupName": log_group, "logStreamName": stream}
    if token is not None:
        head["sequenceToken"] = token
    # Written into one buffer, which becomes the body: each further copy of a MiB costs as much as all its page faults.
    body = BytesIO()
    body.write(f'{json.dumps(head)[:-1]},"logEvents":['.encode())
    start = first = 0
    while start < len(events.texts):
        end = events.texts.find(_END, start + PART_BYTES) + 1 or len(events.texts)
        texts = bytes(events.texts[start : end - 1]).split(_END)
        body.write(_joined(events.timestamps[first : first + len(texts)], texts))
        start, first = end, first + len(texts)
        body.write(b'"}]}' if start == len(events.texts) else _NEXT)
        give_way()
    return body.getvalue()


def _joined(timestamps: Sequence[int], texts: Sequence[bytes]) -> bytes:
    """Return events, which are in chronological order, as members of a JSON list, but for the end of the last one."""
    heads = {timestamp: b'{"timestamp":%d,"message":"' % timestamp for timestamp in set(timestamps)}
    if len(heads) * DENSE > len(texts):
        return _NEXT.join(map(add, map(heads.__getitem__, timestamps), texts))
    # In a burst many share a millisecond: all of those at once takes half the time.
    runs, start = [], 0
    for timestamp, head in sorted(heads.items()):
        end = bisect_right(timestamps, timestamp, start)
        runs.append(head + (_NEXT + head).join(texts[start:end]))
        start = end
    return _NEXT.join(runs)
