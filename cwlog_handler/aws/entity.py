"""The entity that events belong to: what may be said of it, and what the service's verdicts on it mean.

Owns: the shape and the limits of an entity. Must not know: requests, and whether the service has taken it. This module
is imported only if a handler has an entity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from ..core.limits import (
    ENTITY_KEY_ATTRIBUTES,
    MAX_ENTITY_ATTRIBUTE_KEY_LENGTH,
    MAX_ENTITY_ATTRIBUTES,
    MAX_ENTITY_KEY_ATTRIBUTES,
    MAX_ENTITY_VALUE_LENGTH,
    MIN_ENTITY_KEY_ATTRIBUTES,
)

Entity: TypeAlias = "Mapping[str, Mapping[str, str]]"

KEY_ATTRIBUTES: Final = "keyAttributes"
ATTRIBUTES: Final = "attributes"
_EXAMPLE: Final = "{'keyAttributes': {'Type': 'Service', 'Name': 'shop', 'Environment': 'production'}}"
_FIELDS: Final = "a Service has Name and Environment, a resource has ResourceType and Identifier"

# The model's shape EntityRejectionErrorType, each with the way out.
WAYS_OUT: Final[Mapping[str, str]] = {
    "InvalidEntity": "compare the option entity with AWS's description of related telemetry",
    "InvalidTypeValue": "correct keyAttributes['Type'], such as 'Service' or 'AWS::Resource'",
    "InvalidKeyAttributes": f"correct keyAttributes: {_FIELDS}",
    "InvalidAttributes": "correct the attributes of the option entity",
    "EntitySizeTooLarge": "give fewer or shorter attributes",
    "UnsupportedLogGroupType": "send to a log group of the class STANDARD, or take the option entity out",
    "MissingRequiredFields": f"give what its Type needs: {_FIELDS}",
}
UNKNOWN_VERDICT: Final = "correct the option entity, or take it out"


def checked(value: Any) -> Entity:
    """Accept an entity as the service takes it, and return a copy. Raises TypeError or ValueError.

    The values of Type and of the other attributes are not checked: a newer service may take more of them.
    """
    if not isinstance(value, Mapping):
        raise _wrong_type("entity", value, f"give a mapping such as {_EXAMPLE}")
    for member in value:
        if member not in (KEY_ATTRIBUTES, ATTRIBUTES):
            raise _wrong("entity", dict(value), f"no such member: {member!r}; {_nearest_member(member)}")
    if KEY_ATTRIBUTES not in value:
        raise _wrong("entity", dict(value), f"{KEY_ATTRIBUTES!r} is missing; give such as {_EXAMPLE}")
    keys = _texts(KEY_ATTRIBUTES, value[KEY_ATTRIBUTES])
    _check_key_attributes(keys)
    entity = {KEY_ATTRIBUTES: keys}
    if value.get(ATTRIBUTES) is not None and (attributes := _texts(ATTRIBUTES, value[ATTRIBUTES])):
        _check_attributes(attributes)
        entity[ATTRIBUTES] = attributes
    return entity


def _check_key_attributes(keys: Mapping[str, str]) -> None:
    known = ", ".join(ENTITY_KEY_ATTRIBUTES)
    for key in keys:
        if key not in ENTITY_KEY_ATTRIBUTES:
            # The service refuses the whole request for a key that it does not know.
            nearest = next((name for name in ENTITY_KEY_ATTRIBUTES if _letters(name) == _letters(key)), None)
            way_out = f"write {nearest!r}" if nearest else f"the service knows {known}; put {key!r} into 'attributes'"
            raise _wrong(f"entity[{KEY_ATTRIBUTES!r}]", dict(keys), f"no such key: {key!r}; {way_out}")
    if not MIN_ENTITY_KEY_ATTRIBUTES <= len(keys) <= MAX_ENTITY_KEY_ATTRIBUTES:
        way_out = f"{len(keys)} of them; give {MIN_ENTITY_KEY_ATTRIBUTES} to {MAX_ENTITY_KEY_ATTRIBUTES} of {known}"
        raise _wrong(f"entity[{KEY_ATTRIBUTES!r}]", dict(keys), way_out)
    if "Type" not in keys:
        raise _wrong(f"entity[{KEY_ATTRIBUTES!r}]", dict(keys), "'Type' is missing; give such as 'Service'")


def _check_attributes(attributes: Mapping[str, str]) -> None:
    if len(attributes) > MAX_ENTITY_ATTRIBUTES:
        raise ValueError(f"entity[{ATTRIBUTES!r}]: {len(attributes)} of them; give at most {MAX_ENTITY_ATTRIBUTES}")
    for key, text in attributes.items():
        if not 1 <= len(key) <= MAX_ENTITY_ATTRIBUTE_KEY_LENGTH:
            way_out = f"a key of {len(key)} characters; give 1 to {MAX_ENTITY_ATTRIBUTE_KEY_LENGTH}"
            raise _wrong(f"entity[{ATTRIBUTES!r}]", {key: text}, way_out)


def _texts(member: str, value: Any) -> dict[str, str]:
    where = f"entity[{member!r}]"
    if not isinstance(value, Mapping):
        raise _wrong_type(where, value, "give a mapping of text to text")
    # Looked up one by one: a mapping of `logging.config` resolves "ext://…" only so.
    taken = {key: value[key] for key in value}
    for key, text in taken.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise _wrong_type(where, {key: text}, "keys and values are text; write them in quotation marks")
        if not 1 <= len(text) <= MAX_ENTITY_VALUE_LENGTH:
            way_out = f"a value of {len(text)} characters; give 1 to {MAX_ENTITY_VALUE_LENGTH}"
            raise _wrong(where, {key: text}, way_out)
        try:
            (key + text).encode()
        except UnicodeEncodeError:
            raise _wrong(where, {key: text}, "a lone surrogate, which is no text; take it out") from None
    return taken


def _nearest_member(member: object) -> str:
    for name in (KEY_ATTRIBUTES, ATTRIBUTES):
        if _letters(str(member)) == _letters(name):
            return f"write {name!r}"
    return f"give {KEY_ATTRIBUTES!r}, and {ATTRIBUTES!r} if you like, such as {_EXAMPLE}"


def _letters(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")


def _wrong(name: str, value: object, way_out: str) -> ValueError:
    return ValueError(f"{name}={value!r}: {way_out}")


def _wrong_type(name: str, value: object, way_out: str) -> TypeError:
    return TypeError(f"{name}={value!r} is of type {type(value).__name__}: {way_out}")
