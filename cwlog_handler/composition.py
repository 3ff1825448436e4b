"""Turns options into checked values, and puts together all objects behind a handler. Nothing else does that.

Owns: which values the options become, and which object gets them. Must not know: records.

botocore takes about 0.1 s to load. So it is imported by the functions that need it, not together with this module. It
is loaded when the program makes its first handler, on that thread: it could not be loaded while the interpreter ends.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache, partial
from os import PathLike, path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from . import options
from .core import limits
from .core.batches import Rules
from .core.events import MIN_TEXT_BYTES, OVERSIZE, Oversize
from .core.ledger import Ledger
from .core.shedding import OVERFLOW, Bounds, Overflow
from .core.targets import Target
from .core.terms import Terms
from .delivery.rounds import Rounds
from .process import forks, runtimes
from .process.carriers import carrier_of
from .process.flusher import Flusher
from .system.clock import SYSTEM_CLOCK
from .system.own_calls import call_once
from .system.stderr import Notices
from .system.stdlib import random

if TYPE_CHECKING:
    from .aws.additions import Additions
    from .aws.client import Client
    from .aws.creation import Group
    from .aws.making import Access
    from .delivery.reporting import OnLost, Reporter
    from .record.documents import Documents
    from .record.naming import Naming
    from .spool.spool import Spool

# The least that the options for the size of a batch and of an event may say: one event with one code point.
_SMALLEST_BYTES: Final = limits.EVENT_OVERHEAD_BYTES + MIN_TEXT_BYTES
# A dozen short records. A smaller number was probably not meant in bytes.
_MIN_BUFFER_BYTES: Final = 4096
# A file for each class of levels, and room for some more.
_MIN_SPOOL_BYTES: Final = 1024 * 1024

# The lost events that wait to be told to ``on_lost`` have room for any batch.
_MIN_REPORT_BYTES: Final = 2 * 1024 * 1024
# Of ``close_timeout`` at most so many seconds are kept to tell it what is left at the end.
_MOST_KEPT: Final = 1.0

SpoolMode = Literal["outage", "always"]
SPOOL_MODES: Final[tuple[SpoolMode, ...]] = get_args(SpoolMode)
MakeSpool: TypeAlias = "Callable[[Ledger], Spool]"
"""Makes the spool of a process."""
MakeReporter: TypeAlias = "Callable[[], Reporter]"
"""Makes what tells the program of lost events, in a process."""


def terms(
    *,
    log_group_name: str,
    max_batch_size: int,
    max_batch_count: int,
    max_message_size: int,
    oversize: Oversize,
    max_buffer_size: int,
    max_buffer_count: int | None,
    overflow: Overflow,
    block_timeout: float | timedelta,
    send_interval: float | timedelta,
    requests_per_second: float | None,
    flush_level: int,
    likely_endpoint: str | None,
) -> Terms:
    """Check the options of delivery. ``log_group_name`` and ``flush_level`` have been checked."""
    batch_bytes = options.whole_number("max_batch_size", max_batch_size, _SMALLEST_BYTES, limits.MAX_BATCH_BYTES)
    event_bytes = options.whole_number("max_message_size", max_message_size, _SMALLEST_BYTES, limits.MAX_EVENT_BYTES)
    if max_buffer_count is not None:
        options.whole_number("max_buffer_count", max_buffer_count, 1)
    return Terms(
        log_group_name,
        Rules(batch_bytes, options.whole_number("max_batch_count", max_batch_count, 1, limits.MAX_BATCH_EVENTS)),
        Bounds(
            options.whole_number("max_buffer_size", max_buffer_size, _MIN_BUFFER_BYTES),
            max_buffer_count,
            options.one_of("overflow", overflow, OVERFLOW),
            options.seconds("block_timeout", block_timeout),
        ),
        # An event larger than the largest batch could never be sent.
        min(event_bytes, batch_bytes),
        options.one_of("oversize", oversize, OVERSIZE),
        options.seconds("send_interval", send_interval),
        options.rate("requests_per_second", requests_per_second),
        flush_level,
        likely_endpoint,
    )


def documents(log_format: str | None, terms: Terms, notices: Notices) -> Documents | None:
    """Return the object that checks messages if ``log_format`` says that they are documents; else None."""
    if options.log_format(log_format) is None:
        return None
    # Imported here because few programs log documents; the others save the time.
    from .record.documents import Documents

    return Documents(terms.log_group_name, terms.max_event_bytes, terms.oversize, notices.say)


def access(
    region_name: str | None = None,
    endpoint_url: str | None = None,
    boto3_profile_name: str | None = None,
    boto3_client: Any = None,
    *,
    role_arn: str | None = None,
    external_id: str | None = None,
    role_session_name: str | None = None,
    boto3_config: Mapping[str, Any] | None = None,
) -> Access:
    """Check the options that say how to reach the service."""
    from .aws import destination
    from .aws.making import Access

    own = {
        "boto3_profile_name": boto3_profile_name,
        "role_arn": role_arn,
        "external_id": external_id,
        "role_session_name": role_session_name,
        "boto3_config": boto3_config,
    }
    options.own_client(boto3_client, own)
    role = config = None
    # Imported only if they are used: few programs need them.
    if options.role(own):
        from .aws import roles

        role = roles.role(role_arn, external_id, role_session_name)
    if boto3_config is not None:
        from .aws import settings

        config = settings.config(boto3_config, endpoint_url)
    return Access(
        destination.region_name(region_name, endpoint_url, boto3_profile_name),
        destination.endpoint_url(endpoint_url),
        options.text("boto3_profile_name", boto3_profile_name),
        destination.client(boto3_client),
        _with_our_name(config or {}),
        role,
    )


def likely_endpoint(access: Access) -> str | None:
    """Return where the requests will probably go; None if that is unknown before there is a client."""
    from .aws import destination

    return destination.likely_endpoint(access.region_name, access.endpoint_url, access.boto3_client, access.config)


def _with_our_name(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the keywords with a user agent that names this package and its version, and then what it has said."""
    # Not imported: this module must not depend on the one that shows everything to users.
    agents = [f"cwlog-handler/{sys.modules[__package__].__version__}", config.get("user_agent_extra")]
    return {**config, "user_agent_extra": " ".join(filter(None, agents))}


