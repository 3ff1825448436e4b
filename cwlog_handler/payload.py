"""A PutLogEvents request as JSON, ready to be sent.

botocore would check, walk and serialise every event on its own: most of the CPU of a full request, taken from the
program's own threads. It still finds endpoint and credentials, and signs.

Must not know: how the request gets into botocore (`hooks`), what comes of it.
"""

from __future__ import annotations

import json

from .columns import Events


def put_log_events(log_group: str, stream: str, events: Events, token: str | None) -> bytes:
    """Return the body of the request: plain UTF-8, where ASCII with escapes takes up to six bytes for a character."""
    head = {"logGroupName": log_group, "logStreamName": stream}
    if token is not None:
        head["sequenceToken"] = token
    pairs = zip(events.timestamps, events.escaped_texts(), strict=True)
    logged = [f'{{"timestamp":{timestamp},"message":"{text}"}}' for timestamp, text in pairs]
    # Put together in one step: each copy of a MiB costs.
    logged[0] = f'{json.dumps(head)[:-1]},"logEvents":[{logged[0]}'
    logged[-1] += "]}"
    return ",".join(logged).encode()
