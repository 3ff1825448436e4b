"""Errors about the constructor's keywords: one that does not exist, one of watchtower's, one that is missing.

Owns: which names exist, and what to write instead. Must not know: what makes a value right. Values of unknown keywords
are not shown, because ``aws_secret_access_key`` has a secret as its value. No message contains ``'stream'`` in
quotation marks. If a TypeError does, `logging.config` takes it for a handler's without that argument, calls the
constructor again, and so hides the cause.
"""

import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, ParamSpec, TypeAlias

P = ParamSpec("P")

# Keywords that watchtower takes or once took, and what to write instead. They are not accepted as second names: each
# option has one name.
_WRITE_INSTEAD: Final = {
    "log_group": "log_group_name={value!r}",
    "stream_name": "log_stream_name={value!r}",
    "boto3_session": "boto3_client=session.client('logs'), or region_name and boto3_profile_name",
}
# Keywords that belong elsewhere: to boto3's client, or to dictConfig, which takes them out of a handler's entry.
_CREDENTIALS: Final = frozenset({"aws_access_key_id", "aws_secret_access_key", "aws_session_token"})
_BELONGS_ELSEWHERE: Final = {
    **dict.fromkeys(
        _CREDENTIALS,
        "boto3 finds credentials itself, in the environment, in a profile (boto3_profile_name) or by a role; "
        "or give boto3_client=boto3.client('logs', …) with them",
    ),
    "formatter": "call handler.setFormatter(…)",
    "filters": "call handler.addFilter(…)",
}
# Words that so many options contain that they do not show which option was meant.
_WORDS_OF_MANY: Final = frozenset({"log", "name", "max", "size", "count"})
_BY_POSITION: Final = 2


Mistake: TypeAlias = tuple[str, bool, str]
"""A keyword that the constructor does not take, whether it is one of watchtower's, and what to write instead.

Only the value of a keyword of watchtower's may be shown.
"""


def mistakes(keywords: Mapping[str, Any], options: Collection[str]) -> list[Mistake]:
    """Return a `Mistake` for each of the ``keywords`` that is not among the ``options``, in the order given."""
    return [_mistake(name, value, options) for name, value in keywords.items() if name not in options]


def _mistake(name: str, value: Any, options: Collection[str]) -> Mistake:
    if name in _WRITE_INSTEAD:
        return name, True, f"write {_WRITE_INSTEAD[name].format(value=value)}"
    if name in _BELONGS_ELSEWHERE:
        return name, False, _BELONGS_ELSEWHERE[name]
    if nearest := _nearest(name, options):
        return name, False, f"did you mean {nearest!r}?"
    return name, False, f"the options are {', '.join(options)}"


def _nearest(name: str, options: Collection[str]) -> str | None:
    """Return the option that was probably meant: spelled like ``name``, or with a word of it, as in "region"."""
    # Imported here because only a wrong call needs it; other programs save the time.
    from difflib import SequenceMatcher, get_close_matches

    lowered = name.lower().replace("-", "_")
    if close := get_close_matches(lowered, options, n=1, cutoff=0.8):
        return close[0]

    def likeness(option: str) -> tuple[int, float]:
        return len(_words(lowered) & _words(option)), SequenceMatcher(None, lowered, option).ratio()

    nearest = max(options, key=likeness)
    return nearest if likeness(nearest) >= (1, 0.0) else next(iter(get_close_matches(lowered, options, 1, 0.7)), None)


def _words(name: str) -> set[str]:
    return set(name.split("_")) - _WORDS_OF_MANY


def explained(constructor: Callable[P, None]) -> Callable[P, None]:
    """Wrap a constructor: its TypeError names all arguments that it does not take, and what to write instead."""
    code: Any = constructor.__code__
    # All parameters except self.
    options = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]

    @functools.wraps(constructor)
    def explaining(*args: P.args, **keywords: P.kwargs) -> None:
        found = mistakes(keywords, options)
        if found:
            said = [
                f"{name}={keywords[name]!r}: {way_out}" if is_known else f"there is no option {name}: {way_out}"
                for name, is_known, way_out in found
            ]
            raise TypeError("; ".join(said))
        given = len(args) - 1
        if given > _BY_POSITION:
            rest = f"only {' and '.join(options[:_BY_POSITION])} may, name the others"
            # In fileConfig, args = ("my-app") is not a tuple but text: each letter becomes an argument.
            raise TypeError(f'{given} arguments come by position: {rest}; in an INI file write args = ("my-app",)')
        if given == 0 and options[0] not in keywords:
            raise TypeError(f"{options[0]} is missing: give the name of the log group")
        constructor(*args, **keywords)

    return explaining
