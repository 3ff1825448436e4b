"""Operations on log groups and streams: creating, describing, tagging, deleting, and setting the retention.

Owns: the rules of these operations. Must not know: rules about events, transports, faults, the ledger.
"""

import fnmatch
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .answers import Refusal
from .pages import page_of
from .rules import (
    GROUP_CLASSES,
    MAX_DESCRIBED,
    MAX_KMS_KEY_LENGTH,
    MAX_TAG_KEY_LENGTH,
    MAX_TAG_VALUE_LENGTH,
    MAX_TAGS,
    RETENTION_DAYS,
    STREAM_NAME_PATTERN,
    Constraints,
    invalid,
)
from .store import Group, Store, Stream

Params = Mapping[str, Any]

# TagKey and TagValue in botocore's model: [\p{L}\p{Z}\p{N}_.:/=+\-@]; re knows no \p{}.
_TAG_CATEGORIES: Final = ("L", "Z", "N")
_TAG_PUNCTUATION: Final = frozenset("_.:/=+-@")


def create_log_group(store: Store, params: Params) -> None:
    """CreateLogGroup: name, class, tags and key are checked; the group must not exist."""
    constraints = Constraints()
    constraints.group_name(params.get("logGroupName"))
    tags, log_group_class = params.get("tags"), params.get("logGroupClass", "STANDARD")
    constraints.one_of(log_group_class, "logGroupClass", GROUP_CLASSES)
    constraints.length(params.get("kmsKeyId", ""), "kmsKeyId", 0, MAX_KMS_KEY_LENGTH)
    if tags is not None:
        _check_tags(constraints, tags)
    constraints.enforce()
    if params["logGroupName"].lower().startswith("aws/"):  # API reference: "can't start with the string aws/"
        raise invalid("Log groups starting with AWS/ are reserved for AWS.")
    group = store.add_group(params["logGroupName"])
    group.log_group_class, group.kms_key_id = log_group_class, params.get("kmsKeyId")
    group.deletion_protection = bool(params.get("deletionProtectionEnabled"))
    group.tags.update(tags or {})


def create_log_stream(store: Store, params: Params) -> None:
    """CreateLogStream: the group must exist, the stream must not."""
    group_name, stream_name = _stream_of(params)
    store.add_stream(group_name, stream_name)


def delete_log_group(store: Store, params: Params) -> None:
    """DeleteLogGroup: deletes the group with all its streams and events, unless it is protected."""
    group = store.group(_group_of(params))
    _check_protection(group)
    del store.groups[group.name]


def delete_log_stream(store: Store, params: Params) -> None:
    """DeleteLogStream: deletes the stream with all its events, unless its group is protected."""
    group_name, stream_name = _stream_of(params)
    stream = store.stream(group_name, stream_name)
    _check_protection(store.group(group_name))
    del store.group(group_name).streams[stream.name]


def put_log_group_deletion_protection(store: Store, params: Params) -> None:
    """PutLogGroupDeletionProtection: turns the protection of a group, named or given by its ARN, on or off."""
    constraints = Constraints()
    constraints.present(params.get("logGroupIdentifier"), "logGroupIdentifier")
    constraints.present(params.get("deletionProtectionEnabled"), "deletionProtectionEnabled")
    constraints.enforce()
    store.group(group_identified_by(params)).deletion_protection = params["deletionProtectionEnabled"]


def put_retention_policy(store: Store, params: Params) -> None:
    """PutRetentionPolicy: only the numbers of days in RETENTION_DAYS are accepted."""
    constraints = Constraints()
    constraints.group_name(params.get("logGroupName"))
    if constraints.present(params.get("retentionInDays"), "retentionInDays"):
        constraints.one_of(params["retentionInDays"], "retentionInDays", RETENTION_DAYS)
    constraints.enforce()
    store.group(params["logGroupName"]).retention_days = params["retentionInDays"]


def delete_retention_policy(store: Store, params: Params) -> None:
    """DeleteRetentionPolicy: events never expire from now on."""
    store.group(_group_of(params)).retention_days = None


def tag_resource(store: Store, params: Params) -> None:
    """TagResource: adds tags to the group named by its ARN, up to 50 in all."""
    constraints = Constraints()
    constraints.present(params.get("resourceArn"), "resourceArn")
    if constraints.present(params.get("tags"), "tags"):
        _check_tags(constraints, params["tags"])
    constraints.enforce()
    group = store.group(params["resourceArn"].partition(":log-group:")[2].removesuffix(":*"))
    tags = {**group.tags, **params["tags"]}
    if len(tags) > MAX_TAGS:
        raise Refusal("TooManyTagsException", f"A resource can have no more than {MAX_TAGS} tags.")
    group.tags = tags


