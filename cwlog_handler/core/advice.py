"""The sentences for the operator who has to correct something: each names the problem and the way out.

Owns: the words. Must not know: error codes, botocore, where the sentence is shown. `Advice.sentence` fills in braces.
"""

from typing import Final

from .outcomes import Refused


class Advice:
    """A problem and the way out. ``renew``: retry with a new boto3 client, because the old one keeps old settings."""

    __slots__ = ("problem", "renew", "way_out")

    def __init__(self, problem: str, way_out: str, renew: bool = False) -> None:
        self.problem: Final = problem
        self.way_out: Final = way_out
        self.renew: Final = renew

    def sentence(self, log_group: str, stream: str, /, **details: str) -> str:
        """Return the advice as one sentence, with the log group and stream. ``details`` replace the braces."""
        place = f"log group {log_group!r}, stream {stream!r}" if stream else f"log group {log_group!r}"
        return f"{self.problem.format(**details)} ({place}): {self.way_out.format(**details)}."


class Call:
    """A call: its IAM action, such as "logs:PutLogEvents", and its target; no ``stream`` means the whole log group."""

    __slots__ = ("action", "log_group", "stream")

    def __init__(self, action: str, log_group: str, stream: str = "") -> None:
        self.action: Final = action
        self.log_group: Final = log_group
        self.stream: Final = stream

    def refuse(self, code: str, why: Advice, /, **details: str) -> Refused:
        """Return the outcome that this call was refused with ``code``, and what the operator can do about it."""
        way_out = why.way_out.format(**details)
        return Refused(code, why.sentence(self.log_group, self.stream, **details), why.renew, way_out)


PUT: Final = "logs:PutLogEvents"
IAM_POLICY: Final = "IAM policy of the user or role"

NO_REGION: Final = Advice(
    "no AWS region is set", "pass region_name, or set AWS_DEFAULT_REGION or the region of the profile", renew=True
)
NO_PROFILE: Final = Advice(
    "the AWS profile is not there [{message}]", "correct boto3_profile_name or AWS_PROFILE, or add the profile",
    renew=True,
)  # fmt: skip
BAD_REGION: Final = Advice(
    "the AWS region cannot be right [{message}]",
    "correct region_name, AWS_DEFAULT_REGION or the region of the profile; {hint}",
    renew=True,
)
BAD_ENDPOINT: Final = Advice(
    "the endpoint is no URL [{message}]",
    "correct endpoint_url, AWS_ENDPOINT_URL or the AWS configuration file; {hint}",
    renew=True,
)
BAD_CONFIGURATION: Final = Advice(
    "boto3 cannot make a client [{message}]",
    "correct region_name, endpoint_url or boto3_profile_name, or the AWS configuration file and environment",
    renew=True,
)
NO_CREDENTIALS: Final = Advice(
    "there are no usable AWS credentials [{message}]",
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or configure a profile, or give the machine or task a role",
    renew=True,
)
NO_LOGIN: Final = Advice(
    "the AWS sign-in session cannot be used [{message}]", "run 'aws sso login' or 'aws login' again", renew=True
)
BAD_CREDENTIALS: Final = Advice(
    "the access key id or the session token cannot be sent: there is a line end in it, or the like",
    "take it out of AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN, or wherever they come from",
    renew=True,
)
WRONG_KEY: Final = Advice(
    "the access key id or secret access key is wrong [{message}]",
    "correct the credentials, and check that the key is active and belongs to this partition of AWS",
    renew=True,
)
EXPIRED: Final = Advice(
    "the temporary credentials have expired [{message}]",
    "renew them, or let boto3 do so: use a role or profile rather than a copied session token",
    renew=True,
)
WRONG_SECRET: Final = Advice(
    "the signature is wrong [{message}]", "correct the secret access key", renew=True
)  # fmt: skip
WRONG_CLOCK: Final = Advice(
    "the clock of this machine is off, so that the signature is not accepted [{message}]",
    "set the clock, best by NTP",
)
_NOT_ALLOWED: Final = "{action} is not allowed on {resource} [{message}]"
NO_PERMISSION: Final = Advice(_NOT_ALLOWED, f"allow it in the {IAM_POLICY}")
NOT_ALLOWED_BY: Final = Advice(_NOT_ALLOWED, "allow it in the {policy}")
DENIED_BY: Final = Advice(_NOT_ALLOWED, "take the deny out of the {policy}")
NOT_OPTED_IN: Final = Advice(
    "the AWS account may not use CloudWatch Logs here [{message}]", "activate the account or opt in to the region"
)
NO_STREAM: Final = Advice(
    "the log stream does not exist and create_log_stream is off", "create the stream, or set create_log_stream=True"
)
NO_GROUP: Final = Advice(
    "the log group does not exist and create_log_group is off", "create the log group, or set create_log_group=True"
)
NO_ROOM: Final = Advice(
    "a quota of the AWS account is used up [{message}]", "delete what is not needed, or ask AWS to raise the quota"
)
NOT_CREATABLE: Final = Advice(
    "the service does not create it this way [{message}]",
    "correct the log group's name, class, KMS key or tags, or the stream's name",
)
BAD_DESTINATION: Final = Advice(
    "the service does not take events here [{message}]", "correct the names, or the log group's class or KMS key"
)
NO_ANSWER: Final = Advice(
    "put_log_events of boto3_client returns {answer}, which is no answer of CloudWatch Logs",
    "pass what boto3.client('logs') returns; a stand-in returns a dict, an empty one for success",
)
BAD_REQUEST: Final = Advice(
    "the service refuses the request and names no event [{message}]",
    "correct what it names: log_format, the log group's settings, or what stands between here and the service",
)
UNKNOWN: Final = Advice("the service refuses {action} [{code}: {message}]", "see what this code means and correct it")