def group(
    log_group_name: str,
    *,
    create_log_group: bool,
    create_log_stream: bool,
    log_group_retention_days: int | None,
    log_group_tags: Mapping[str, str] | None,
    log_group_kms_key_id: str | None,
    log_group_class: str | None,
    log_group_deletion_protection: bool | None,
) -> Group:
    """Check the options about creating the log group and streams. ``log_group_name`` has been checked."""
    from .aws.creation import Group

    return Group(
        log_group_name,
        creates_group=options.yes_or_no("create_log_group", create_log_group),
        creates_stream=options.yes_or_no("create_log_stream", create_log_stream),
        retention_days=options.retention_days(log_group_retention_days),
        tags=options.tags(log_group_tags),
        kms_key_id=options.kms_key_id(log_group_kms_key_id),
        group_class=options.log_group_class(log_group_class),
        is_protected=log_group_deletion_protection is not None
        and options.yes_or_no("log_group_deletion_protection", log_group_deletion_protection),
    )


def additions(
    log_group_name: str,
    entity: Mapping[str, Mapping[str, str]] | None,
    compression: str | None,
    say: Callable[[str, str], None],
) -> Additions | None:
    """Check what each put is to carry beside its events; return None if that is nothing."""
    options.compression(compression)
    if entity is None and compression is None:
        return None
    # Imported only here: most programs have none of these. The driver could not import it while the interpreter ends.
    from .aws.additions import Additions
    from .aws.entity import checked

    return Additions(log_group_name, say, None if entity is None else checked(entity), compression)


def client(
    access: Access,
    group: Group,
    log_format: str | None,
    additions: Additions | None,
    notices: Notices,
    *,
    use_thread: bool = True,
) -> Client:
    """Return the object that makes the requests. Before the first record it makes no boto3 client and no request.

    Handlers with equal settings share a boto3 client. Where callers make the requests (not ``use_thread``) they do not:
    botocore would let one wait while another one's credentials are renewed.
    """
    from .aws.client import Client

    return Client(
        access,
        group,
        log_format=log_format,
        additions=additions,
        say=notices.say,
        making=forks.no_fork.held,
        shares=use_thread,
    )


