"""Names made from a template. The template is parsed once; every name rendered from it is legal.

Owns: the parts of a template, and what makes a name legal. Must not know: where the values come from, records, AWS.

A value must not get out of its place, whatever it is: it may come from a request. What a name may not have becomes
``_``. Only the template's own words put a ``/`` into a log group's name, and environment variables, whose words are as
good as the template's. A name that is too long loses characters of its values, the longest first, and none of the
template's own.
"""

from __future__ import annotations

import copy
import string
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, TypeVar

from ..core.events import legal_text
from ..core.limits import LOG_GROUP_NAME, MAX_NAME_LENGTH, RESERVED_LOG_GROUP_PREFIX
from ..system.nesting import let_recursion_go_up
from .fields import OF_THE_PROCESS, RECORD, UNKNOWN, Field, WrongField, parsed
from .matching import Part, characters_of, fits

DEFAULT_LOG_STREAM_NAME: Final = "{machine_name}/{program_name}/{process_id}"

_NO_NAME: Final = "-"
# Before a group's name that AWS reserves stands an underscore.
_ROOM_BESIDE_UNDERSCORE: Final = MAX_NAME_LENGTH - 1
_ILLEGAL_IN_STREAM: Final = str.maketrans(":*", "__")
_N = TypeVar("_N", bound="Name")


class Name:
    """A template, in parts: its own words, and fields. Immutable: any thread may use it.

    Raises ValueError for a template that could render an illegal name.
    """

    _option: ClassVar[str]
    _example: ClassVar[str]

    template: str
    """The template as the user wrote it."""
    fields: frozenset[str]
    """The keys of the fields that occur in the template: `render` needs values for these only."""
    of_environment: frozenset[str]
    """Those of which the value is the same as long as the process lives, and in its forked children."""
    per_process: bool
    """Whether the name is the same for every record of one process."""

    def __init__(self, template: str) -> None:
        if not isinstance(template, str):
            raise TypeError(f"{self._option}={template!r}: not text; give for example {self._example!r}")
        self.template = template
        if not template:
            raise self._wrong(f"empty; give a name or a template such as {self._example!r}")
        parts: list[Part] = []
        try:
            for literal, name, spec, conversion in string.Formatter().parse(legal_text(template)):
                parts += [literal] if name is None else [literal, parsed(name, spec or "", conversion)]
        except WrongField as wrong:
            raise self._wrong(str(wrong)) from None
        except ValueError as error:
            raise self._wrong(f"{error}; a field is written {{name}}, a brace itself {{{{ or }}}}") from None
        self._take(parts)
        for part in self._parts:
            self._check(part if isinstance(part, str) else part.default or "")
        if self._own_length > MAX_NAME_LENGTH:
            raise self._wrong(f"longer than {MAX_NAME_LENGTH} characters before its fields; shorten it")

    def _take(self, parts: Sequence[Part]) -> None:
        joined: list[Part] = []
        for part in parts:
            if isinstance(part, str) and joined and isinstance(joined[-1], str):
                joined[-1] += part
            elif part:
                joined.append(part)
        self._parts = tuple(joined)
        self._own_length = sum(len(part) for part in joined if isinstance(part, str))
        fields = [part for part in joined if isinstance(part, Field)]
        self.fields = frozenset(field.key for field in fields)
        self.of_environment = frozenset(field.key for field in fields if field.is_of_the_environment)
        self.per_process = self.fields - self.of_environment <= OF_THE_PROCESS
        # Most group names have no fields, and are asked for with each stream.
        self._constant = None if fields else self._whole([part for part in joined if isinstance(part, str)])

    @property
    def of_fields(self) -> list[Field]:
        """The fields, in their order."""
        return [part for part in self._parts if isinstance(part, Field)]

    def render(self, values: Mapping[str, object]) -> str:
        """Return the name for ``values``, always a legal one. ``values`` must have every key in ``fields``.

        The value of ``strftime`` is an aware datetime in UTC. A value that is not known is None.
        """
        if self._constant is not None:
            return self._constant
        texts = [part if isinstance(part, str) else self._value(part, values[part.key]) for part in self._parts]
        return self._whole(texts)

    def known(self: _N, values: Mapping[str, str | None], room: int = MAX_NAME_LENGTH) -> _N:
        """Return this template with the values of some fields put in, as if they were its own words.

        Without the other fields it has at most so many characters as ``room`` says.
        """
        if self.fields.isdisjoint(values):
            return self
        texts = [
            part if isinstance(part, str) else self._value(part, values[part.key]) if part.key in values else ""
            for part in self._parts
        ]
        result = copy.copy(self)
        result._take(
            [
                part if isinstance(part, Field) and part.key not in values else text
                for part, text in zip(self._parts, self._fitted(texts, room), strict=True)
            ]
        )
        return result

    def _fitted(self, texts: Sequence[str], room: int = MAX_NAME_LENGTH) -> Sequence[str]:
        """Shorten the values among the texts of the parts until all of them have room together."""
        if sum(map(len, texts)) <= room:
            return texts
        lengths = [len(text) for text, part in zip(texts, self._parts, strict=True) if isinstance(part, Field)]
        most = _share(max(0, room - self._own_length), lengths)
        return [text[:most] if isinstance(part, Field) else text for text, part in zip(texts, self._parts, strict=True)]

    def _value(self, field: Field, value: object) -> str:
        if field.may_be_unknown and (value is None or (isinstance(value, str) and not value)):
            return UNKNOWN if field.default is None else field.default
        return self._legal_value(field, legal_text(_text(value, field.spec)))

    def _legal_value(self, field: Field, text: str) -> str:
        """Replace what is illegal in a value."""
        raise NotImplementedError

    def _check(self, words: str) -> None:
        """Raise ValueError if the template's own words are illegal."""
        raise NotImplementedError

    def _whole(self, texts: Sequence[str]) -> str:
        """Return the name of these texts, one for each part."""
        return "".join(self._fitted(texts))[:MAX_NAME_LENGTH] or _NO_NAME

    def _wrong(self, why: str) -> ValueError:
        return ValueError(f"{self._option}={self.template!r}: {why}")


