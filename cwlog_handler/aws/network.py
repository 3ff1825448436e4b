"""What an error on the way to the service means: a proxy, TLS, a file with certificates.

Owns: the messages of OpenSSL, urllib3 and proxies. Must not know: the service's answers, credentials, what is asked.
"""

from __future__ import annotations

import re
from typing import Any, Final

from botocore import exceptions
from urllib3.exceptions import ClosedPoolError, EmptyPoolError, LocationValueError

from ..core import advice
from ..core.advice import Advice, Call
from ..core.outcomes import Refused, Unavailable

# Messages of OpenSSL and urllib3, as patterns that `re` compiles at first use.
_UNTRUSTED: Final = r"(?i)certificate.verify.failed"
_OTHER_NAME: Final = r"(?i)mismatch, certificate|doesn't match|subjectAltName"
# What is in a file is no certificate, or no key, or the two do not belong together.
_BAD_FILE: Final = r"(?i)\bPEM\b|no.certificate.or.crl|key.values.mismatch|\[X509\b|\[Errno (2|13|21)\]"
_TUNNEL: Final = r"Tunnel connection failed: (\d+)"
_SECRET_OF_URL: Final = r"(?<=//)[^\s'\"]*@"

# urllib3 raises the first three for a file that cannot be read.
_OF_FILES: Final = (FileNotFoundError, IsADirectoryError, PermissionError, exceptions.InvalidProxiesConfigError)
# urllib3 raises these before a request has a connection. The first: another thread has closed those that are idle.
_NOT_SENT: Final = (ClosedPoolError, EmptyPoolError, LocationValueError)

WANTS_A_PASSWORD: Final = "407"
_SERVER_ERROR: Final = "5"


def outcome_of(error: Exception, text: str, call: Call) -> Refused | Unavailable | None:
    """Return the outcome of an error on the way; None if it is nothing of which this module knows more than others.

    ``text`` is the error's message without secrets.
    """
    if isinstance(error, exceptions.ProxyConnectionError):
        return _of_proxy(error, text, call)
    cause = _cause(error)
    if isinstance(error, exceptions.SSLError):
        why = _of_tls(text, advice.UNTRUSTED)
    elif isinstance(cause, _NOT_SENT):
        return Unavailable(f"{type(error).__name__}: {text}", ambiguous=False)
    elif isinstance(cause, _OF_FILES):
        text, why = f"{type(cause).__name__}: {_fit(cause)}", advice.BAD_TLS_FILE
    else:
        return None
    return None if why is None else call.refuse(type(error).__name__, why, message=text)


def _of_proxy(error: Exception, text: str, call: Call) -> Refused | Unavailable:
    cause = _fit(_cause(error) or "")
    message = f"{text} {cause}".strip()
    if tunnel := re.search(_TUNNEL, cause):
        status = tunnel[1]
        if not status.startswith(_SERVER_ERROR):
            why = advice.PROXY_WANTS_A_PASSWORD if status == WANTS_A_PASSWORD else advice.PROXY_REFUSES
            return call.refuse(f"proxy-{status}", why, message=message)
    elif why_not := _of_tls(cause, advice.PROXY_UNTRUSTED):
        return call.refuse("proxy-certificate", why_not, message=message)
    return Unavailable(f"{type(error).__name__}: {message} ({advice.PROXY_SETTINGS})", ambiguous=False)


def _of_tls(text: str, untrusted: Advice) -> Advice | None:
    if re.search(_OTHER_NAME, text):
        return advice.OTHER_NAME if untrusted is advice.UNTRUSTED else untrusted
    if re.search(_UNTRUSTED, text):
        return untrusted
    return advice.BAD_TLS_FILE if re.search(_BAD_FILE, text) else None


def _cause(error: Exception) -> Any:
    cause = getattr(error, "kwargs", {}).get("error")
    # urllib3 wraps the reason: its ProxyError in this attribute, its ProtocolError among the arguments.
    cause = getattr(cause, "original_error", cause)
    inner = [argument for argument in getattr(cause, "args", ()) if isinstance(argument, _OF_FILES)]
    return inner[0] if inner else cause


def _fit(cause: Any) -> str:
    kwargs = getattr(cause, "kwargs", None)
    inner = kwargs.get("error") if isinstance(kwargs, dict) else None
    text = f"{cause} {inner}" if inner else str(cause)
    return " ".join(re.sub(_SECRET_OF_URL, "…@", text).split())
