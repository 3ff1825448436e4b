"""A PutLogEvents request as JSON, ready to be sent.

botocore would check, walk and serialise every event on its own: most of the CPU of a full request, taken from the
program's own threads. It still finds endpoint and credentials, and signs.

Must not know: how the request gets into botocore (`hooks`), what comes of it.
"""

from __future__ import annotations

import json
from io import BytesIO
from operator import add
from typing import Final

from .columns import END, Events
from .threads import give_way

# So much text is put together at a time, in a quarter of a millisecond: then other threads have their turn, and the
# memory that one part took is there for the next.
PART_BYTES: Final = 128 * 1024


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
        end = events.texts.find(END.encode(), start + PART_BYTES) + 1 or len(events.texts)
        texts = events.texts[start : end - 1].decode().split(END)
        timestamps = events.timestamps[first : first + len(texts)]
        # Many records of a burst share a millisecond.
        heads = {timestamp: f'{{"timestamp":{timestamp},"message":"' for timestamp in set(timestamps)}
        part = '"},'.join(map(add, map(heads.__getitem__, timestamps), texts))
        body.write(part.encode())
        start, first = end, first + len(texts)
        body.write(b'"}]}' if start == len(events.texts) else b'"},')
        give_way()
    return body.getvalue()
