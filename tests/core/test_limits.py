"""Our numbers against the service model inside the installed botocore."""

import re

import botocore.session
import pytest

from cwlog_handler.core import limits

MODEL = botocore.session.Session().get_service_model("logs")


def shape(name):
    return MODEL.shape_for(name)


def test_the_event_count_is_the_models():
    assert shape("InputLogEvents").metadata["max"] == limits.MAX_BATCH_EVENTS


@pytest.mark.parametrize(
    ("name", "pattern"), [("LogGroupName", limits.LOG_GROUP_NAME), ("LogStreamName", limits.LOG_STREAM_NAME)]
)
def test_names_are_the_models(name, pattern):
    assert shape(name).metadata["pattern"] == pattern.pattern
    assert shape(name).metadata["max"] == limits.MAX_NAME_LENGTH


def test_log_group_classes_are_the_models():
    assert set(shape("LogGroupClass").enum) == set(limits.LOG_GROUP_CLASSES)


def test_tag_and_key_lengths_are_the_models():
    assert shape("Tags").metadata["max"] == limits.MAX_TAGS
    assert shape("TagKey").metadata["max"] == limits.MAX_TAG_KEY_LENGTH
    assert shape("TagValue").metadata["max"] == limits.MAX_TAG_VALUE_LENGTH
    assert shape("KmsKeyId").metadata["max"] == limits.MAX_KMS_KEY_ID_LENGTH


def test_the_lengths_of_an_entity_are_the_models():
    keys, attributes = shape("EntityKeyAttributes").metadata, shape("EntityAttributes").metadata
    assert (keys["min"], keys["max"]) == (limits.MIN_ENTITY_KEY_ATTRIBUTES, limits.MAX_ENTITY_KEY_ATTRIBUTES)
    assert (attributes["min"], attributes["max"]) == (0, limits.MAX_ENTITY_ATTRIBUTES)
    assert shape("EntityAttributesKey").metadata["max"] == limits.MAX_ENTITY_ATTRIBUTE_KEY_LENGTH
    for name in ("EntityKeyAttributesValue", "EntityAttributesValue"):
        assert shape(name).metadata == {"min": 1, "max": limits.MAX_ENTITY_VALUE_LENGTH}


def test_the_keys_of_an_entity_are_those_the_model_documents():
    text = shape("Entity").members["keyAttributes"].documentation
    documented = re.findall(r"<code>(\w+)</code>", text)
    assert {*documented, "AwsAccountId"} - {"keyAttributes"} == set(limits.ENTITY_KEY_ATTRIBUTES)


def test_retention_days_are_those_the_model_documents():
    text = re.search(r"Possible values are: (.*?)\.", shape("Days").documentation).group(1)
    assert tuple(map(int, re.findall(r"\d+", text))) == limits.RETENTION_DAYS


def test_sizes_span_and_ages_are_those_the_model_documents():
    text = MODEL.operation_model("PutLogEvents").documentation
    assert f"maximum batch size is {limits.MAX_BATCH_BYTES:,} bytes" in text
    assert f"plus {limits.EVENT_OVERHEAD_BYTES} bytes for each log event" in text
    assert f"in a batch is {limits.MAX_BATCH_EVENTS:,}" in text
    assert f"older than {limits.MAX_AGE_MS // limits.DAY_MS} days" in text
    assert f"more than {limits.MAX_AHEAD_MS // 3_600_000} hours in the future" in text
    assert f"cannot exceed {limits.MAX_BATCH_SPAN_MS // 3_600_000} hours" in text


def test_numbers_that_no_model_has_are_those_of_the_documentation():
    """1 MB an event (its 26 bytes included), 5 requests a second and stream, the reserved prefix."""
    assert limits.MAX_EVENT_BYTES == 1_048_576
    assert limits.REQUESTS_PER_SECOND == 5
    assert limits.RESERVED_LOG_GROUP_PREFIX == "aws/"
