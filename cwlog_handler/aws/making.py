"""Making a session and a client: how the service is reached, with which time-outs.

Owns: the settings of a client. Must not know: who uses it, for how long, what is asked of it.
"""

# Imported here because the first connection would import it otherwise. A child that is forked during that import
# inherits its import lock, which nobody releases: the child could never import the module.
import encodings.idna  # noqa: F401
import logging
import select
import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from botocore import httpsession
from botocore.config import Config
from urllib3.util import wait

from ..system.own_calls import may_reach_handlers
from . import destination, helpers
from .sessions import Session

if TYPE_CHECKING:
    from .roles import AssumedRole, Role

# In seconds. A request has at most 1 MiB: a service that has not answered by then will not answer. With botocore's 60 s
# for both a stream would wait for minutes. With half of these a request of 1 MiB would fail on a slow line.
CONNECT_TIMEOUT: Final = 5
READ_TIMEOUT: Final = 15
# botocore's default, and more than we ever use. With too small a pool urllib3 would log "Connection pool is full".
MAX_CONNECTIONS: Final = 10

# With these names begin the loggers of what makes our requests.
_LIBRARIES: Final = frozenset({"boto3", "botocore", "urllib3"})
# The modules with which gevent and eventlet replace parts of the standard library.
_PATCHERS: Final = ("gevent.monkey", "eventlet.patcher")
_THREAD_POOL: Final = "concurrent.futures.thread"


class Access:
    """How the service is reached. What is None is left to boto3."""

    __slots__ = ("boto3_client", "config", "endpoint_url", "profile_name", "region_name", "role")

    def __init__(
        self,
        region_name: str | None = None,
        endpoint_url: str | None = None,
        profile_name: str | None = None,
        boto3_client: Any = None,
        config: Mapping[str, Any] = MappingProxyType({}),
        role: "Role | None" = None,
    ) -> None:
        self.region_name: Final = region_name
        self.endpoint_url: Final = endpoint_url
        self.profile_name: Final = profile_name
        self.boto3_client: Final = boto3_client
        """A client of the user's, which is used as it is, instead of all the others."""
        self.config: Final = config
        """Keywords of botocore's ``Config`` for our own clients. Time-outs in it are upper limits."""
        self.role: Final = role
        """The role to assume first; None: none."""


class Made:
    """What a boto3 client is made with: sessions hold credentials, and to find them may take seconds."""

    __slots__ = ("role", "session")

    def __init__(self, session: Session, role: "AssumedRole | None" = None) -> None:
        self.session: Final = session
        self.role: Final = role
        """The role whose credentials the session has. It has to be assumed before the first request."""


def prepare(access: Access) -> Made:
    """Make the sessions for a boto3 client; a role is not assumed yet. Raises what boto3 raises."""
    follow_patches()
    if access.role is None:
        session = Session(access.profile_name)
        helpers.let_signals_through(session)
        return Made(session)
    source = access.role.source()
    helpers.let_signals_through(source)
    role = access.role.assumed_by(lambda patience: sts_of(source, access, patience))
    return Made(role.session(), role)


def client_of(made: Made, access: Access, patience: float) -> Any:
    """Make a boto3 client that never retries; its time-outs are at most ``patience`` seconds.

    Raises what boto3 raises; also for an impossible region or endpoint, which boto3 itself would accept.
    """
    client = made.session.client(
        "logs",
        region_name=access.region_name,
        endpoint_url=access.endpoint_url,
        config=_config(access, patience),
    )
    destination.check(client)
    return client


def sts_of(session: Session, access: Access, patience: float) -> Any:
    """Make a client for STS, with the same settings."""
    return session.client("sts", region_name=access.region_name, config=_config(access, patience))


def _config(access: Access, patience: float) -> Any:
    ours = {"connect_timeout": CONNECT_TIMEOUT, "read_timeout": READ_TIMEOUT}
    limits = {name: min(seconds, patience, access.config.get(name, seconds)) for name, seconds in ours.items()}
    return Config(
        **{"max_pool_connections": MAX_CONNECTIONS, **access.config, **limits},
        # The mode is set too: the environment may ask for "adaptive", in which botocore itself delays requests. It is
        # a new mapping each time, because botocore changes it.
        retries={"total_max_attempts": 1, "mode": "standard"},
    )


def follow_patches() -> None:
    """Repair what gevent and eventlet break if they patch after botocore was imported; helps the program's clients too.

    Both replace ``ssl.SSLContext``. After that the old class recurses without end (gevent#1016), and no client can be
    made. eventlet also removes ``select.poll``. By then urllib3 has chosen it for checking whether a connection is
    still open, so that every request on a reused connection would fail.
    """
    # One by one: this is asked before each request, and to compare with all modules that are loaded takes 3 µs.
    modules = sys.modules
    if _PATCHERS[0] in modules or _PATCHERS[1] in modules:
        if httpsession.SSLContext is not ssl.SSLContext:
            httpsession.SSLContext = ssl.SSLContext
        if not hasattr(select, "poll") and wait.wait_for_socket is wait.poll_wait_for_socket:
            wait.wait_for_socket = wait.select_wait_for_socket
        _keep_from_handlers()


def lacks_thread_pool() -> bool:
    """True if `load_thread_pool` has to be called before the next request."""
    return _PATCHERS[0] in sys.modules and _THREAD_POOL not in sys.modules


def load_thread_pool() -> None:
    """Load the module with which gevent looks names up, even while the interpreter ends.

    Only one thread at a time may call this.

    Once the main thread has ended, Python refuses what this module does when it is loaded: registering a function for
    that end. gevent up to 26.7 loads it for the first connection, later ones for patching threads. Without it a program
    that ends before its first request could make no connection.

    If it cannot be loaded, this is left to whoever needs it: while modules are torn down, nothing can be.
    """
    try:
        import_module(_THREAD_POOL)
    except ImportError:
        pass
    except RuntimeError:
        if getattr(threading, "_SHUTTING_DOWN", False):
            _load_unregistered(_THREAD_POOL)


def _load_unregistered(module: str) -> None:
    """Load a module whose functions for the end cannot be registered any more, and call these functions at once."""
    refusing: Any = threading._register_atexit  # type: ignore[attr-defined]
    missed: list[Callable[[], object]] = []
    threading._register_atexit = lambda *call: missed.append(partial(*call))  # type: ignore[attr-defined]
    try:
        import_module(module)
    finally:
        threading._register_atexit = refusing  # type: ignore[attr-defined]
    # The end is there. Now the module refuses later work, as it would if it had been loaded in time.
    for call in missed:
        call()


# So many loggers, or places of loggers, there were when those of the libraries were last looked for.
_loggers_seen = 0


def _keep_from_handlers() -> None:
    """Add `may_reach_handlers` to all loggers of the libraries. Any thread may call this."""
    global _loggers_seen
    known = logging.Logger.manager.loggerDict
    # This is called before each request, and a program may have thousands of loggers. (A logger that takes the place of
    # another, or of none, is not noticed: those that log about requests are made when botocore is imported.)
    if (count := len(known)) == _loggers_seen:
        return
    for name, logger in list(known.items()):
        # Where there is no logger yet, but one below it, logging keeps the place with another object.
        if name.partition(".")[0] in _LIBRARIES and isinstance(logger, logging.Logger):
            logger.addFilter(may_reach_handlers)
    # Set last: a thread that comes meanwhile adds the filters itself before its request.
    _loggers_seen = count
