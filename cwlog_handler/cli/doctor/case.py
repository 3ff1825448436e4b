"""One handler under examination: its options, and what earlier checks have found out for later ones.

Owns: the values that checks share. Must not know: the order of the checks, how findings are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import botocore.session

from ... import composition
from ...core.advice import Call
from ...core.outcomes import Outcome
from ...core.targets import Target
from .files import Tag
from .findings import Finding

PUT: Final = "logs:PutLogEvents"


@dataclass
class Case:
    """What is known about the handler. ``options`` are the options as the user gave them.

    ``known`` has all options, defaults included, after the check of the options has passed. ``patience`` is how many
    seconds each step may wait for an answer.
    """

    options: Mapping[str, Any]
    patience: float
    loggers: tuple[str, ...] | None = None
    """The loggers in the configuration file that use the handler; None if there is no file."""
    tags: list[Tag] = field(default_factory=list)
    """YAML tags of the file that only the program's own loader understands, each with the text behind it."""
    of_its_class: tuple[str, ...] = ()
    """Keywords in the file that only a subclass of our handler takes: doctor does not know what they do."""
    known: dict[str, Any] = field(default_factory=dict)
    target: Target | None = None
    """Where the event goes, once the check of the options has passed."""
    region: str | None = None
    account: str | None = None
    credentials_problem: Finding | None = None
    client: Any = None
    """The boto3 client; None until it has been made."""
    made: Any = None
    """What our own client is made with; None if a client was passed in."""
    assumes_as: str = ""
    """Who assumes the role; empty if there is none, or if that is unknown."""
    clock_ahead: float | None = None
    """How many seconds our clock is ahead of the service's; negative if it is behind, None if unknown."""
    calls: list[tuple[str, str | None]] = field(default_factory=list)
    """The calls that the handler's own code has made: the operation, and its error code or None for success."""
    put_outcome: Outcome | None = None
    notes: list[str] = field(default_factory=list)
    """Warnings of the handler's code about what was not done although the event was delivered."""
    left_out: dict[str, str] = field(default_factory=dict)
    """What the service did not take of what the put carried, "entity" or "compression", and the warning about it."""
    marker: str = ""
    """The text of the event that was sent."""
    sent_ms: int = 0

    @property
    def group(self) -> str:
        """The name of the log group to which the event goes."""
        assert self.target is not None  # the check of the options sets it
        return self.target.group

    @property
    def stream(self) -> str:
        """The name of the log stream to which the event goes."""
        assert self.target is not None  # the check of the options sets it
        return self.target.stream

    @property
    def call(self) -> Call:
        """The call that the checks are about, in the form that `advice` takes."""
        return Call(PUT, self.group)

    @cached_property
    def access(self) -> Any:
        """How the handler reaches the service."""
        names = ("endpoint_url", "boto3_profile_name", "role_arn", "external_id", "role_session_name", "boto3_config")
        return composition.access(self.region, **{name: self.known[name] for name in names})

    @cached_property
    def session(self) -> Any:
        """A botocore session, for its view of environment and configuration files.

        Its methods raise ProfileNotFound if the profile does not exist.
        """
        return botocore.session.Session(profile=self.known["boto3_profile_name"])

    @property
    def place(self) -> dict[str, Any]:
        """Partition, region and account for an ARN; None for what is not known."""
        partition = getattr(getattr(self.client, "meta", None), "partition", None)
        role = None if self.known["role_arn"] is None else self.access.role
        return {
            "partition": partition or "aws",
            "region": self.region,
            "account": role.account if role else self.account,
        }