# The way to the service.
PROXY_SETTINGS: Final = "see boto3_config's proxies, HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
_OWN_CA: Final = (
    "set AWS_CA_BUNDLE, or ca_bundle in the AWS configuration file, to a file with your CA's certificates, where a "
    "proxy or an endpoint of yours has its own"
)
UNTRUSTED: Final = Advice(
    "the certificate of the endpoint is not trusted [{message}]",
    f"{_OWN_CA}; check the clock, and endpoint_url",
    renew=True,
)
OTHER_NAME: Final = Advice(
    "the certificate of the endpoint is not trusted [{message}]",
    f"correct endpoint_url: the certificate there is for another name; or {_OWN_CA}",
    renew=True,
)
BAD_TLS_FILE: Final = Advice(
    "a file with certificates or a key cannot be used [{message}]",
    "correct AWS_CA_BUNDLE or ca_bundle, or boto3_config's client_cert and proxies_config",
    renew=True,
)
PROXY_WANTS_A_PASSWORD: Final = Advice(
    "the proxy wants a user and a password, or others [{message}]",
    f"write them into its URL as http://user:password@host:port; {PROXY_SETTINGS}",
    renew=True,
)
PROXY_REFUSES: Final = Advice(
    "the proxy refuses the way to the endpoint [{message}]",
    f"allow the endpoint there, or go round the proxy; {PROXY_SETTINGS}",
    renew=True,
)
PROXY_UNTRUSTED: Final = Advice(
    "the certificate of the proxy is not trusted [{message}]",
    "set proxy_ca_bundle in boto3_config's proxies_config to a file with its CA's certificates, or write the proxy's "
    "URL as http:// if it is none of https",
    renew=True,
)

# A role to assume.
_TRUST: Final = (
    "allow sts:AssumeRole on the role in the policy of who assumes it, and name who assumes it in its trust policy"
)
ROLE_DENIED: Final = Advice(
    "the role {role} may not be assumed [{message}]",
    f"{_TRUST}; if that has the condition sts:ExternalId, give external_id",
    renew=True,
)
ROLE_DENIED_WITH_ID: Final = Advice(
    "the role {role} may not be assumed [{message}]",
    f"{_TRUST}, with the very external_id in its condition sts:ExternalId",
    renew=True,
)
ROLE_INVALID: Final = Advice(
    "STS does not take this for the role {role} [{message}]",
    "correct role_arn, external_id or role_session_name",
    renew=True,
)
NO_STS_HERE: Final = Advice(
    "STS is not activated in this region, so that the role {role} cannot be assumed [{message}]",
    "activate it in the account settings of IAM, or set AWS_ENDPOINT_URL_STS to the endpoint of another region",
    renew=True,
)

# Warnings: no event is lost, but something that was asked for was not done.
RETENTION_NOT_SET: Final = Advice(
    "log_group_retention_days was not set [{reason}]", "allow logs:PutRetentionPolicy, or set it on the log group"
)
TAGS_LEFT_OUT: Final = Advice(
    "the log group was created without log_group_tags [{reason}]",
    "allow logs:TagResource or correct the tags, and tag the log group",
)
PROTECTION_LEFT_OUT: Final = Advice(
    "the log group was created without log_group_deletion_protection [{reason}]",
    "install a newer boto3 (1.43 knows it), or allow it in the IAM policy; and protect the log group by "
    "'aws logs put-log-group-deletion-protection'",
)
ENTITY_REJECTED: Final = Advice(
    "the service takes the events but not the entity that they belong to [{verdict}]", "{way_out}"
)
ENTITY_LEFT_OUT: Final = Advice(
    "the service refuses a request for its entity and takes it without one [{reason}]",
    "correct the option entity; until this process ends, events are delivered without one",
)
COMPRESSION_LEFT_OUT: Final = Advice(
    "the endpoint refuses a compressed request and takes it plain [{reason}]",
    "take compression='gzip' out, or correct what stands between here and the service; until this process ends, "
    "requests go plain",
)
LONG_DOCUMENT: Final = Advice(
    "a document of {size} bytes is more than the {room} of one event, no metrics come of it (oversize={oversize})",
    "log it in smaller documents, or raise max_message_size and max_batch_size if they are below their maximum",
)
UNKNOWN_REGION: Final = Advice(
    "the endpoint of the region {region!r} cannot be reached, and botocore knows no such region",
    "correct the region ({hint}); if it is a new one, look at the network",
)
ADAPTIVE_RETRIES: Final = Advice(
    "boto3_client has the retry mode 'adaptive', which makes requests wait on its own",
    "pass a client with another retry mode",
)
ROLE_NOT_RENEWED: Final = Advice(
    "the role could not be assumed anew [{reason}]",
    "correct it before its present credentials expire; they are used until then",
)
