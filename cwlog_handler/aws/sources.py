"""Sessions with the clients that are made of them, shared by the handlers of this process that have equal settings.

Owns: which settings are equal, who uses which client, when connections are closed. Must not know: when a handler needs
a client, whether its credentials were refused. A client that was passed in never comes here.

Sessions and clients hold credentials. So they are shared only where all that can lead to credentials is the same: the
options, the files, the user, the directory, and the whole environment, because any variable may be meant for a program
that prints credentials. What botocore reads of services holds none, and is shared by all (`sessions.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet, WeakValueDictionary

import botocore.session

from ..system.primitives import LockType, allocate_lock
from . import sessions

if TYPE_CHECKING:
    from .making import Access, Made

# Files that botocore reads: the variable that names one, and where they are otherwise.
_FILES: Final = (
    ("AWS_CONFIG_FILE", ("~/.aws/config",)),
    ("AWS_SHARED_CREDENTIALS_FILE", ("~/.aws/credentials",)),
    ("BOTO_CONFIG", ("/etc/boto.cfg", "~/.boto")),
    ("AWS_CA_BUNDLE", ()),
)


class Lent:
    """A client, and the makers that use it. ``lock`` is that of its source, to which it has no reference."""

    __slots__ = ("_is_open", "_lock", "_users", "client", "is_shared", "patience")

    def __init__(self, client: Any, patience: float, lock: LockType, is_shared: bool) -> None:
        self.client = client
        self.patience = patience
        """The upper limit of its time-outs, in seconds."""
        self.is_shared = is_shared
        """True if other handlers may use it."""
        self._lock = lock
        self._users: WeakSet[Any] = WeakSet()
        self._is_open = False

    @property
    def is_used(self) -> bool:
        """True if anybody uses it."""
        return bool(self._users)

    def join(self, user: object) -> None:
        """Note that ``user`` uses the client. The lock is held."""
        self._users.add(user)
        self._is_open = True

    def leave(self, user: object) -> None:
        """Note that ``user`` has stopped using the client. The last one closes its idle connections. Never waits."""
        self._users.discard(user)
        self.close_if_unused()

    def close_if_unused(self) -> None:
        """Close the idle connections if nobody uses the client. If the lock is taken, this is left to who has it."""
        # Asked again after each release: meanwhile another user may have left, and found the lock taken.
        while self._is_open and not self._users and self._lock.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._lock.release()

    def close(self) -> None:
        """Close the idle connections if nobody uses the client. The lock is held, so that nobody joins meanwhile."""
        if self._is_open and not self._users:
            self._is_open = False
            with suppress(Exception):
                self.client.close()


class Source:
    """One session, and the clients that are made of it. Its lock is held by who makes one, or assumes the role."""

    def __init__(self, access: Access | None = None, key: Hashable = None) -> None:
        self.lock = allocate_lock()
        self.made: Made | None = None
        self.failures = 0
        """How often no client could be made."""
        self.error: Exception | None = None
        """Why not, for those who have waited meanwhile."""
        self.is_unsure = False
        """True if the credentials may be those of other settings: it was made while the settings changed."""
        self._access = access
        self._key = key
        self._clients: list[Lent] = []

    @property
    def is_shared(self) -> bool:
        """True if other handlers may use it."""
        return self._key is not None

    def lend(
        self,
        patience: float,
        before: Lent | None,
        fits: Callable[[float], bool],
        prepare: Callable[[], Made],
        client_of: Callable[[Made], Any],
        making: Callable[[], AbstractContextManager[object]],
    ) -> Lent:
        """Return a client whose time-outs fit; it is made if there is none. The lock is held.

        ``before`` is what was lent to this user before. Raises what boto3 raises. A session of which no client could be
        made is not kept.
        """
        # Of the clients that nobody uses any more, one is kept for who comes next.
        unused = [lent for lent in self._clients if not lent.is_used and lent is not before][:-1]
        for lent in unused:
            lent.close()
        self._clients = [lent for lent in self._clients if lent not in unused]
        for lent in self._clients:
            if fits(lent.patience):
                return lent
        # Until `confirm`: Ctrl-C may come before that.
        self.is_unsure = self.is_shared
        with making():
            made = self.made or prepare()
            lent = Lent(client_of(made), patience, self.lock, self.is_shared)
            self.made = made
        self._clients.append(lent)
        return lent

    def has_lent(self, lent: Lent | None) -> bool:
        """True if this client is of this source."""
        return lent in self._clients

    def confirm(self) -> None:
        """Compare the settings once more, when the credentials are there. The lock is held.

        If the settings have changed meanwhile, only who uses this source already may go on. What has changed and been
        changed back is not seen.
        """
        if self.is_unsure and self._access is not None:
            if _settings(self._access) == self._key:
                self.is_unsure = False
            else:
                self._access = None
                forget(self)

    def close_unused(self) -> None:
        """Close the idle connections of clients that nobody uses: their users may have left while the lock was held."""
        for lent in self._clients:
            lent.close_if_unused()

    def failed(self, error: Exception) -> None:
        """Note that no client could be made. The lock is held."""
        self.error = error
        self.failures += 1

    @property
    def key(self) -> Hashable:
        """The settings; None if it is not shared."""
        return self._key


# By their settings. Each lives as long as a handler that has used it, closed or not.
_current: WeakValueDictionary[Hashable, Source] = WeakValueDictionary()


def join(access: Access, instead_of: Source | None) -> Source:
    """Return the source that all handlers with these settings share at present; it may have made nothing yet.

    ``instead_of`` has been refused: if it is the present one, another takes its place. No lock is taken here: if two
    threads come at the same time, there may be two sources.
    """
    key = _settings(access)
    if key is None:
        return Source()
    source = _current.get(key)
    if source is None or source is instead_of:
        source = _current[key] = Source(access, key)
    return _current.get(key, source)


def forget(source: Source) -> None:
    """Have nobody find this source any more. Those who use it may go on."""
    if _current.get(source.key) is source:
        _current.pop(source.key, None)


def forget_all() -> None:
    """Start over in a forked child: the connections are the parent's."""
    _current.clear()


