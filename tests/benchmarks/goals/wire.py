"""The wire: bytes that go over it for a record, and the CPU for them, plain and compressed, over HTTP and TLS."""

from __future__ import annotations

import os
import random
import tempfile
from time import process_time
from typing import Final

from ..case import Case, Figures, Goal, Group, Sizes
from ..peers import GZIP, OURS
from ..program import LOGGER, Setup
from ..workload import KINDS, serials

HTTP, TLS = "wire, HTTP", "wire, TLS"
# So many different lines, each with ids and numbers of its own: as compressible as the log of a web application.
LINES: Final = 5_000
_PATHS: Final = ("/api/orders", "/api/customers", "/checkout/payment", "/static/app.js", "/login", "/api/stock/search")


def _lines() -> list[str]:
    die = random.Random(14)
    return [
        f" {die.choice(('GET', 'GET', 'POST', 'PUT'))} {die.choice(_PATHS)}/{die.randrange(10**6)} "
        f"{die.choice((200, 200, 200, 201, 302, 404, 500))} in {die.random() * 90:.1f} ms for {die.randrange(1, 255)}."
        f"{die.randrange(255)}.{die.randrange(255)}.{die.randrange(255)}, request {die.getrandbits(128):032x} "
        for _ in range(LINES)
    ]


def measure(setup: Setup) -> Figures:
    """Log a burst of lines, and wait until all of it was accepted."""
    records, lines = setup.params["records"], _lines()
    options = {}
    if setup.params["tls"]:
        secured = setup.ask("GET", "/tls")
        with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
            file.write(secured["ca"])
        os.environ["AWS_CA_BUNDLE"] = file.name
        options["endpoint_url"] = secured["url"]
    setup.begin()
    target = setup.open(KINDS["120 B"], **options)
    began, info, run = process_time(), LOGGER.info, setup.run
    for place, number in enumerate(serials(1, records)):
        info("%s%s%d", run, lines[place % LINES], number)
    setup.settle(target, records)
    cpu = process_time() - began
    if setup.params["tls"]:
        os.unlink(file.name)
    report = setup.report(records + 1)
    size = sum(size for _, _, size in report["requests"])
    return {
        "cpu_us": cpu / records * 1e6,
        "wire_bytes": report["wire_bytes"] / (records + 1),
        "counted_bytes": size / (records + 1),
    }


def group(sizes: Sizes) -> Group:
    """The cases and goals."""
    cases = [
        Case(name, "wire.measure", (OURS, GZIP), {"records": sizes.records, "tls": name == TLS}) for name in (HTTP, TLS)
    ]
    goals = [
        goal
        for name in (HTTP, TLS)
        for goal in (
            Goal(f"{name}: bytes a record, compressed against plain", name, "wire_bytes", "bytes", 0.35, "times", OURS,
                 of=GZIP),
            Goal(f"{name}: CPU a record, compressed beyond plain", name, "cpu_us", "µs", 2.5, "beyond", OURS, of=GZIP,
                 in_short=False),
        )
    ]  # fmt: skip
    return Group("wire", "Bytes on the wire and CPU, with and without compression", cases, goals)
