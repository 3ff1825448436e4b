"""The recipes for containers and machines on premises: definitions are what the platforms take, and they work."""

import json
import re
from importlib.util import find_spec
from inspect import signature

import boto3
import pytest
import yaml
from botocore.session import get_session
from botocore.validate import validate_parameters
from moto import mock_aws

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.cli.doctor.policy import least_policy

from ..programs import python, started
from .conftest import EXAMPLES
from .test_recipes import run

# As in container_shop.py.
CLOSE_TIMEOUT = 10
PLACE = {"partition": "aws", "region": "eu-west-1", "account": "111122223333"}


def document(name):
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    return json.loads(text) if name.endswith(".json") else list(yaml.safe_load_all(text))


@pytest.fixture
def iam():
    with mock_aws():
        yield boto3.client("iam", region_name="us-east-1")


def test_ecs_gives_the_tasks_role_and_its_stream():
    ran = run("ecs")
    assert "\nrequests were signed by ASIATASK in eu-west-1\n" in ran.terminal
    first, *_, last = ran.only_stream(r"ecs/0123456789abcdef0123456789abcdef/\d+")
    assert (first, last) == ("INFO shop: order 0 is packed", "INFO shop: the shop closes")


def test_batch_gives_each_attempt_of_a_job_its_stream():
    ran = run("batch")
    assert "\nrequests were signed by ASIATASK in eu-west-1\n" in ran.terminal
    assert ran.only_stream(r"batch/5b3e0f2a-6f1c-4d0e-9c55-0d6a4f1c2b3d_1/1/\d+") == [
        *(f"INFO shop: order {number} is packed" for number in range(3)),
        "INFO shop: the shop closes",
    ]


def test_eks_gives_a_pod_its_role_by_pod_identity():
    ran = run("eks-pod-identity")
    assert "\nrequests were signed by ASIAPOD in eu-west-1\n" in ran.terminal
    assert ran.only_stream(r"eks/shop/my-app-6d4cf56db6-x7k2p/\d+")[-1] == "INFO shop: the shop closes"


def test_eks_gives_a_pod_its_role_by_a_service_account():
    ran = run("eks-irsa")
    assert "\nrequests were signed by ASIAIRSA in eu-west-1\n" in ran.terminal
    assert ran.only_stream(r"eks/shop/my-app-6d4cf56db6-x7k2p/\d+")[-1] == "INFO shop: the shop closes"


def test_the_program_runs_on_its_developers_machine_too(fake):
    with fake.serve() as url, started(python("container_shop.py", "1"), url=url, cwd=EXAMPLES) as program:
        assert program.wait() == 0, program.output
    assert fake.messages("my-app") == ["INFO shop: order 0 is packed", "INFO shop: the shop closes"]


@pytest.mark.parametrize(
    ("service", "operation", "name"),
    [
        ("ecs", "RegisterTaskDefinition", "ecs_task_definition.json"),
        ("batch", "RegisterJobDefinition", "batch_job_definition.json"),
    ],
)
def test_a_definition_is_what_boto3_takes(service, operation, name):
    shape = get_session().get_service_model(service).operation_model(operation).input_shape
    validate_parameters(document(name), shape)


def test_the_service_registers_the_task_definition():
    """moto knows what the model of the API does not say, such as which memory fits which CPU."""
    with mock_aws():
        ecs = boto3.client("ecs", region_name="eu-west-1")
        told = ecs.register_task_definition(**document("ecs_task_definition.json"))["taskDefinition"]
    assert (told["family"], told["status"]) == ("my-app", "ACTIVE")


@pytest.mark.skipif(find_spec("kubernetes_validate") is None, reason="needs the extra `recipes`")
def test_the_manifest_is_what_kubernetes_takes():
    import kubernetes_validate

    for manifest in document("eks_deployment.yaml"):
        kubernetes_validate.validate(manifest, "1.34", strict=True)


def test_the_platform_waits_longer_for_the_end_than_the_handler_does():
    """Otherwise SIGKILL cuts the delivery short. AWS Batch always waits 30 seconds."""
    assert f'"close_timeout": {CLOSE_TIMEOUT},' in (EXAMPLES / "container_shop.py").read_text(encoding="utf-8")
    (container,) = document("ecs_task_definition.json")["containerDefinitions"]
    _, deployment = document("eks_deployment.yaml")
    waits = container["stopTimeout"], deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert min(waits) >= 2 * CLOSE_TIMEOUT


def test_what_does_not_pass_through_logging_has_another_way():
    (of_ecs,) = document("ecs_task_definition.json")["containerDefinitions"]
    of_batch = document("batch_job_definition.json")["containerProperties"]
    for container in (of_ecs, of_batch):
        assert container["logConfiguration"]["logDriver"] == "awslogs"
        assert container["logConfiguration"]["options"]["awslogs-group"] == "my-app-stderr"


def test_the_spool_is_below_a_volume_and_the_rest_cannot_be_written():
    """The mount point itself often belongs to root, and such a directory is refused."""
    ecs = document("ecs_task_definition.json")
    batch = document("batch_job_definition.json")["containerProperties"]
    for container, volumes in ((ecs["containerDefinitions"][0], ecs["volumes"]), (batch, batch["volumes"])):
        (mount,), (volume,) = container["mountPoints"], volumes
        variables = {variable["name"]: variable["value"] for variable in container["environment"]}
        assert variables["SPOOL_DIR"].startswith(mount["containerPath"] + "/")
        assert mount["sourceVolume"] == volume["name"]
        assert container["readonlyRootFilesystem"]


def test_the_roles_policy_is_the_least_that_doctor_prints():
    options = {option.name: option.default for option in signature(CloudWatchLogsHandler).parameters.values()}
    assert document("container_policy.json") == least_policy({**options, "log_group_name": "my-app"}, **PLACE)


def test_iam_takes_the_policies(iam):
    iam.create_policy(PolicyName="my-app", PolicyDocument=json.dumps(document("container_policy.json")))
    iam.create_role(RoleName="my-app", AssumeRolePolicyDocument=json.dumps(document("container_trust.json")))
    files = [path for kind in ("container", "ecs", "batch", "eks") for path in EXAMPLES.glob(f"{kind}_*.*")]
    (account,) = {found for path in files for found in re.findall(r"arn:aws:iam::(\d+):role", path.read_text())}
    assert account == PLACE["account"]


def test_on_premises_a_command_gives_keys_and_a_proxy_the_way():
    ran = run("on-premises")
    host = "vpce-0123456789abcdef0-abcdefgh.logs.eu-west-1.vpce.amazonaws.com"
    assert f"\nthe proxy was asked for {host}:443\n" in ran.terminal
    assert "\nrequests were signed by ASIAANYWHERE in eu-west-1\n" in ran.terminal
    assert ran.only_stream(r"on-premises/[^/]+/\d+") == ["order 17"]
