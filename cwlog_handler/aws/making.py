"""Making a boto3 client: when one is needed, with time-outs that fit, in a forked child anew.

Owns: the session, the client that is in use, its time-outs. Must not know: what is asked of it.
"""

import contextlib

# Imported here because the first connection would import it otherwise. A child that is forked during that import
# inherits its import lock, which nobody releases: the child could never import the module.
import encodings.idna  # noqa: F401
import select
import ssl
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

import boto3.session
from botocore import httpsession
from botocore.config import Config
from urllib3.util import wait

from ..core import advice
from ..system.primitives import acquire, allocate_lock
from . import destination, helpers, hooks

# In seconds. A request has at most 1 MiB: a service that has not answered by then will not answer. With botocore's 60 s
# for both a stream would wait for minutes. With half of these a request of 1 MiB would fail on a slow line.
CONNECT_TIMEOUT: Final = 5
READ_TIMEOUT: Final = 15
# Another client of the same session takes some milliseconds, and has to open its connections. So a client is kept if
# its time-outs are at most 1.25 times as long as wanted, and at least half as long.
MOST_EXCESS: Final = 1.25
MOST_HASTE: Final = 2.0
# botocore's default, and more than we ever use. With too small a pool urllib3 would log "Connection pool is full".
MAX_CONNECTIONS: Final = 10

# The modules with which gevent and eventlet replace parts of the standard library.
_PATCHERS: Final = frozenset({"gevent.monkey", "eventlet.patcher"})


class Access(NamedTuple):
    """How the service is reached. What is None is left to boto3."""

    region_name: str | None = None
    endpoint_url: str | None = None
    profile_name: str | None = None
    boto3_client: Any = None
    """A client of the user's, which is used as it is, instead of all the others."""


class Maker:
    """Has the boto3 client of one log group, and makes it anew when it does not fit any more.

    ``say(key, text)`` is called with a warning for the operator. ``making()`` returns a context manager, which is
    entered while a client is made here.
    """

    def __init__(
        self,
        access: Access,
        log_group: str,
        say: Callable[[str, str], None],
        making: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._access = access
        self._log_group = log_group
        self._say = say
        self._making = making
        self.client: Any = None
        """The client that is in use; None before the first."""
        # The upper limit of the time-outs of our own boto3 client, in seconds.
        self._patience: float = READ_TIMEOUT
        self._is_outdated = False
        self._is_inherited = False
        self.start_over()

    def start_over(self) -> None:
        """Forget the boto3 client, in a forked child: its connections belong to the parent. Does no I/O."""
        self._is_inherited = self._is_inherited or self.client is not None
        self.client = self._session = None
        # Held while the session makes a client: boto3 sessions are not thread-safe.
        self._lock = allocate_lock()

    @property
    def is_users(self) -> bool:
        """True if the client is one that was passed in."""
        return self._access.boto3_client is not None

    def fitting(self, patience: float | None) -> Any:
        """Return a client for answers that take ``patience`` seconds at most; None if another thread is at it for long.

        Any thread may call this. Raises what boto3 raises when no client can be made.
        """
        _follow_patches()
        client = self.client
        return client if self._is_fit(client, patience) else self._made_by_one_thread(patience)

    def outdate(self) -> None:
        """Have the next client made anew: the credentials of this one were refused."""
        self._is_outdated = True

    def close_idle_connections(self) -> None:
        """Have the next request go over a new connection. Requests under way keep theirs."""
        if not self.is_users:
            with contextlib.suppress(Exception):
                self.client.close()

    def _is_fit(self, client: Any, patience: float | None) -> bool:
        """Return whether this client can be used; False for None."""
        if client is None or self._is_outdated:
            return False
        # While the interpreter shuts down, boto3 can make no client any more. Then the old one is used, whatever its
        # time-outs are.
        if self.is_users or sys.is_finalizing():
            return True
        wanted = _bounded(patience)
        return wanted / MOST_HASTE <= self._patience <= wanted * MOST_EXCESS

    def _made_by_one_thread(self, patience: float | None) -> Any:
        """Return a usable client, made by one thread at a time; None if that takes longer than ``patience``."""
        lock = self._lock
        is_taken = False
        try:
            is_taken = acquire(lock, _bounded(patience))
            if not is_taken:
                # Either another thread waits for slow credentials, or the lock was left taken: see ARCHITECTURE,
                # Ctrl-C, 4. A new lock and a new session let the next caller go on without waiting again.
                self._lock, self._session = allocate_lock(), None
                return None if self._is_outdated else self.client
            if not self._is_fit(self.client, patience):
                client = self._users() if self.is_users else self._made(patience)
                hooks.install(client)
                self.client, self._is_outdated = client, False
            return self.client
        finally:
            if is_taken:
                lock.release()

    def _made(self, patience: float | None) -> Any:
        with self._making():
            # The session holds the credentials. Finding them may take seconds, so it is kept unless they were refused.
            session = self._session
            if session is None or self._is_outdated:
                session = _a_session(self._access.profile_name)
            client = _made_by(session, self._access, _bounded(patience))
            self._session, self._patience = session, _bounded(patience)
        return client

    def _users(self) -> Any:
        client = self._access.boto3_client
        if self._is_inherited:
            # Without this, parent and child would read from the same sockets. It is not done in `start_over`, which
            # runs right after the fork: a thread of the parent may have held one of the client's locks then.
            with contextlib.suppress(Exception):
                client.close()
            self._is_inherited = False
        if hooks.waits_on_its_own(client):
            self._say("adaptive", advice.ADAPTIVE_RETRIES.sentence(self._log_group, ""))
        return client


def make(access: Access, patience: float) -> Any:
    """Make a boto3 client that never retries; its time-outs are at most ``patience`` seconds.

    Raises what boto3 raises; also for an impossible region or endpoint, which boto3 itself would accept.
    """
    _follow_patches()
    return _made_by(_a_session(access.profile_name), access, patience)


def _a_session(profile_name: str | None) -> Any:
    session = boto3.session.Session(profile_name=profile_name)
    helpers.let_signals_through(session)
    return session


def _made_by(session: Any, access: Access, patience: float) -> Any:
    config = Config(
        # The mode is set too: the environment may ask for "adaptive", in which botocore itself delays requests.
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=min(CONNECT_TIMEOUT, patience),
        read_timeout=min(READ_TIMEOUT, patience),
        max_pool_connections=MAX_CONNECTIONS,
    )
    client = session.client("logs", region_name=access.region_name, endpoint_url=access.endpoint_url, config=config)
    destination.check(client)
    return client


def _bounded(patience: float | None) -> float:
    return READ_TIMEOUT if patience is None else min(READ_TIMEOUT, patience)


def _follow_patches() -> None:
    """Repair what gevent and eventlet break if they patch after botocore was imported; helps the program's clients too.

    Both replace ``ssl.SSLContext``. After that the old class recurses without end (gevent#1016), and no client can be
    made. eventlet also removes ``select.poll``. By then urllib3 has chosen it for checking whether a connection is
    still open, so that every request on a reused connection would fail.
    """
    if not _PATCHERS.isdisjoint(sys.modules):
        if httpsession.SSLContext is not ssl.SSLContext:
            httpsession.SSLContext = ssl.SSLContext
        if not hasattr(select, "poll") and wait.wait_for_socket is wait.poll_wait_for_socket:
            wait.wait_for_socket = wait.select_wait_for_socket
