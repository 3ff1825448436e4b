"""The account: its quotas as token buckets, the streams that exist, its outages; and the boto3 client that leads to it.

Must not know: the processes, but for their numbers; what becomes of an answer.
"""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError, ReadTimeoutError

from cwlog_handler.testing.rates import RateLimit

from .plan import Outage, Plan
from .tally import Tally

Error = dict[str, Any]


def _error(code: str, message: str, status: int = 400) -> Error:
    return {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}


THROTTLED: Final = _error("ThrottlingException", "Rate exceeded")
MISSING: Final = _error("ResourceNotFoundException", "The specified log stream does not exist.")
EXISTS: Final = _error("ResourceAlreadyExistsException", "The specified log stream already exists")
BROKEN: Final = _error("ServiceUnavailableException", "", 503)
TAKEN: Final = {"nextSequenceToken": "0"}


class Quota:
    """A token bucket that holds the tokens of one second and is filled evenly."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second)
        self._tokens = self._most
        self._at = 0.0

    def takes(self, now: float) -> bool:
        """Whether a request at this instant is within the quota. If so, it counts from then on."""
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Window:
    """A quota as the strict fake has it: so many requests in any window of one second.

    Where a quota is small, that is less than a bucket of the same rate allows: of requests that come at random at the
    rate of the quota, the window refuses a third at 3 a second and 3 % at 800, the bucket 18 % and none.
    """

    def __init__(self, per_second: float) -> None:
        self._limit = RateLimit(int(per_second))

    def takes(self, now: float) -> bool:
        """Whether a request at this instant is within the quota. If so, it counts from then on."""
        return self._limit.admits("", "", now)


class Account:
    """Takes and refuses what the processes send, and counts both."""

    def __init__(self, plan: Plan, tally: Tally) -> None:
        self.streams: set[str] = set()
        self.now = 0.0
        self.sent_at = 0.0
        """When the request that arrives now was sent."""
        self._outages = plan.outages
        self._processes = plan.processes
        self._tally = tally
        quota = Window if plan.is_fake else Quota
        self._puts = quota(plan.puts)
        self._creations = quota(plan.creations)

    def outage(self, number: int, now: float) -> Outage | None:
        """The outage that a process meets at this instant."""
        for outage in self._outages:
            if outage.start <= now < outage.end and number < outage.part * self._processes:
                return outage
        return None

    def put(self, number: int, stream: str, events: list[dict[str, Any]]) -> dict[str, str]:
        """Take a PutLogEvents, or raise what boto3 would."""
        now = self.now
        self._fail("PutLogEvents", number)
        if not self._puts.takes(now):
            raise self._refused("throttled puts", "PutLogEvents", THROTTLED)
        if stream not in self.streams:
            raise self._refused("missing", "PutLogEvents", MISSING)
        self._tally.took(now, number, events)
        return TAKEN

    def create(self, number: int, stream: str) -> None:
        """Take a CreateLogStream, or raise what boto3 would."""
        self._fail("CreateLogStream", number)
        if not self._creations.takes(self.now):
            raise self._refused("throttled creations", "CreateLogStream", THROTTLED)
        if stream in self.streams:
            raise self._refused("throttled creations", "CreateLogStream", EXISTS)
        self.streams.add(stream)
        self._tally.count("created", self.now)

    def _fail(self, operation: str, number: int) -> None:
        outage = self.outage(number, self.sent_at)
        if outage is None:
            return
        if outage.how == "silent":
            self._tally.count("outage", self.now)
            raise ReadTimeoutError(endpoint_url="https://account")
        raise self._refused("outage", operation, THROTTLED if outage.how == "throttled" else BROKEN)

    def _refused(self, what: str, operation: str, error: Error) -> ClientError:
        self._tally.count(what, self.now)
        return ClientError(error, operation)


class Door:
    """What a process takes for its boto3 client."""

    def __init__(self, account: Account, number: int) -> None:
        self._account = account
        self._number = number
        self.sent = 0
        """How many records of the process have been in a request."""

    def put_log_events(self, logGroupName: str, logStreamName: str, logEvents: Any, **_: Any) -> Any:  # noqa: N803
        self.sent = max(self.sent, int(logEvents[-1]["message"].split(None, 2)[1]) + 1)
        return self._account.put(self._number, logStreamName, logEvents)

    def create_log_stream(self, logGroupName: str, logStreamName: str) -> None:  # noqa: N803
        self._account.create(self._number, logStreamName)
