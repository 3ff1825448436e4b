"""Which boto3 client a handler uses: made when one is needed, with time-outs that fit, in a forked child anew.

Owns: the client that is in use, and when it does not fit any more. Must not know: what is asked of it, who shares it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ..core import advice
from ..system.own_calls import is_thread_of_calls
from ..system.primitives import acquire, allocate_lock, are_greenlets, are_greenlets_late
from . import hooks, sources
from .making import READ_TIMEOUT, Access, client_of, follow_patches, lacks_thread_pool, load_thread_pool, prepare
from .sources import Lent, Source

if TYPE_CHECKING:
    from .roles import AssumedRole

# Another client of the same session takes some milliseconds, and has to open its connections. So a client is kept if
# its time-outs are at most 1.25 times as long as wanted, and at least half as long.
MOST_EXCESS: Final = 1.25
MOST_HASTE: Final = 2.0


class Maker:
    """Has the boto3 client of one log group, and makes it anew when it does not fit any more.

    ``say(key, text)`` is called with a warning for the operator. ``making()`` returns a context manager, which is
    entered while a client is made here. ``shares``: other handlers with equal settings may use the same client.
    """

    def __init__(
        self,
        access: Access,
        log_group: str,
        say: Callable[[str, str], None],
        making: Callable[[], AbstractContextManager[object]],
        shares: bool = False,
    ) -> None:
        self._access = access
        self._log_group = log_group
        self._say = say
        self._making = making
        # Greenlets of different threads cannot share a connection.
        self._shares = shares and access.boto3_client is None and not are_greenlets()
        self.client: Any = None
        """The client that is in use; None before the first."""
        self._is_outdated = False
        self._is_inherited = False
        if lacks_thread_pool():
            # Here rather than on a thread of ours, which another thread's fork may have to wait for.
            load_thread_pool()
        self.start_over()

    def start_over(self) -> None:
        """Forget the boto3 client, in a forked child: its connections belong to the parent. Does no I/O."""
        self._is_inherited = self._is_inherited or self.client is not None
        self.client = None
        self._role: AssumedRole | None = None
        # A session and its lock. The lock is held while a client is made, because sessions are not thread-safe,
        # and while a role is assumed. None: a source has to be found, with `_choosing` held, so that all threads find
        # the same one.
        self._source: Source | None = None
        self._choosing = allocate_lock()
        # The source whose credentials were refused.
        self._refused: Source | None = None
        # The client of `_source`, as it is lent to this handler; None for a client that was passed in.
        self._lent: Lent | None = None
        self._has_let_go = False

    @property
    def is_users(self) -> bool:
        """True if the client is one that was passed in."""
        return self._access.boto3_client is not None

    def fitting(self, patience: float | None) -> Any:
        """Return a client for answers that take ``patience`` seconds at most; None if another thread is at it for long.

        Any thread may call this. Raises what boto3 raises when no client can be made.
        """
        follow_patches()
        if lacks_thread_pool():
            # A child that is forked meanwhile could never load it. It also keeps a second thread from doing the same.
            with self._making():
                load_thread_pool()
        client = self.client
        if self._is_fit(client, patience) and not self._is_role_due:
            return client
        return self._made_by_one_thread(patience)

    def outdate(self, client: Any) -> None:
        """Have the next client made anew: the credentials of this one were refused. Another may be in use by now."""
        if client is self.client:
            self._outdate()

    def _outdate(self) -> None:
        self._is_outdated, self._refused = True, self._source

    def let_go(self) -> None:
        """Note that no more is asked of the client for now. If nobody else uses it, its idle connections are closed."""
        if self._lent is not None:
            self._has_let_go = True
            self._lent.leave(self)

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
        return not self._has_let_go and not self._is_shared_too_late and self._has_time_outs(patience)

    def _has_time_outs(self, patience: float | None) -> bool:
        return self._lent is not None and _fits(_bounded(patience), self._lent.patience)

    @property
    def _is_shared_too_late(self) -> bool:
        # With gevent a connection works only on the thread that made it, and each handler has a thread of its own then.
        return self._lent is not None and self._lent.is_shared and are_greenlets_late()

    @property
    def _is_role_due(self) -> bool:
        # While the interpreter shuts down, boto3 cannot make the client for STS.
        return self._role is not None and self._role.is_due and not sys.is_finalizing()

    def _made_by_one_thread(self, patience: float | None) -> Any:
        """Return a usable client, made by one thread at a time; None if that takes longer than ``patience``."""
        source = self._source_to_use()
        failures = source.failures
        is_taken = False
        try:
            # A thread of the program does not wait for what is done for another handler.
            may_wait = not source.is_shared or is_thread_of_calls()
            is_taken = acquire(source.lock, _bounded(patience) if may_wait else 0.0)
            if not is_taken:
                return self._waited_in_vain(source)
            uses_it = source.has_lent(self._lent)
            is_to_replace = not self._is_fit(self.client, patience) or (self._lent is not None and not uses_it)
            if is_to_replace and source.error is not None and source.failures > failures:
                # Another handler has just tried the same in vain.
                raise source.error
            if source.is_unsure and not uses_it:
                # The settings changed while another handler made it: it may be for theirs.
                self._drop(source)
                is_taken = False
                source.lock.release()
                return self._made_by_one_thread(patience)
            if is_to_replace:
                self._replace_client(source, patience)
            elif self._role is not None and self._role.is_due:
                self._assume(self._role, patience)
            return self.client
        except Exception as error:
            if is_taken and error is not source.error:
                source.failed(error)
            self._drop(source)
            raise
        finally:
            if is_taken:
                source.lock.release()
                source.close_unused()

    def _waited_in_vain(self, source: Source) -> Any:
        # Either another thread waits for slow credentials, or the lock was left taken: see ARCHITECTURE, Ctrl-C, 4. A
        # new lock and a new session let the next caller go on without waiting again.
        self._drop(source)
        is_valid = self._role is None or self._role.is_valid
        return self.client if is_valid and not self._is_outdated else None

    def _source_to_use(self) -> Source:
        with self._choosing:
            source, is_late = self._source, are_greenlets_late()
            if source is None or source is self._refused or (source.is_shared and is_late):
                shares = self._shares and not is_late
                source = sources.join(self._access, self._refused) if shares else Source()
            if source.is_shared and source.lock.locked() and not is_thread_of_calls():
                source = Source()
            self._source = source
            return source

    def _drop(self, source: Source) -> None:
        sources.forget(source)
        with self._choosing:
            if self._source is source:
                self._source = None

    def _replace_client(self, source: Source, patience: float | None) -> None:
        if self.is_users:
            client, lent, role = self._users(), None, None
        else:
            lent = self._lent_by(source, _bounded(patience))
            client, role = lent.client, None if source.made is None else source.made.role
        hooks.install(client)
        if role is not None and role.is_due:
            self._assume(role, patience)
        source.confirm()
        self._use(lent)
        # Not before: another thread would use the client without credentials.
        self.client, self._role, self._is_outdated = client, role, False

    def _lent_by(self, source: Source, patience: float) -> Lent:
        prepared = partial(prepare, self._access)
        made = lambda made: client_of(made, self._access, patience)  # noqa: E731
        return source.lend(patience, self._lent, partial(_fits, patience), prepared, made, self._making)

    def _use(self, lent: Lent | None) -> None:
        before, self._lent, self._has_let_go = self._lent, lent, False
        if lent is not None:
            lent.join(self)
        if before is not None and before is not lent:
            before.leave(self)

    def _assume(self, role: AssumedRole, patience: float | None) -> None:
        try:
            if (reason := role.renew(_bounded(patience), self._making)) is not None:
                self._say("role", advice.ROLE_NOT_RENEWED.sentence(self._log_group, "", reason=reason))
        except Exception:
            # Whose credentials assume the role is found out anew: they may be what was refused.
            self._outdate()
            raise

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


def _fits(wanted: float, patience: float) -> bool:
    return wanted / MOST_HASTE <= patience <= wanted * MOST_EXCESS


def _bounded(patience: float | None) -> float:
    return READ_TIMEOUT if patience is None else min(READ_TIMEOUT, patience)
