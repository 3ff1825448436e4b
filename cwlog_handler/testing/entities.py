"""The entity of a put: when the service refuses the request for it, and when it takes the events without it.

Owns: the rules of an entity. Must not know: events, what is stored. The handler's own limits are not used here.
"""

from collections.abc import Mapping
from typing import Any, Final

from .answers import Refusal
from .rules import Constraints

# botocore's model: shapes EntityKeyAttributes and EntityAttributes, and those of their keys and values. The text of the
# model names five keys; AWS's own agent sends the sixth.
KEYS: Final = ("Type", "ResourceType", "Identifier", "Name", "Environment", "AwsAccountId")
MIN_KEY_ATTRIBUTES: Final = 2
MAX_KEY_ATTRIBUTES: Final = 4
MAX_ATTRIBUTES: Final = 10
MAX_ATTRIBUTE_KEY_LENGTH: Final = 256
MAX_VALUE_LENGTH: Final = 512

# CloudWatch User Guide, "How to add related information to custom telemetry": each Type, and the other keys it needs.
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Service": ("Name", "Environment"),
    "RemoteService": ("Name",),
    "AWS::Service": ("Name",),
    "Resource": ("ResourceType", "Identifier"),
    "AWS::Resource": ("ResourceType", "Identifier"),
}


def verdict_on(entity: Mapping[str, Any], log_group_class: str) -> str | None:
    """Return the ``errorType`` of an entity that the service takes the events without; None if it takes the entity."""
    if log_group_class != "STANDARD":
        return "UnsupportedLogGroupType"
    keys = entity.get("keyAttributes")
    if not keys or "Type" not in keys:
        return "MissingRequiredFields"
    if keys["Type"] not in _NEEDS:
        return "InvalidTypeValue"
    missing = [name for name in _NEEDS[keys["Type"]] if name not in keys]
    return "MissingRequiredFields" if missing else None


def check_form(entity: Mapping[str, Any]) -> None:
    """Raise Refusal for an entity for which the service refuses the whole request."""
    keys, attributes = entity.get("keyAttributes"), entity.get("attributes") or {}
    constraints = Constraints()
    if keys is not None:
        constraints.length(keys, "entity.keyAttributes", MIN_KEY_ATTRIBUTES, MAX_KEY_ATTRIBUTES)
    constraints.length(attributes, "entity.attributes", 0, MAX_ATTRIBUTES)
    for key, value in (keys or {}).items():
        constraints.length(value, f"entity.keyAttributes.{key}.member", 1, MAX_VALUE_LENGTH)
    for key, value in attributes.items():
        constraints.length(key, "entity.attributes", 1, MAX_ATTRIBUTE_KEY_LENGTH)
        constraints.length(value, f"entity.attributes.{key}.member", 1, MAX_VALUE_LENGTH)
    constraints.enforce()
    for key in keys or {}:
        if key not in KEYS:
            raise unknown_key(key)


def unknown_key(key: str) -> Refusal:
    """Return the refusal of a request for a key attribute that the service does not know."""
    listed = ", ".join(KEYS)
    return Refusal(
        "ValidationException",
        f"1 validation error detected: Value '{key}' at 'entity.keyAttributes' failed to satisfy constraint: "
        f"Map keys must satisfy constraint: [Member must satisfy enum value set: [{listed}]]",
    )
