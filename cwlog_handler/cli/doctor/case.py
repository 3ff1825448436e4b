"""One handler under examination: its options, and what the checks have found out for those that follow.

Must not know: in which order checks are made, how they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import botocore.session

from ...core.advice import Call
from ...core.outcomes import Outcome
from .files import Tag
from .findings import Finding

PUT: Final = "logs:PutLogEvents"


@dataclass
class Case:
    """What is known. ``options`` are as they were given; ``known`` are all of them, once they have been found right.

    ``patience`` is how many seconds each step may wait for an answer.
    """

    options: Mapping[str, Any]
    patience: float
    loggers: tuple[str, ...] | None = None
    """The loggers that have the handler, in a configuration file; None: there is no file to look in."""
    tags: list[Tag] = field(default_factory=list)
    """What stands in the file behind tags that only the program's own loader understands."""
    of_its_class: tuple[str, ...] = ()
    """Keywords in the file that only the class derived from ours takes: what becomes of them cannot be known."""
    known: dict[str, Any] = field(default_factory=dict)
    region: str | None = None
    account: str | None = None
    credentials_problem: Finding | None = None
    client: Any = None
    """The boto3 client, once it could be made."""
    clock_ahead: float | None = None
    """By how many seconds our clock is ahead of the service's."""
    calls: list[tuple[str, str | None]] = field(default_factory=list)
    """The calls that the handler's own code made: operation, and error code if it failed."""
    put_outcome: Outcome | None = None
    notes: list[str] = field(default_factory=list)
    """What was left undone although the event was delivered."""
    marker: str = ""
    """The text of the event that was sent."""
    stream: str = ""
    sent_ms: int = 0

    @property
    def group(self) -> str:
        """The log group's name."""
        return str(self.known["log_group_name"])

    @property
    def call(self) -> Call:
        """What all of this is about, as advice names it."""
        return Call(PUT, self.group)

    @cached_property
    def session(self) -> Any:
        """botocore's view of environment and configuration files; raises ProfileNotFound with its first question."""
        return botocore.session.Session(profile=self.known["boto3_profile_name"])

    @property
    def place(self) -> dict[str, Any]:
        """What is known of the account and region, as an ARN has it."""
        partition = getattr(getattr(self.client, "meta", None), "partition", None)
        return {"partition": partition or "aws", "region": self.region, "account": self.account}
