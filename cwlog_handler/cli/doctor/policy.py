"""The smallest IAM policy that a handler's options need.

Owns: which permission belongs to which option. Must not know: how anything is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .names import pattern


def least_policy(options: Mapping[str, Any], *, partition: str, region: str | None, account: str | None) -> Any:
    """Return the policy document as plain data; unknown parts of the ARN become ``*``."""
    actions = ["logs:PutLogEvents"]
    # The handler creates a group only to create a stream in it. Without create_log_stream it never creates one.
    makes_group = options["create_log_stream"] and options["create_log_group"]
    if options["create_log_stream"]:
        actions.append("logs:CreateLogStream")
    if makes_group:
        actions.append("logs:CreateLogGroup")
    if makes_group and options["log_group_retention_days"]:
        actions.append("logs:PutRetentionPolicy")
    if makes_group and options["log_group_tags"]:
        actions.append("logs:TagResource")
    group = f"arn:{partition}:logs:{region or '*'}:{account or '*'}:log-group:{pattern(options)}"
    resources = [group, f"{group}:*"] if len(actions) > 1 else [f"{group}:*"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return {"Version": "2012-10-17", "Statement": [statement]}
