"""The process in which one thing is measured once, with one handler: started afresh for each.

Runs the function it is told, and prints the figures that come of it as JSON, on the last line. Must not know: goals.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from . import workload
from .peers import PEERS, Target
from .sink import Orders

# The sink's own waits are shorter, unless what is waited for goes on and on.
HANG_LIMIT = 600.0
LOGGER = logging.getLogger("benchmark")


class DoesNotCount(AssertionError):
    """What was logged is not what arrived, or not enough to tell: no figure of such a run counts."""


@dataclass(frozen=True)
class Setup:
    """What a measurement is told: the handler's name, the run's name, the sink, and what the case says."""

    peer: str
    run: str
    url: str
    params: Mapping[str, Any]

    def ask(self, method: str, path: str, body: str | None = None) -> Any:
        """Ask the sink something."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=HANG_LIMIT)
        try:
            connection.request(method, path, body)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def begin(self, *, latency: float = 0.0, answers: int | None = None) -> None:
        """Begin a run at the sink."""
        self.ask("POST", "/begin", json.dumps(asdict(Orders(self.run, latency, answers))))

    def wait_for(self, events: int) -> None:
        """Wait until the sink has accepted so many events."""
        answer = self.ask("GET", f"/wait?events={events}")
        if answer["events"] < events:
            raise DoesNotCount(f"{answer['events']:,} of {events:,} events arrived")

    def report(self, sent: int, kind: workload.Kind | None = None) -> Any:
        """What arrived, if it is what was sent: every record once, of a known size, in order; else DoesNotCount."""
        report = self.ask("GET", "/report")
        wrong = {key: report[key] for key in ("doubled", "foreign", "disordered", "over_limits") if report[key]}
        if report["records"] != sent or wrong:
            raise DoesNotCount(f"{report['records']:,} of {sent:,} records arrived; {wrong or 'the rest is missing'}")
        size = sum(size for _, _, size in report["requests"])
        if kind is not None and size != sent * (kind.size_bytes + 26):
            raise DoesNotCount(f"{size:,} bytes arrived, not {sent:,} records of {kind.size_bytes} bytes")
        return report

    def open(self, kind: workload.Kind, **options: Any) -> Target:
        """Make the handler and attach it to `LOGGER`; it has delivered one record, and all its threads are there."""
        target = PEERS[self.peer](**options)
        attach(target.handler)
        if target.delivers:
            workload.log(LOGGER, kind.template, self.run, workload.serials(0, 1))
            target.settle()
            self.wait_for(1)
        return target

    def settle(self, target: Target, sent: int) -> None:
        """Wait until ``sent`` records and the first one have gone where the handler takes them."""
        target.settle()
        if target.delivers:
            self.wait_for(sent + 1)


def attach(handler: logging.Handler, logger: logging.Logger = LOGGER) -> None:
    """Let a logger log to this handler and no other."""
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)


def main() -> None:
    """Run what the command line says: a module's function, and the setup as JSON."""
    module, _, function = sys.argv[1].rpartition(".")
    figures = getattr(importlib.import_module(f".goals.{module}", __package__), function)(
        Setup(**json.loads(sys.argv[2]))
    )
    print(json.dumps(figures), flush=True)
    # What waits is not worth waiting for.
    os._exit(0)


if __name__ == "__main__":
    main()
