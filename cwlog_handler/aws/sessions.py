"""Sessions that share what botocore reads of services, and keep only what our clients need of it.

Owns: how a session is made, and what it may forget. Must not know: with which credentials, who uses it.

They are botocore's: those of boto3 make the same clients by them. To import boto3, too, takes 10 ms, most of it for
transfers to S3, and a program that uses boto3 itself has imported it anyway.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from typing import Any, Final

import botocore.session

# What a loader has read stays for the life of the process: some megabytes, and no secret is among it.
_loaders: Final[dict[Hashable, Any]] = {}
# The services, as botocore's file of endpoints names them, that are asked by us, or by botocore for credentials: STS,
# and what a login with SSO needs.
_ASKED: Final = frozenset({"logs", "sts", "portal.sso", "oidc", "signin"})


def new_session(profile_name: str | None = None) -> Any:
    """Return a session that shares what it reads of services with all others. The first one reads some files."""
    session = botocore.session.get_session()
    if profile_name is not None:
        session.set_config_variable("profile", profile_name)
    with suppress(Exception):
        own = session.get_component("data_loader")
        shared = _loaders.setdefault(tuple(own.search_paths), own)
        session.register_component("data_loader", shared)
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