def describe_log_groups(store: Store, params: Params) -> dict[str, Any]:
    """DescribeLogGroups: filtered by prefix or pattern, sorted by name, up to 50 groups a page."""
    prefix, pattern = params.get("logGroupNamePrefix", ""), params.get("logGroupNamePattern")
    if prefix and pattern:
        raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    found = [group for name, group in sorted(store.groups.items()) if name.startswith(prefix)]
    if pattern:
        found = [group for group in found if fnmatch.fnmatchcase(group.name.lower(), f"*{pattern.lower()}*")]
    return _described("logGroups", found, params, _group_members)


def describe_log_streams(store: Store, params: Params) -> dict[str, Any]:
    """DescribeLogStreams: filtered by prefix, sorted by name or by the last event's time, up to 50 streams a page."""
    group = store.group(group_identified_by(params))
    prefix, order = params.get("logStreamNamePrefix", ""), params.get("orderBy", "LogStreamName")
    constraints = Constraints()
    constraints.one_of(order, "orderBy", ("LogStreamName", "LastEventTime"))
    constraints.pattern(prefix, "logStreamNamePrefix", STREAM_NAME_PATTERN)
    constraints.enforce()
    if prefix and order == "LastEventTime":
        raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    found = sorted((s for n, s in group.streams.items() if n.startswith(prefix)), key=lambda stream: stream.name)
    if order == "LastEventTime":
        found.sort(key=lambda stream: stream.events[-1].timestamp if stream.events else 0)
    if params.get("descending"):
        found.reverse()
    return _described("logStreams", found, params, lambda stream: _stream_members(group, stream))


def group_identified_by(params: Params) -> str:
    """The group's name given as ``logGroupName`` or as ``logGroupIdentifier``, a name or an ARN."""
    if "logGroupIdentifier" in params:
        identifier = str(params["logGroupIdentifier"])
        return identifier.partition(":log-group:")[2] or identifier
    return _group_of(params)


def _check_protection(group: Group) -> None:
    # API reference: "deletion protection blocks all deletion operations until it is explicitly disabled". The code is
    # that of DeleteLogGroup in botocore's model; nobody has quoted the words.
    if group.deletion_protection:
        raise Refusal("ValidationException", f"Deletion protection is enabled on the log group {group.name}.")


def _group_of(params: Params) -> str:
    constraints = Constraints()
    constraints.group_name(params.get("logGroupName"))
    constraints.enforce()
    return str(params["logGroupName"])


def _stream_of(params: Params) -> tuple[str, str]:
    constraints = Constraints()
    constraints.group_name(params.get("logGroupName"))
    constraints.stream_name(params.get("logStreamName"))
    constraints.enforce()
    return params["logGroupName"], params["logStreamName"]


def _check_tags(constraints: Constraints, tags: Mapping[str, str]) -> None:
    constraints.length(tags, "tags", 1, MAX_TAGS)
    for key, value in tags.items():
        constraints.length(key, "tags.key", 1, MAX_TAG_KEY_LENGTH)
        constraints.length(value, "tags.value", 0, MAX_TAG_VALUE_LENGTH)
    constraints.enforce()
    for text in (*tags.keys(), *tags.values()):
        if not all(unicodedata.category(char)[0] in _TAG_CATEGORIES or char in _TAG_PUNCTUATION for char in text):
            raise invalid(f"The tag key or value '{text}' holds a character that tags cannot hold.")


def _described(
    member: str, found: Sequence[Any], params: Params, members_of: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    page, next_token = page_of(found, params, MAX_DESCRIBED)
    return {member: [members_of(item) for item in page]} | next_token


def _group_members(group: Group) -> dict[str, Any]:
    events = (event for stream in group.streams.values() for event in stream.events)
    members: dict[str, Any] = {
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "metricFilterCount": 0,
        "arn": f"{group.arn}:*",
        "storedBytes": sum(event.size_bytes for event in events),
        "logGroupClass": group.log_group_class,
        "logGroupArn": group.arn,
        "deletionProtectionEnabled": group.deletion_protection,
    }
    if group.retention_days is not None:
        members["retentionInDays"] = group.retention_days
    if group.kms_key_id is not None:
        members["kmsKeyId"] = group.kms_key_id
    return members


def _stream_members(group: Group, stream: Stream) -> dict[str, Any]:
    members: dict[str, Any] = {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "arn": f"{group.arn}:log-stream:{stream.name}",
        "storedBytes": 0,  # API reference: "beginning on June 17, 2019 ... is always reported as zero"
    }
    if stream.events:
        members["firstEventTimestamp"] = stream.events[0].timestamp
        members["lastEventTimestamp"] = stream.events[-1].timestamp
        members["lastIngestionTime"] = max(event.ingestion_time for event in stream.events)
    if stream.expected_token is not None:
        members["uploadSequenceToken"] = stream.expected_token
    return members
