"""What variables and files tell about where a process runs: for fields of names that are the same while it lives.

Owns: where each of these values comes from. Must not know: templates, what stands for a value that is not known.

Nothing here makes a request. So what only a metadata service could tell is not known: on Fargate, the cluster, the
task's family and the container's name. Imported only if a template has such a field. All is read when a handler is
made; it takes well below a millisecond.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Final

from .fields import ENV

# The file has 1 to 2 KiB.
_MOST_BYTES: Final = 64 * 1024
_TASK_ID: Final = r"[0-9a-f]{32}"
# Fargate numbers the containers of a task: "http://169.254.170.2/v4/<task id>-<number>".
_IN_URI: Final = re.compile(rf"/v4/({_TASK_ID})-[0-9]+/?")
# Where the agent names control groups after tasks: "9:cpu:/ecs/<task id>/<container id>", perhaps with the cluster.
_IN_CGROUP: Final = re.compile(rf"/ecs/(?:[^/\n]+/)?({_TASK_ID})[/-]")
_INSTANCE_ID: Final = re.compile(r"i-[0-9a-f]{8,17}")

_Values = dict[str, "str | None"]


def values_of(keys: Collection[str], environ: Mapping[str, str] = os.environ, root: str = "/") -> _Values:
    """Return the values of these fields, by `fields.Field.key`; None for what is not known. Does not raise.

    ``root`` is where the machine's files begin.
    """
    values: _Values = {}
    for key in keys:
        name, _, variable = key.partition(":")
        if name == ENV:
            values[key] = environ.get(variable)
    if any(key.startswith("ecs_") for key in keys):
        values |= _of_ecs(environ, root)
    if "ec2_instance_id" in keys:
        values["ec2_instance_id"] = _instance_id(root)
    if "kubernetes_namespace" in keys:
        values["kubernetes_namespace"] = _line(root, "var/run/secrets/kubernetes.io/serviceaccount/namespace")
    return {key: values.get(key) for key in keys}


def _of_ecs(environ: Mapping[str, str], root: str) -> _Values:
    """Return what the agent tells, in its file if the container instance is configured to write one."""
    told = _document(environ.get("ECS_CONTAINER_METADATA_FILE"))
    task = _last_part(told.get("TaskARN"))
    if task is None:
        uri = _IN_URI.search(environ.get("ECS_CONTAINER_METADATA_URI_V4", ""))
        # Outside of ECS nobody's control groups have such names, but a file system of another machine may be mounted.
        groups = None
        if uri is None and "ECS_CONTAINER_METADATA_URI_V4" in environ:
            groups = _IN_CGROUP.search(_content(os.path.join(root, "proc/self/cgroup")))
        found = uri or groups
        task = found[1] if found is not None else None
    return {
        "ecs_cluster": _last_part(told.get("Cluster")),
        "ecs_task_id": task,
        "ecs_task_family": _last_part(told.get("TaskDefinitionFamily")),
        "ecs_container_name": _last_part(told.get("ContainerName")),
    }


def _last_part(value: object) -> str | None:
    """Return the name at the end of an ARN; a name as it is."""
    return value.rpartition("/")[2] or None if isinstance(value, str) else None


def _instance_id(root: str) -> str | None:
    # The board's tag on instances of the Nitro system; elsewhere cloud-init has noted the id.
    for path in ("sys/devices/virtual/dmi/id/board_asset_tag", "var/lib/cloud/data/instance-id"):
        found = _INSTANCE_ID.fullmatch(_line(root, path) or "")
        if found is not None:
            return found[0]
    return None


def _line(root: str, path: str) -> str | None:
    lines = _content(os.path.join(root, path)).splitlines()
    return lines[0].strip() or None if lines else None


def _document(path: str | None) -> dict[str, Any]:
    # Just after the start the file may be there and not whole; nobody waits for it.
    with suppress(ValueError, RecursionError):
        document = json.loads(_content(path)) if path else {}
        if isinstance(document, dict):
            return document
    return {}


def _content(path: str) -> str:
    """Return the beginning of a regular file, "" if it cannot be read. Nothing is waited for, such as a pipe."""
    with suppress(OSError, ValueError):
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):
                return os.read(file, _MOST_BYTES).decode(errors="replace")
        finally:
            os.close(file)
    return ""
