"""What variables and files tell about where a process runs, from trees of files as the platforms lay them out."""

from __future__ import annotations

import json
import os

import pytest

from cwlog_handler.record.environment import values_of

TASK = "e40860c2b55a4200b03c3197f6c59714"
FARGATE = {"ECS_CONTAINER_METADATA_URI_V4": f"http://169.254.170.2/v4/{TASK}-2886439692"}
ON_EC2 = {"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/f3b4b5c6-1111-2222-3333-444455556666"}
ECS = ("ecs_cluster", "ecs_task_id", "ecs_task_family", "ecs_container_name")


@pytest.fixture
def machine(tmp_path):
    """A tree of files; call it with a path and the content, and get what is known there with `of`."""

    class Machine:
        def __init__(self):
            self.environ = {}

        def has(self, path, content):
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            return str(file)

        def has_metadata(self, **document):
            path = self.has("opt/ecs/metadata/x/ecs-container-metadata.json", json.dumps(document))
            self.environ = {**ON_EC2, "ECS_CONTAINER_METADATA_FILE": path}

        def tells(self, *keys):
            values = values_of(keys, self.environ, str(tmp_path))
            assert set(values) == set(keys)
            return [values[key] for key in keys]

    return Machine()


def test_a_variable_has_its_value_or_none(machine):
    machine.environ = {"STAGE": "prod", "EMPTY": ""}
    assert machine.tells("env:STAGE", "env:EMPTY", "env:MISSING") == ["prod", "", None]


def test_the_agents_file_tells_all_of_a_task(machine):
    """ARNs are shortened to the names at their ends."""
    machine.has_metadata(
        Cluster="arn:aws:ecs:us-east-1:123456789012:cluster/MyCluster",
        TaskARN=f"arn:aws:ecs:us-east-1:123456789012:task/MyCluster/{TASK}",
        TaskDefinitionFamily="shop-web",
        ContainerName="web",
        MetadataFileStatus="READY",
    )
    assert machine.tells(*ECS) == ["MyCluster", TASK, "shop-web", "web"]


def test_a_cluster_may_be_given_by_its_name(machine):
    machine.has_metadata(Cluster="default", ContainerName="web")
    assert machine.tells("ecs_cluster", "ecs_container_name", "ecs_task_id") == ["default", "web", None]


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", '{"Cluster": 7}', "[" * 100_000, "\xff\x00"])
def test_a_file_that_is_not_written_yet_or_is_something_else_tells_nothing(machine, content):
    machine.environ = {"ECS_CONTAINER_METADATA_FILE": machine.has("metadata.json", content)}
    assert machine.tells(*ECS) == [None] * 4


def test_on_fargate_the_uri_has_the_tasks_id(machine):
    """The rest only a request would tell."""
    machine.environ = FARGATE
    assert machine.tells(*ECS) == [None, TASK, None, None]


@pytest.mark.parametrize("line", [f"9:cpu:/ecs/{TASK}/f3b4", f"9:cpu:/ecs/MyCluster/{TASK}/f3b4", f"/ecs/{TASK}-28"])
def test_without_a_file_control_groups_may_have_the_tasks_id(machine, line):
    machine.environ = ON_EC2
    machine.has("proc/self/cgroup", f"11:hugetlb:/\n{line}\n")
    assert machine.tells("ecs_task_id") == [TASK]


def test_what_is_no_id_of_a_task_is_not_taken_for_one(machine):
    machine.environ = ON_EC2
    machine.has("proc/self/cgroup", "0::/\n1:cpu:/ecs/x/y\n")
    assert machine.tells("ecs_task_id") == [None]


def test_the_boards_tag_is_the_id_of_an_instance(machine):
    machine.has("sys/devices/virtual/dmi/id/board_asset_tag", "i-0123456789abcdef0\n")
    machine.has("var/lib/cloud/data/instance-id", "i-99999999\n")
    assert machine.tells("ec2_instance_id") == ["i-0123456789abcdef0"]


@pytest.mark.parametrize("tag", [None, "", "Not Specified\n", "i-ABC\n"])
def test_where_the_board_has_no_such_tag_cloud_init_has_noted_it(machine, tag):
    if tag is not None:
        machine.has("sys/devices/virtual/dmi/id/board_asset_tag", tag)
    assert machine.tells("ec2_instance_id") == [None]
    machine.has("var/lib/cloud/data/instance-id", "i-99999999\n")
    assert machine.tells("ec2_instance_id") == ["i-99999999"]


def test_an_instance_of_another_cloud_is_not_taken_for_one_of_ec2(machine):
    machine.has("var/lib/cloud/data/instance-id", "iid-datasource-none\n")
    assert machine.tells("ec2_instance_id") == [None]


def test_a_pods_namespace_is_in_its_service_accounts_files(machine):
    assert machine.tells("kubernetes_namespace") == [None]
    machine.has("var/run/secrets/kubernetes.io/serviceaccount/namespace", "shop")
    assert machine.tells("kubernetes_namespace") == ["shop"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_in_place_of_a_file_is_not_waited_for(machine, tmp_path):
    """The constructor never waits."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    for name in ("pipe", "directory", "missing", "a\0b"):
        machine.environ = {"ECS_CONTAINER_METADATA_FILE": str(tmp_path / name) if "\0" not in name else name}
        assert machine.tells("ecs_cluster") == [None]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_is_in_a_pipe_is_left_to_its_reader(machine, tmp_path):
    """Reading would take it away from somebody."""
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        os.write(pipe, b'{"Cluster": "x"}')
        machine.environ = {"ECS_CONTAINER_METADATA_FILE": str(tmp_path / "pipe")}
        assert machine.tells("ecs_cluster") == [None]
        assert os.read(pipe, 100) == b'{"Cluster": "x"}'
    finally:
        os.close(pipe)
