"""The option `entity`: what is accepted, and what is said of the rest."""

import logging.config

import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.aws.entity import WAYS_OUT, checked

SERVICE = {"Type": "Service", "Name": "shop", "Environment": "production"}


def refusal(entity):
    with pytest.raises((TypeError, ValueError)) as caught:
        checked(entity)
    return type(caught.value), str(caught.value)


def test_an_entity_is_accepted_in_boto3s_own_shape():
    entity = {"keyAttributes": SERVICE, "attributes": {"PlatformType": "AWS::EC2"}}
    assert checked(entity) == entity


NAME = "shop"


def test_dictconfig_resolves_what_is_named_in_it():
    """A program's name and version may stand in a module of its own."""
    named = f"ext://{__name__}.NAME"
    given = {"keyAttributes": SERVICE | {"Name": named}, "attributes": {"a": named}}
    configurator = logging.config.DictConfigurator({"entity": given})
    assert checked(configurator.config["entity"]) == {"keyAttributes": SERVICE, "attributes": {"a": NAME}}


@pytest.mark.parametrize("attributes", [{}, None])
def test_attributes_may_be_left_out(attributes):
    """A configuration file may name them and have none."""
    assert checked({"keyAttributes": SERVICE, "attributes": attributes}) == {"keyAttributes": SERVICE}


def test_a_later_change_of_the_mapping_has_no_effect():
    """A configuration may be used for several handlers, and changed in between."""
    keys, attributes = dict(SERVICE), {"a": "b"}
    entity = {"keyAttributes": keys, "attributes": attributes}
    taken = checked(entity)
    keys["Name"] = attributes["a"] = "another"
    entity.clear()
    assert taken == {"keyAttributes": SERVICE, "attributes": {"a": "b"}}


def test_a_type_that_a_newer_service_may_know_is_left_to_the_service():
    """Values are the service's business: it answers InvalidTypeValue and takes the events."""
    assert checked({"keyAttributes": {"Type": "AWS::Something", "Identifier": "i"}})
    assert checked({"keyAttributes": {"Type": "AWS::Resource", "ResourceType": "AWS::EC2::Instance",
                                      "Identifier": "i-1", "AwsAccountId": "123456789012"}})  # fmt: skip


@pytest.mark.parametrize(
    ("entity", "kind", "told"),
    [
        ("shop", TypeError, "entity='shop' is of type str: give a mapping such as {'keyAttributes': {'Type': "),
        ([], TypeError, "entity=[] is of type list: give a mapping"),
        ({}, ValueError, "entity={}: 'keyAttributes' is missing"),
        (SERVICE, ValueError, "no such member: 'Type'; give 'keyAttributes', and 'attributes' if you like"),
        ({"KeyAttributes": SERVICE}, ValueError, "no such member: 'KeyAttributes'; write 'keyAttributes'"),
        ({"key_attributes": SERVICE}, ValueError, "write 'keyAttributes'"),
        ({"keyAttributes": SERVICE, "Attributes": {}}, ValueError, "write 'attributes'"),
        ({"keyAttributes": [1]}, TypeError, "entity['keyAttributes']=[1] is of type list: give a mapping of text"),
        ({"keyAttributes": {"Type": "Service"}}, ValueError, "1 of them; give 2 to 4 of Type, ResourceType, "),
        ({"keyAttributes": dict.fromkeys(("Type", "ResourceType", "Identifier", "Name", "Environment"), "x")},
         ValueError, "5 of them; give 2 to 4"),
        ({"keyAttributes": {"Name": "a", "Environment": "b"}}, ValueError, "'Type' is missing"),
        ({"keyAttributes": SERVICE | {"name": "shop"}}, ValueError, "no such key: 'name'; write 'Name'"),
        ({"keyAttributes": {"Type": "x", "resource_type": "y"}}, ValueError, "write 'ResourceType'"),
        ({"keyAttributes": {"Type": "x", "Team": "y"}}, ValueError, "'Team'; the service knows Type, ResourceType, "),
        ({"keyAttributes": {"Type": "x", "Team": "y"}}, ValueError, "put 'Team' into 'attributes'"),
        ({"keyAttributes": {"Type": "Service", "Name": 5}}, TypeError, "{'Name': 5} is of type dict: keys and values"),
        ({"keyAttributes": {"Type": "Service", "Name": ""}}, ValueError, "a value of 0 characters; give 1 to 512"),
        ({"keyAttributes": {"Type": "Service", "Name": "x" * 513}}, ValueError, "a value of 513 characters"),
        ({"keyAttributes": {"Type": "Service", "Name": "\ud800"}}, ValueError, "a lone surrogate"),
        ({"keyAttributes": SERVICE, "attributes": "x"}, TypeError, "entity['attributes']='x' is of type str"),
        ({"keyAttributes": SERVICE, "attributes": {"": "x"}}, ValueError, "a key of 0 characters; give 1 to 256"),
        ({"keyAttributes": SERVICE, "attributes": {"k" * 257: "x"}}, ValueError, "a key of 257 characters"),
        ({"keyAttributes": SERVICE, "attributes": {"k": ""}}, ValueError, "a value of 0 characters"),
        ({"keyAttributes": SERVICE, "attributes": {1: "x"}}, TypeError, "keys and values are text"),
        ({"keyAttributes": SERVICE, "attributes": {str(n): "x" for n in range(11)}}, ValueError,
         "entity['attributes']: 11 of them; give at most 10"),
    ],
)  # fmt: skip
def test_an_entity_that_cannot_be_is_refused_with_the_way_out(entity, kind, told):
    """In the constructor: a key that the service does not know would have the whole request refused."""
    assert refusal(entity)[0] is kind
    assert told in refusal(entity)[1]


def test_what_is_just_at_the_limits_is_accepted():
    keys = {"Type": "T", "ResourceType": "x" * 512, "Identifier": "y", "Name": "z"}
    attributes = {f"{number}".rjust(256, "k"): "v" * 512 for number in range(10)}
    assert checked({"keyAttributes": keys, "attributes": attributes})


ANYTHING = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(["keyAttributes", "attributes", "Type", "Name"]),
    lambda inner: st.dictionaries(st.text() | st.sampled_from(["keyAttributes", "attributes", "Type", "Name"]), inner),
)


@given(ANYTHING)
def test_whatever_is_given_is_accepted_as_it_is_or_refused_in_the_constructor(entity):
    """Wrong use ends there, and in no other way."""
    try:
        taken = checked(entity)
    except (TypeError, ValueError) as error:
        taken, told = None, str(error)
    if taken is None:
        assert told.startswith("entity")
    else:
        assert taken == {name: value for name, value in entity.items() if value}


def test_there_is_a_way_out_for_each_verdict_of_the_model():
    assert set(Session().get_service_model("logs").shape_for("EntityRejectionErrorType").enum) == set(WAYS_OUT)


def test_the_constructor_refuses_it():
    with pytest.raises(ValueError, match="no such key: 'Team'"):
        CloudWatchLogsHandler("g", entity={"keyAttributes": {"Type": "Service", "Team": "search"}})
