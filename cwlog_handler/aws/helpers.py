"""Lets signals reach the programs that boto3 starts to fetch credentials (``credential_process``).

Owns: how such a program is started. Must not know: credentials, what the program prints.
The handler's threads block all signals, and a child process inherits that. Without this module SIGTERM and Ctrl-C could
not end such a program, and a program such as node would not notice that its own children have ended.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import Any

from botocore.credentials import ProcessProvider

from ..system.own_threads import signals_let_through
from .sessions import Session


def let_signals_through(session: Session) -> None:
    """Make a session start these programs with only those signals blocked that the main thread blocks."""
    # botocore has no public way for this, so private attributes are set. If a version of botocore lacks them, the
    # programs start with all signals blocked.
    with suppress(Exception):
        for provider in session.core.get_component("credential_provider").providers:
            if isinstance(provider, ProcessProvider):
                _mend(provider)
            builder = getattr(provider, "_profile_provider_builder", None)
            if builder is not None:
                # This provider fetches the credentials that are used to assume a role.
                builder._create_process_provider = _mending(builder._create_process_provider)


def _mending(create: Any) -> Any:
    return lambda *args, **kwargs: _mend(create(*args, **kwargs))


def _mend(provider: Any) -> Any:
    provider._popen = _popen
    return provider


def _popen(*args: Any, **kwargs: Any) -> Any:
    with signals_let_through():
        return subprocess.Popen(*args, **kwargs)
