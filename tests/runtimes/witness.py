"""What the processes of a program logged, as the standard library wrote it down, and what of it arrived, by process."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections import defaultdict
from pathlib import Path

from cwlog_handler.testing import FakeCloudWatchLogs

from ..programs import HANG_LIMIT, ROOT, Program

APPS = Path(__file__).parent / "apps"
# Less than a request to the endpoint may take before it is given up: whoever answers in time did not wait for that.
ANSWER_LIMIT = 10.0
# What gunicorn itself says on stderr while its own handlers are in place.
ITS_OWN_WORDS = re.compile(r"\[[^]]+\] \[\d+\] \[INFO\] .*\n")
# gevent's complaint, about any program that has imported ssl before gunicorn's worker lets gevent patch it.
PATCHED_LATE = re.compile(r".*MonkeyPatchWarning: .*\n  monkey.patch_all\(\)\n")
# It also gives every handler of the standard library another lock, even one that a thread is just using: here of ours,
# in which the AWS client logs where it has found the endpoint. The record is written, and only then this.
LOCK_TAKEN_AWAY = re.compile(
    r"--- Logging error ---\n((?!--- Logging).*\n)*?RuntimeError: cannot release un-acquired lock\n"
    r"((?!--- Logging).*\n)*?Message: 'Found .*\nArguments: .*\n?"
)


class Witness:
    """The file that every process of a program writes its records to, beside the handler."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def environment(self) -> dict[str, str]:
        """What a program needs to find the settings of its log, and this file."""
        return {"WITNESS": str(self.path), "PYTHONPATH": f"{ROOT}:{APPS}"}

    @property
    def logged(self) -> dict[int, list[str]]:
        """The messages of each process, in order; without those of our own requests, which are not to be sent."""
        messages: dict[int, list[str]] = defaultdict(list)
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            process, name, message = json.loads(line)
            if not name.startswith("botocore."):
                messages[process].append(message)
        return dict(messages)


def arrived(fake: FakeCloudWatchLogs) -> dict[int, list[str]]:
    """The messages that arrived from each process, in order; no process has two streams."""
    streams = [(int(stream.rpartition("/")[2]), stream) for stream in fake.streams("g")]
    assert len(streams) == len(dict(streams))
    return {process: fake.messages("g", stream) for process, stream in streams}


def in_any_order(messages_by_process: dict[int, list[str]]) -> dict[int, list[str]]:
    """The same, to compare what several threads of a process logged: handlers may see it in another order."""
    return {process: sorted(messages) for process, messages in messages_by_process.items()}


def unexpected(output: str) -> str:
    """What gunicorn's processes wrote and should not have."""
    for known in (ITS_OWN_WORDS, PATCHED_LATE, LOCK_TAKEN_AWAY):
        output = known.sub("", output)
    return output.strip()


def get(port: int, path: str, timeout: float) -> str:
    """What a program answers to a GET request."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
        return str(answer.read().decode())


class Shop:
    """A shop that is open at a port: orders make its processes log."""

    def __init__(self, program: Program, port: int) -> None:
        self.program = program
        self._port = port
        self._orders = 0

    def order(self, patience: float = HANG_LIMIT) -> int:
        """Order something; return the id of the process that took the order, which may have to start first."""
        self._orders += 1
        return int(get(self._port, f"/?{self._orders}", patience))

    def order_from(self, workers: int, apart_from: frozenset[int] = frozenset()) -> frozenset[int]:
        """Order until so many other processes have taken orders; return their ids."""
        took: set[int] = set()
        give_up = time.monotonic() + HANG_LIMIT
        while len(took) < workers:
            assert time.monotonic() < give_up, f"only {took} take orders:\n{self.program.output}"
            took |= {self.order()} - apart_from
            time.sleep(0.01)
        return frozenset(took)
