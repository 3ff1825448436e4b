"""A role to assume: which one, its temporary credentials, and when they are renewed.

Owns: the options about a role, and the call AssumeRole. Must not know: what the credentials are used for. This module
is imported only if a role is given.

botocore can assume a role by itself, but does so while it signs a request. There it waits without a limit for another
thread that does the same, and tries it again at each request of the last 15 minutes. Here the role is assumed before a
request, within the time that the request has, and the old credentials are used as long as they are valid.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

from botocore.credentials import Credentials, ReadOnlyCredentials

from ..core import advice
from ..core.advice import Call
from ..core.outcomes import Invalid, Outcome, Refused, Throttled, Unavailable
from ..core.retry import WORTH_A_LINE
from ..system.clock import SYSTEM_CLOCK, Clock
from . import errors
from .sessions import Session

# Limits of the operation AssumeRole.
MAX_ARN_LENGTH: Final = 2048
EXTERNAL_ID_LENGTHS: Final = (2, 1224)
SESSION_NAME_LENGTHS: Final = (2, 64)
_ARN: Final = re.compile(r"arn:aws[a-z0-9-]*:iam::(?P<account>[0-9]{12}):role/[\x21-\x7e]+")
_SESSION_ARN: Final = r"arn:(?P<partition>[^:]*):sts::(?P<account>\d*):assumed-role/(?P<name>[^/]+)(?:/.*)?"
_EXTERNAL_ID: Final = r"[A-Za-z0-9_+=,.@:/-]*"
_SESSION_NAME: Final = r"[A-Za-z0-9_+=,.@-]*"
_STS_ENDPOINTS: Final = "sts_regional_endpoints"

# In seconds. Credentials are renewed so long before they expire, but not before three quarters of their life.
_AHEAD: Final = 600.0
_SHARE_OF_LIFE: Final = 0.25
# In seconds. If a renewal has failed, and the old credentials are valid, the next try comes so much later. New
# credentials are kept for so long even if the clock of this machine says that they have expired.
_PAUSE: Final = 60.0


class Role(NamedTuple):
    """The options about a role, checked."""

    arn: str
    session_name: str
    external_id: str | None = None

    @property
    def account(self) -> str:
        """The number of the account to which the role belongs."""
        found = _ARN.fullmatch(self.arn)
        return found["account"] if found else ""

    def source(self) -> Session:
        """Return a session with the credentials that boto3 finds. They assume the role."""
        session = Session()
        core = session.core
        is_chosen = os.environ.get("AWS_STS_REGIONAL_ENDPOINTS") or core.get_scoped_config().get(_STS_ENDPOINTS)
        if not is_chosen:
            # The default of newer versions of botocore. Older ones use the endpoint in us-east-1 from some regions.
            core.set_config_variable(_STS_ENDPOINTS, "regional")
        return session

    def assumed_by(self, make_sts: Callable[[float], Any]) -> AssumedRole:
        """Return the role's credentials, which are not there before `AssumedRole.renew`. See there for ``make_sts``."""
        return AssumedRole(self, make_sts)


def role(arn: Any, external_id: Any, session_name: Any) -> Role:
    """Accept what AssumeRole takes. Raises TypeError or ValueError."""
    _text("role_arn", arn, "such as 'arn:aws:iam::123456789012:role/logs'")
    if _ARN.fullmatch(arn) is None or len(arn) > MAX_ARN_LENGTH:
        raise ValueError(f"role_arn={arn!r} is no ARN of a role: {_arn_meant(arn)}")
    if external_id is not None:
        _check("external_id", external_id, EXTERNAL_ID_LENGTHS, _EXTERNAL_ID, "_ + = , . @ : / -")
    if session_name is None:
        return Role(arn, default_session_name(), external_id)
    _check("role_session_name", session_name, SESSION_NAME_LENGTHS, _SESSION_NAME, "_ + = , . @ -")
    return Role(arn, session_name, external_id)


def default_session_name() -> str:
    """Return a name by which CloudTrail shows who has assumed the role: this package, and the machine."""
    machine = re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", platform.node())
    return f"cwlog-handler-{machine}"[: SESSION_NAME_LENGTHS[1]].rstrip("-")


def _arn_meant(arn: str) -> str:
    if session := re.fullmatch(_SESSION_ARN, arn):
        partition, account, name = session["partition"], session["account"], session["name"]
        return f"that is a session's; the role's is 'arn:{partition}:iam::{account}:role/{name}', with its path if any"
    return "write 'arn:aws:iam::<account, 12 digits>:role/<name>'"


def _check(name: str, value: Any, lengths: tuple[int, int], pattern: str, others: str) -> None:
    _text(name, value, "")
    least, most = lengths
    if not least <= len(value) <= most:
        raise ValueError(f"{name}={value!r}: {len(value)} characters; give {least} to {most}")
    if re.fullmatch(pattern, value) is None:
        raise ValueError(f"{name}={value!r}: use only letters a-z A-Z, digits and {others}")


def _text(name: str, value: Any, example: str) -> None:
    if not isinstance(value, str):
        is_number = isinstance(value, int) and not isinstance(value, bool)
        way_out = "write it in quotation marks" if is_number else f"give text {example}".rstrip()
        raise TypeError(f"{name}={value!r} is of type {type(value).__name__}: {way_out}")


