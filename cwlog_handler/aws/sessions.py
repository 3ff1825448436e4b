"""boto3 sessions that share what botocore reads of services, and keep only what our clients need of it.

Owns: how a session is made, and what it may forget. Must not know: with which credentials, who uses it.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from typing import Any, Final

import boto3.session
import botocore.session

# What a loader has read stays for the life of the process: some megabytes, and no secret is among it.
_loaders: Final[dict[Hashable, Any]] = {}
# The services, as botocore's file of endpoints names them, that are asked by us, or by botocore for credentials: STS,
# and what a login with SSO needs.
_ASKED: Final = frozenset({"logs", "sts", "portal.sso", "oidc", "signin"})


def new_session(profile_name: str | None = None, core: Any = None) -> Any:
    """Return a boto3 session that shares what it reads of services with all others. The first one reads some files."""
    if core is None:
        core = botocore.session.get_session()
    session = boto3.session.Session(profile_name=profile_name, botocore_session=core)
    with suppress(Exception):
        # After boto3 has added its own directory to the search path, which it does for each session.
        own = core.get_component("data_loader")
        shared = _loaders.setdefault(tuple(own.search_paths), own)
        core.register_component("data_loader", shared)
        _forget_other_services(shared.load_data("endpoints"))
    return session


def _forget_other_services(endpoints: Any) -> None:
    # The endpoints of all services are a third of all objects of a program that has a client: 7 MB, and Python goes
    # through them when it collects garbage, and twice when it ends. Another thread may be here at the same time.
    for partition in endpoints["partitions"]:
        services = partition["services"]
        for name in list(services):
            if name not in _ASKED:
                services.pop(name, None)
