"""Runs a scenario with one handler, and counts.

Must not know: which scenarios there are, nor how rows are shown.
"""

from __future__ import annotations

import importlib.util
import json
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cwlog_handler.testing import FakeCloudWatchLogs, Request
from tests.programs import HasNotEnded, Program, free_port, python, started

from .scenario import GROUP, Run, Scenario

HANDLERS: Final = {
    "cwlog_handler": "cwlog_handler.CloudWatchLogsHandler",
    "watchtower": "watchtower.CloudWatchLogHandler",
}
# How each begins what it has to say on stderr.
VOICES: Final = {"cwlog_handler": "cwlog_handler: ", "watchtower": "WatchtowerWarning: "}
# What is sent: a key, and perhaps a length and as much filling.
MESSAGE: Final = re.compile(r"<([^<> ]+)(?: (\d+) (x*))?>")
# The last line of a traceback; the first of several is the cause.
ERROR: Final = re.compile(r"[\w.]+(Error|Exception)\b")


@dataclass(frozen=True)
class Row:
    """What came of a scenario with one handler. ``exit_seconds`` is None if it was killed or logged nothing."""

    scenario: str
    handler: str
    sent: int
    delivered: int
    lost: int
    doubled: int
    exit_seconds: float | None
    killed_after: float | None
    notes: Sequence[str]
    output: str


def can_run(scenario: Scenario, handler: str) -> bool:
    """Whether all that is needed is installed."""
    return all(importlib.util.find_spec(name) for name in (handler, *scenario.needs))


def run(scenario: Scenario, handler: str) -> Row:
    """Run a scenario's program to its end, or to its limit, and return what came of it."""
    fake, port = FakeCloudWatchLogs(), free_port()
    if scenario.before is not None:
        scenario.before(fake)
    if scenario.is_up:
        fake.start(port)
    with tempfile.TemporaryDirectory() as directory:
        path, journal, own_port = Path(directory, "program.py"), Path(directory, "journal"), free_port()
        path.write_text(scenario.source)
        journal.touch()
        argv = python(str(path)) if scenario.argv is None else scenario.argv(path, own_port)
        environment = _environment(scenario, handler, directory, journal)
        began = time.time()
        try:
            with started(argv, url=f"http://127.0.0.1:{port}", cwd=directory, **environment) as program:
                notes = list(_play(scenario, Run(program, fake, port, own_port, journal)))
                status, ended = _wait(program, began + scenario.limit - time.time()), time.time()
        finally:
            fake.release()
            fake.stop()
        returned = [line.split(" ") for line in journal.read_text().splitlines()]
    delivered, doubled = tally({key for _, key in returned}, fake.requests)
    notes += _notes(program.output, status)
    if len(returned) > delivered and status is not None:
        notes.append(f"loss {'' if VOICES[handler] in program.output else 'not '}told")
    last = max((float(at) for at, _ in returned), default=None)
    return Row(
        scenario=scenario.name,
        handler=handler,
        sent=len(returned),
        delivered=delivered,
        lost=len(returned) - delivered,
        doubled=doubled,
        exit_seconds=None if last is None or status is None else ended - last,
        killed_after=scenario.limit if status is None else None,
        notes=notes,
        output=program.output,
    )


def tally(sent: set[str], requests: Iterable[Request]) -> tuple[int, int]:
    """How many of the messages sent were stored, and how many copies more than one of each.

    What a stream was given counts, in the order in which it was: also if somebody has deleted it since. A message that
    was split counts when its parts make up the whole.
    """
    texts = defaultdict(list)
    for request in requests:
        # No scenario has a batch that is taken in part.
        if request.stored:
            texts[request.stream] += [message or "" for _, message in request.batch]
    copies = Counter(
        match[1]
        for messages in texts.values()
        for match in MESSAGE.finditer("".join(messages))
        if len(match[3] or "") == int(match[2] or 0) and match[1] in sent
    )
    return len(copies), copies.total() - len(copies)


def _environment(scenario: Scenario, handler: str, directory: str, journal: Path) -> dict[str, str]:
    options = {"log_group_name": GROUP, "log_stream_name": "{process_id}", "send_interval": 1, **scenario.options}
    return {
        # gunicorn puts a socket there.
        "XDG_RUNTIME_DIR": directory,
        "SCENARIO_HANDLER": json.dumps({"class": HANDLERS[handler], **options}),
        "SCENARIO_JOURNAL": str(journal),
    }


def _play(scenario: Scenario, under_way: Run) -> Iterable[str]:
    if scenario.during is None:
        return
    try:
        scenario.during(under_way)
    except (AssertionError, OSError) as error:
        # The program has ended too early, or serves nobody: that is a result.
        yield str(error).splitlines()[0]


def _wait(program: Program, timeout: float) -> int | None:
    try:
        return program.wait(max(timeout, 0.0))
    except HasNotEnded:
        return None


def _notes(output: str, status: int | None) -> Iterable[str]:
    lines = output.splitlines()
    yield from (line.removeprefix("note: ") for line in lines if line.startswith("note: "))
    if "configured" not in output:
        yield f"does not start: {next(filter(ERROR.match, lines), 'nobody knows why')}"
    elif status is not None and status < 0:
        yield f"ended by signal {-status}"