def spool(
    access: Access,
    naming: Naming,
    notices: Notices,
    *,
    spool_dir: str | PathLike[str] | None,
    spool_mode: SpoolMode,
    max_spool_size: int,
    spool_sync: bool,
    terms: Terms,
) -> MakeSpool | None:
    """Check the options of the spool; return what makes it in each process, or None if there is to be none."""
    directory = options.directory("spool_dir", spool_dir)
    options.one_of("spool_mode", spool_mode, SPOOL_MODES)
    options.whole_number("max_spool_size", max_spool_size, _MIN_SPOOL_BYTES)
    is_synced = options.yes_or_no("spool_sync", spool_sync)
    if directory is None:
        return None
    # Imported only here: most programs have no spool. Not later: while the interpreter ends, nothing can be imported.
    from .aws import destination
    from .spool.directory import Identity, Settings
    from .spool.spool import Spool

    # Not imported: this module must not depend on the one that shows everything to users.
    version = sys.modules[__package__].__version__
    settings = Settings(directory, spool_mode, max_spool_size, is_synced, terms.max_event_bytes, terms.oversize)

    @cache
    def region_and_endpoint() -> tuple[str, str]:
        # botocore logs while it reads its configuration.
        return call_once(
            lambda: destination.region_and_endpoint(
                access.region_name,
                access.endpoint_url,
                access.profile_name,
                access.boto3_client,
                bool(access.config.get("ignore_configured_endpoint_urls")),
            )
        )

    def identity() -> Identity:
        region, endpoint = region_and_endpoint()
        account = access.role.account if access.role else ""
        groups = naming.groups
        may_have_made = groups.may_have_made if groups.fields else None
        identity = Identity(groups.text, region, endpoint, "", platform.node(), version, account, may_have_made)
        own = naming.of_process()
        return identity if own is None else identity._replace(stream=identity.name_of(own))

    if settings.mode == "always":
        # It takes some 20 ms to read the configuration files of boto3: too long for the first record's caller.
        region_and_endpoint()

    def make(ledger: Ledger) -> Spool:
        gives_up_newest = terms.bounds.overflow != "drop_oldest"
        return Spool(
            settings,
            identity,
            ledger,
            notices,
            SYSTEM_CLOCK.monotonic,
            gives_up_newest=gives_up_newest,
            is_forked_from_c=runtimes.forks_from_c(),
        )

    return make


def reporter(
    on_lost: OnLost | str | None, notices: Notices, terms: Terms, close_timeout: float
) -> tuple[MakeReporter | None, float]:
    """Check the option ``on_lost``; return what makes its reporter in each process, or None if it is not given.

    Return also how many seconds of ``close_timeout``, which has been checked, are kept for it.
    """
    function = options.on_lost(on_lost)
    if function is None:
        return None, 0.0
    # Imported only here: most programs do without.
    from .delivery.reporting import Reporter

    make = partial(
        Reporter,
        function,
        notices,
        SYSTEM_CLOCK,
        log_group_name=terms.log_group_name,
        most_bytes=max(_MIN_REPORT_BYTES, terms.bounds.max_bytes // 16),
    )
    return make, min(_MOST_KEPT, close_timeout / 4)


def flusher(
    client: Client,
    notices: Notices,
    terms: Terms,
    *,
    own_target: Callable[[], Target | None],
    close_timeout: float,
    flush_on_sigterm: bool,
    use_thread: bool,
    make_spool: MakeSpool | None = None,
    make_reporter: MakeReporter | None = None,
    kept_for_reports: float = 0.0,
    spool_dir: str | PathLike[str] | None = None,
) -> Flusher:
    """Return the flusher, with all objects behind it. It starts no thread before the first record."""
    make_rounds = partial(
        Rounds,
        client,
        notices,
        terms,
        clock=SYSTEM_CLOCK,
        jitter=random,
        own_target=own_target,
        make_spool=make_spool,
        make_reporter=make_reporter,
    )
    return Flusher(
        client,
        notices,
        make_rounds,
        log_group_name=terms.log_group_name,
        send_interval=terms.send_interval,
        close_timeout=close_timeout,
        kept_for_reports=kept_for_reports,
        flush_on_sigterm=flush_on_sigterm,
        use_thread=use_thread,
        clock=SYSTEM_CLOCK,
        kept_in=f"spool_dir {str(spool_dir)!r}",
        carrier=partial(carrier_of, "" if make_spool is None else path.realpath(str(spool_dir))),
    )