class StreamName(Name):
    """A log stream name template such as ``{machine_name}/{strftime:%Y-%m-%d}``."""

    _option = "log_stream_name"
    _example = DEFAULT_LOG_STREAM_NAME

    def _check(self, words: str) -> None:
        for character in ":*":
            if character in words:
                raise self._wrong(f"a log stream name cannot contain {character!r}; use '/', '-' or '_' instead")

    def _legal_value(self, field: Field, text: str) -> str:
        # To look first takes a tenth of the time: hardly any name has one of them.
        if ":" in text or "*" in text:
            text = text.translate(_ILLEGAL_IN_STREAM)
        return text.replace("/", "_") if field.name == RECORD else text


class GroupName(Name):
    """A log group name, or a template such as ``/app/{env:STAGE|dev}/{record:tenant|none}``."""

    _option = "log_group_name"
    _example = "/app/{env:STAGE|dev}"

    def __init__(self, template: str) -> None:
        super().__init__(template)
        if self._begins_as_reserved:
            raise self._wrong(
                f"names cannot start with {RESERVED_LOG_GROUP_PREFIX!r}, which AWS reserves; say '/{self.template}' "
                "instead"
            )

    def _check(self, words: str) -> None:
        if words and not LOG_GROUP_NAME.fullmatch(words):
            raise self._wrong("use only letters a-z A-Z, digits and . - _ / #, and fields such as {env:STAGE}")

    def _legal_value(self, field: Field, text: str) -> str:
        legal = characters_of(field)
        return text if legal.issuperset(text) else "".join(c if c in legal else "_" for c in text)

    def _whole(self, texts: Sequence[str]) -> str:
        name = super()._whole(texts)
        if not _is_reserved(name):
            return name
        name = "".join(self._fitted(texts, _ROOM_BESIDE_UNDERSCORE))
        # Only of a template whose own words fill a name it loses the last character.
        return f"_{name}"[:MAX_NAME_LENGTH] if _is_reserved(name) else name

    def known(self, values: Mapping[str, str | None], room: int = MAX_NAME_LENGTH) -> GroupName:
        """See `Name.known`. What is known may begin with what AWS reserves."""
        result = super().known(values, room)
        if result._begins_as_reserved:
            result = super().known(values, _ROOM_BESIDE_UNDERSCORE)
            if result._begins_as_reserved:
                result._take(["_", *result._parts])
        return result

    @property
    def _begins_as_reserved(self) -> bool:
        return bool(self._parts) and isinstance(self._parts[0], str) and _is_reserved(self._parts[0])

    @property
    def text(self) -> str:
        """The template in its present form, which `GroupName` takes; a name if it has no fields any more."""
        return "".join(map(str, self._parts)) or _NO_NAME

    @property
    def pattern(self) -> str:
        """The template with ``*`` for each field, as in the resource of a policy."""
        name = "".join("*" if isinstance(part, Field) else part for part in self._parts) or _NO_NAME
        while "**" in name:
            name = name.replace("**", "*")
        return name

    def may_have_made(self, name: str) -> bool:
        """True if this template could have rendered the name, with some values. Takes linear time in its length."""
        if not LOG_GROUP_NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH or _is_reserved(name):
            return False
        before = [name]
        if name[0] == "_" and _is_reserved(name[1:]):
            before.append(name[1:])
        if name == _NO_NAME:
            before.append("")
        return any(fits(self._parts, words) for words in before)


def _is_reserved(name: str) -> bool:
    return name.lower().startswith(RESERVED_LOG_GROUP_PREFIX)


def _share(room: int, lengths: Sequence[int]) -> int:
    """Return how long texts of these lengths may be to fit together into the ``room``: only the longest are cut."""
    ordered = sorted(lengths)
    for place, length in enumerate(ordered):
        share = room // (len(ordered) - place)
        if length > share:
            return share
        room -= length
    return room


def _text(value: object, spec: str) -> str:
    """Format ``value``; if the format does not fit its type (``threadName`` may be None), return its ``str``."""
    try:
        return format(value, spec)
    except Exception as error:
        let_recursion_go_up(error)
    try:
        return str(value)
    except Exception as error:
        let_recursion_go_up(error)
        return type(value).__name__
