"""The check of the role that is assumed: whether STS gives its credentials, who assumes it, and as whom we send.

Owns: the calls AssumeRole and GetCallerIdentity, and the policies that assuming takes. Must not know: log groups.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ...aws import errors, making
from ..bounded import within
from .case import Case
from .findings import Finding, failed_with, passed

_TRY_AGAIN: Final = "try again; if it stays so, check the way to STS: firewall, endpoint for STS in the VPC, proxy"
# Who assumes the role may itself be a session of a role: a policy names the role.
_SESSION: Final = r"arn:([^:]+):sts::(\d+):assumed-role/([^/]+)/.*"
_UNKNOWN: Final = "<ARN of the user or role that assumes it>"


def role(case: Case) -> Finding:
    """Assume the role as the handler does, before its first request."""
    assumed = case.made.role
    case.assumes_as = _caller(case)
    try:
        within(2 * case.patience, lambda: assumed.renew(case.patience))
    except Exception as error:
        return failed_with(errors.connect_outcome_of(error, case.call), _TRY_AGAIN)
    by = f", assumed by {case.assumes_as}" if case.assumes_as else ""
    return passed(f"{assumed.session_arn or case.known['role_arn']}{by}")


def _caller(case: Case) -> str:
    """Return the ARN of who assumes the role; empty if it cannot be found out. Everybody may ask this of STS."""
    access = case.access
    try:
        sts = making.sts_of(access.role.source(), access, case.patience)
        return str(within(case.patience, sts.get_caller_identity)["Arn"])
    except Exception:
        return ""


def policies(case: Case) -> dict[str, Any]:
    """Return the policies that assuming the role takes: of who assumes it, and the role's own trust policy."""
    known = case.known
    who = re.sub(_SESSION, r"arn:\1:iam::\2:role/\3", case.assumes_as) or _UNKNOWN
    may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": known["role_arn"]}
    trusts: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole"}
    if known["external_id"] is not None:
        trusts["Condition"] = {"StringEquals": {"sts:ExternalId": known["external_id"]}}
    return {
        "assume_role_policy": {"Version": "2012-10-17", "Statement": [may]},
        "trust_policy": {"Version": "2012-10-17", "Statement": [trusts]},
    }
