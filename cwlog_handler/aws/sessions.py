"""Sessions that share what botocore reads of services, and keep only what our clients need of it.

Owns: how a session is made, how a client is made of it, what it may forget. Must not know: with which credentials.

A session of boto3 wraps one of botocore, and makes the same clients. To import boto3 takes 10 ms more, mostly for
transfers to S3, so this module does not import it. If the program has imported it, a session of boto3 makes the
clients: the program may have replaced how boto3 makes them, for its tests, or to send everything to a stand-in of AWS.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Hashable
from contextlib import suppress
from typing import Any, Final

import botocore.loaders
import botocore.session
from botocore.exceptions import DataNotFoundError, UnknownServiceError

# What a loader has read stays for the life of the process: some megabytes, and no secret is among it.
_loaders: Final[dict[Hashable, Any]] = {}
# The services, as botocore's file of endpoints names them, that are asked by us, or by botocore for credentials: STS,
# and what a login needs, with SSO or with a console's password.
_ASKED: Final = frozenset({"logs", "sts", "portal.sso", "oidc", "signin"})


class Session:
    """A session of botocore and, if the program has imported boto3, the session of boto3 around it. Not thread-safe."""

    def __init__(self, profile_name: str | None = None) -> None:
        """The first session of a process reads some files. Raises what boto3 raises."""
        self.core: Any = botocore.session.get_session()
        """The session of botocore."""
        if profile_name is not None:
            self.core.set_config_variable("profile", profile_name)
        boto3s = by_boto3()
        # Before the loader is shared, because boto3 adds a directory to its search path.
        self._wrapper = None if boto3s is None else boto3s(profile_name=profile_name, botocore_session=self.core)
        with suppress(Exception):
            own = self.core.get_component("data_loader")
            paths = list(own.search_paths)
            shared = _loaders.setdefault(
                tuple(paths), Loader(paths, own.file_loader, include_default_search_paths=False)
            )
            self.core.register_component("data_loader", shared)
            _forget_other_services(shared.load_data("endpoints"))

    def client(self, service: str, **options: Any) -> Any:
        """Make a client; the options are those of boto3. Raises what boto3 raises."""
        if self._wrapper is not None:
            return self._wrapper.client(service, **options)
        return self.core.create_client(service, **options)


class Loader(botocore.loaders.Loader):  # type: ignore[misc]
    """A loader of botocore that looks for what it is asked for, and for nothing else.

    botocore first looks whether each of its 400 services is there: 3,600 calls of the system, each of which lets go of
    the interpreter's lock. Beside a thread that computes, each waits 5 ms until it has the lock again, and the first
    record would wait for half a minute.
    """

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore gives it
        """Return the names of all services, also of those that have nothing of this type."""
        names: set[str] = set()
        for path in self.search_paths:
            with suppress(OSError):
                names.update(name for name in os.listdir(path) if not name.endswith(".json"))
        return sorted(names)

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """Load what a service has of this type. Raises UnknownServiceError if it has nothing."""
        try:
            return super().load_service_model(service_name, type_name, api_version)
        except UnknownServiceError:
            raise
        except DataNotFoundError as error:
            # For botocore a service is unknown then.
            raise UnknownServiceError(service_name=service_name, known_service_names=error) from error


def by_boto3() -> Any:
    """Return the class of boto3's sessions as it is now; None if the program has not imported boto3."""
    return getattr(sys.modules.get("boto3.session"), "Session", None)


def _forget_other_services(endpoints: Any) -> None:
    # Without this, a third of all objects of a program with a client are endpoints: 7 MB, through which Python goes
    # when it collects garbage, and twice when it ends. Another thread may be removing the same ones.
    for partition in endpoints["partitions"]:
        services = partition["services"]
        for name in list(services):
            if name not in _ASKED:
                services.pop(name, None)