def _settings(access: Access) -> Hashable | None:
    """Return all that decides about a client and its credentials, to be compared; None if it cannot be told."""
    try:
        options = (access.region_name, access.endpoint_url, access.profile_name, access.role, _frozen(access.config))
        key = (options, frozenset(os.environ.copy().items()), _stamps(), _whereabouts(), _makers())
        hash(key)
    except Exception:
        # An option of a kind that cannot be compared, or another thread has changed the environment meanwhile.
        return None
    return key


def _makers() -> Hashable:
    # Tests replace them.
    made_by, boto3s = botocore.session.Session, sessions.by_boto3()
    return made_by, made_by.create_client, botocore.session.get_session, boto3s, getattr(boto3s, "client", None)


def _stamps() -> Hashable:
    named = [(os.environ.get(variable), usual) for variable, usual in _FILES]
    return tuple(_stamp(path) for given, usual in named for path in ((given,) if given else usual))


def _stamp(path: str) -> Hashable:
    # As botocore expands the name.
    found = _found(os.path.expanduser(os.path.expandvars(path)))
    return found and (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _whereabouts() -> Hashable:
    # A program that prints credentials may be named by a relative path, and print others for another user.
    here, user = _found(os.curdir), os.geteuid() if hasattr(os, "geteuid") else None
    return here and (here.st_dev, here.st_ino), user


def _found(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def _frozen(value: Any) -> Hashable:
    if isinstance(value, Mapping):
        return "mapping", frozenset((name, _frozen(value[name])) for name in value)
    if isinstance(value, (list, tuple)):
        return "list", tuple(_frozen(part) for part in value)
    # The type, because 1 equals True. What is no plain value is equal only to itself.
    plain: Hashable = value if value is None or type(value) in (bool, int, float, str, bytes) else _Same(value)
    return type(value), plain


class _Same:
    """Equal only if it is about the same object."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._value is self._value

    def __hash__(self) -> int:
        return id(self._value)
