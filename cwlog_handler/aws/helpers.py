"""Programs that boto3 starts to fetch credentials, named by ``credential_process``: started on a thread of ours.

Our threads block all signals, and a child process inherits that. It could not be ended by SIGTERM or Ctrl-C, and a
program such as node would never hear of the end of its own children.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import Any

from botocore.credentials import ProcessProvider

from ..system.starting import signals_let_through


def let_signals_through(session: Any) -> None:
    """Have a boto3 session start such programs with the signals blocked that the main thread blocks."""
    # Private, and without another way to say it. Where botocore has changed it, they start with all of them blocked.
    with suppress(Exception):
        for provider in session._session.get_component("credential_provider").providers:
            if isinstance(provider, ProcessProvider):
                _mend(provider)
            builder = getattr(provider, "_profile_provider_builder", None)
            if builder is not None:
                # For the credentials with which a role is taken.
                builder._create_process_provider = _mending(builder._create_process_provider)


def _mending(create: Any) -> Any:
    return lambda *args, **kwargs: _mend(create(*args, **kwargs))


def _mend(provider: Any) -> Any:
    provider._popen = _popen
    return provider


def _popen(*args: Any, **kwargs: Any) -> Any:
    with signals_let_through():
        return subprocess.Popen(*args, **kwargs)
