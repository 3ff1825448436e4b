"""Plays ECS, AWS Batch or EKS for container_shop.py: ``python container_platform.py ecs``.

It takes command and variables from the definition beside it, and adds what the platform itself gives a container: who
it is, and where its role's credentials are. It stops the program by SIGTERM if it is a service, and prints whose
credentials have signed the requests. In the cloud the credentials come from an address of the platform's own; here they
come from 127.0.0.1, as STS does.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import yaml

HERE = Path(__file__).resolve().parent
TOKEN = "eyJhbGciOiJub25lIn0.token-of-the-service-account"
TASK = "0123456789abcdef0123456789abcdef"
WITH_TOKEN = f"/v1/credentials of {TOKEN}"
CREDENTIALS = {"SecretAccessKey": "secret", "Token": "session", "Expiration": "2099-01-01T00:00:00Z"}
ASSUMED = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{AccessKeyId}</AccessKeyId>
<SecretAccessKey>{SecretAccessKey}</SecretAccessKey><SessionToken>{Token}</SessionToken>
<Expiration>{Expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""


class Platform(BaseHTTPRequestHandler):
    """The endpoint of credentials, STS, and the way to CloudWatch Logs, where it sees who has signed a request."""

    logs: str
    key_of: dict[str, str]
    signed_by: ClassVar[set[str]] = set()
    has_logged = threading.Event()

    def do_GET(self) -> None:
        token = self.headers.get("Authorization")
        key = self.key_of.get(self.path if token is None else f"{self.path} of {token}")
        body = json.dumps(CREDENTIALS | {"AccessKeyId": key}) if key else "{}"
        self.answer(200 if key else 403, body.encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if b"Action=AssumeRoleWithWebIdentity" in body:
            is_known = TOKEN.encode() in body and b"role%2Fmy-app" in body
            document = ASSUMED.format(**CREDENTIALS, AccessKeyId="ASIAIRSA")
            return self.answer(200 if is_known else 403, document.encode())
        signer = re.search(r"Credential=(\w+)/\d{8}/([\w-]+)/", self.headers["Authorization"])
        self.signed_by.add(" in ".join(signer.groups()) if signer else "nobody")
        request = urllib.request.Request(self.logs, body, dict(self.headers.items()))
        try:
            with urllib.request.urlopen(request) as answer:
                self.answer(answer.status, answer.read(), answer.headers["x-amzn-RequestId"])
        except urllib.error.HTTPError as error:
            return self.answer(error.code, error.read(), error.headers["x-amzn-RequestId"])
        if self.headers["X-Amz-Target"].endswith("PutLogEvents"):
            self.has_logged.set()
        return None

    def answer(self, status: int, body: bytes, request_id: str = "") -> None:
        self.send_response(status)
        self.send_header("x-amzn-RequestId", request_id)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def ecs(url: str, _: Path) -> tuple[list[str], dict[str, str]]:
    (container,) = definition("ecs_task_definition.json")["containerDefinitions"]
    return container["command"], variables(container) | {
        "ECS_CONTAINER_METADATA_URI_V4": f"http://169.254.170.2/v4/{TASK}-1234567890",
        # ECS names the path alone, in AWS_CONTAINER_CREDENTIALS_RELATIVE_URI.
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/v2/credentials/of-the-task",
    }


def batch(url: str, scratch: Path) -> tuple[list[str], dict[str, str]]:
    container = definition("batch_job_definition.json")["containerProperties"]
    # The second job of an array.
    job = {"AWS_BATCH_JOB_ID": "5b3e0f2a-6f1c-4d0e-9c55-0d6a4f1c2b3d:1", "AWS_BATCH_JOB_ATTEMPT": "1"}
    return container["command"], ecs(url, scratch)[1] | variables(container) | job


def pod_identity(url: str, scratch: Path) -> tuple[list[str], dict[str, str]]:
    command, environment = pod(scratch)
    return command, environment | {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(scratch / "token"),
    }


def irsa(url: str, scratch: Path) -> tuple[list[str], dict[str, str]]:
    command, environment = pod(scratch)
    account, _ = definition("eks_deployment.yaml")
    return command, environment | {
        "AWS_ROLE_ARN": account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"],
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(scratch / "token"),
        "AWS_ENDPOINT_URL_STS": url,
    }


def pod(scratch: Path) -> tuple[list[str], dict[str, str]]:
    """What EKS gives every pod of a service account that has a role."""
    _, deployment = definition("eks_deployment.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    of_the_pod = {"metadata.name": "my-app-6d4cf56db6-x7k2p", "metadata.namespace": "shop"}
    environment = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-1"}
    for variable in container["env"]:
        source = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        environment[variable["name"]] = of_the_pod[source] if source else variable["value"]
    (scratch / "token").write_text(TOKEN)
    return container["command"], environment


PLATFORMS: dict[str, Callable[[str, Path], tuple[list[str], dict[str, str]]]] = {
    "ecs": ecs,
    "batch": batch,
    "eks-pod-identity": pod_identity,
    "eks-irsa": irsa,
}


def definition(name: str) -> Any:
    text = (HERE / name).read_text(encoding="utf-8")
    return json.loads(text) if name.endswith(".json") else list(yaml.safe_load_all(text))


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container["environment"]}


def stand_in() -> str:
    if "AWS_ENDPOINT_URL" not in os.environ:
        sys.exit("This plays what is around the program, and so it needs the stand-in: run it without --aws.")
    return os.environ["AWS_ENDPOINT_URL"]


def main(platform: str) -> int:
    Platform.logs = stand_in()
    Platform.key_of = {"/v2/credentials/of-the-task": "ASIATASK", WITH_TOKEN: "ASIAPOD"}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    with tempfile.TemporaryDirectory() as scratch:
        command, environment = PLATFORMS[platform](url, Path(scratch))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        # The volume that the definition mounts at /data.
        spool = environment["SPOOL_DIR"].replace("/data", scratch)
        environment |= {"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": url, "SPOOL_DIR": spool}
        program = subprocess.Popen(
            [sys.executable if word == "python" else word for word in command], cwd=HERE, env=inherited | environment
        )
        if command[-1].endswith(".py"):
            # A service, which runs until it is stopped.
            Platform.has_logged.wait(30)
            program.send_signal(signal.SIGTERM)
        status = program.wait(30)
        for signer in sorted(Platform.signed_by):
            print(f"requests were signed by {signer}")
        return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
