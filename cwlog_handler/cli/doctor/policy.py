"""The least IAM policy that a handler's options ask for. Must not know: how anything is checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def least_policy(options: Mapping[str, Any], *, partition: str, region: str | None, account: str | None) -> Any:
    """Return the policy as a JSON document; what is not known of the ARN is ``*``."""
    actions = ["logs:PutLogEvents"]
    # The group is made for the sake of a stream: without that option it never is.
    makes_group = options["create_log_stream"] and options["create_log_group"]
    if options["create_log_stream"]:
        actions.append("logs:CreateLogStream")
    if makes_group:
        actions.append("logs:CreateLogGroup")
    if makes_group and options["log_group_retention_days"]:
        actions.append("logs:PutRetentionPolicy")
    if makes_group and options["log_group_tags"]:
        actions.append("logs:TagResource")
    group = f"arn:{partition}:logs:{region or '*'}:{account or '*'}:log-group:{options['log_group_name']}"
    resources = [group, f"{group}:*"] if len(actions) > 1 else [f"{group}:*"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return {"Version": "2012-10-17", "Statement": [statement]}