class NotAssumed(errors.Explained):
    """AssumeRole has failed; ``error`` is what boto3 raised."""

    def __init__(self, role: Role, error: Exception) -> None:
        super().__init__(f"{role.arn}: {errors.code_of(error)}: {errors.message_of(error)}")
        self._role = role
        self._error = error

    def outcome(self, call: Call) -> Refused | Unavailable:
        """Return it as an outcome of ``call``, for which the role was needed: nothing has been sent."""
        of_sts = Call("sts:AssumeRole", call.log_group, call.stream)
        code, said, arn = errors.code_of(self._error), errors.message_of(self._error), self._role.arn
        if code in errors.ACCESS_DENIED and not errors.is_denied(self._error):
            why = advice.ROLE_DENIED_WITH_ID if self._role.external_id else advice.ROLE_DENIED
            return of_sts.refuse(code, why, role=arn, message=said)
        if code == "RegionDisabledException":
            return of_sts.refuse(code, advice.NO_STS_HERE, role=arn, message=said)
        outcome: Outcome = errors.outcome_of(self._error, of_sts)
        match outcome:
            case Refused():
                return outcome
            case Invalid(message):
                return of_sts.refuse(code, advice.ROLE_INVALID, role=arn, message=message)
            case Throttled(code):
                return Unavailable(f"role {arn}: sts:AssumeRole is throttled [{code}]", ambiguous=False)
            case Unavailable(cause):
                return Unavailable(f"role {arn} cannot be assumed: {cause}", ambiguous=False)
        return of_sts.refuse(code, advice.UNKNOWN, action=of_sts.action, code=code, message=said)


class AssumedRole(Credentials):  # type: ignore[misc]
    """Credentials of a role, for a session of their own. They change when they are renewed.

    One thread at a time may call `renew`; any thread may ask the others. ``make_sts(patience)`` makes a client for STS
    whose answers take ``patience`` seconds at most.
    """

    def __init__(self, role: Role, make_sts: Callable[[float], Any], clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__("", "", method="assume-role")
        self.session_arn = ""
        """Who we are with these credentials, in the words of STS; empty before they are there."""
        self._role = role
        self._make_sts = make_sts
        self._clock = clock
        self._frozen: ReadOnlyCredentials | None = None
        self._renew_at = self._expires_at = 0.0
        # The instant before which a renewal is not tried again while the old credentials are valid.
        self._next_try = 0.0
        self._failures = 0

    def get_frozen_credentials(self) -> Any:
        """Return the credentials as they are now. botocore calls this when it signs a request. Does no I/O."""
        return self._frozen or ReadOnlyCredentials("", "", None)

    def session(self) -> Session:
        """Return a session whose clients have these credentials. Does no I/O but for configuration files."""
        session = Session()
        session.core.register_component("credential_provider", _Only(self))
        return session

    @property
    def is_due(self) -> bool:
        """True if the role has to be assumed before the next request."""
        if not self.is_valid:
            return True
        return self._time_of_day() >= self._renew_at and self._clock.monotonic() >= self._next_try

    @property
    def is_valid(self) -> bool:
        """True if there are credentials, and they have not expired."""
        return self._frozen is not None and self._time_of_day() < self._expires_at

    def renew(self, patience: float, making: Callable[[], AbstractContextManager[object]] = nullcontext) -> str | None:
        """Assume the role anew. ``making()`` is entered while a client is made.

        If that fails and the old credentials are still valid, return why, where it is worth a line for the operator.
        Otherwise raises NotAssumed.
        """
        # Other threads go on meanwhile with the old credentials.
        self._next_try = self._clock.monotonic() + _PAUSE
        try:
            # The request that needs the role gets what is left of the time, and must not wait twice as long.
            self._take(self._asked(patience / 2, making))
        except Exception as error:
            self._failures += 1
            failed = error if isinstance(error, NotAssumed) else NotAssumed(self._role, error)
            if not self.is_valid:
                raise failed from error
            return self._worth_a_line(failed)
        self._failures = 0
        return None

    def _asked(self, patience: float, making: Callable[[], AbstractContextManager[object]]) -> Mapping[str, Any]:
        with making():
            sts = self._make_sts(patience)
        request = {"RoleArn": self._role.arn, "RoleSessionName": self._role.session_name}
        if self._role.external_id is not None:
            request["ExternalId"] = self._role.external_id
        try:
            answer: Mapping[str, Any] = sts.assume_role(**request)
        finally:
            with suppress(Exception):
                sts.close()
        return answer

    def _take(self, answer: Mapping[str, Any]) -> None:
        new = answer.get("Credentials") or {}
        expiration = new.get("Expiration")
        if not (new.get("AccessKeyId") and new.get("SecretAccessKey") and isinstance(expiration, datetime)):
            raise ValueError("the answer is not from STS: there are no credentials in it")
        now = self._time_of_day()
        life = max(expiration.timestamp() - now, _PAUSE)
        self._frozen = ReadOnlyCredentials(new["AccessKeyId"], new["SecretAccessKey"], new.get("SessionToken"))
        self._renew_at = now + life - min(_AHEAD, life * _SHARE_OF_LIFE)
        self._expires_at = now + life
        self._next_try = 0.0
        self.session_arn = str((answer.get("AssumedRoleUser") or {}).get("Arn") or "")

    def _worth_a_line(self, failed: NotAssumed) -> str | None:
        outcome = failed.outcome(Call(advice.PUT, ""))
        if isinstance(outcome, Refused) or self._failures >= WORTH_A_LINE:
            return str(failed)
        return None

    def _time_of_day(self) -> float:
        # The last of them is the system's, which no test of the program replaces.
        return self._clock.times_of_day_ms()[-1] / 1000


class _Only:
    """The place in a session where credentials are looked up, with these credentials alone."""

    providers: Final = ()

    def __init__(self, credentials: AssumedRole) -> None:
        self._credentials = credentials

    def load_credentials(self) -> AssumedRole:
        return self._credentials
