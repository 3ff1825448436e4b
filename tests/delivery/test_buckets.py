"""Token buckets that handlers share."""

import gc
import threading

from cwlog_handler.core.batches import AgeLimit, Rules
from cwlog_handler.core.interval import SendInterval
from cwlog_handler.core.ledger import Ledger
from cwlog_handler.core.pacing import Overlap
from cwlog_handler.core.shared import Shared
from cwlog_handler.core.stream import Stream
from cwlog_handler.delivery import buckets
from cwlog_handler.delivery.buckets import Buckets, SharedBucket

from ..simulation import to

HERE, ELSEWHERE = "https://x", "https://y"


class Handler:
    """A handler's streams and their buckets."""

    def __init__(self, rate):
        self.streams = {}
        self.buckets = Buckets(rate, self.streams)

    def bucket(self, name="s", endpoint=HERE):
        """The bucket of a stream that is asked for the first time."""
        shared = Shared(Rules(10_000, 10), AgeLimit(), Ledger(), SendInterval(1.0), Overlap(1), lambda: 0.5)
        stream = self.streams[to(name)] = Stream(to(name), None, shared)
        self.buckets.join(endpoint, stream)
        return stream.bucket


def test_handlers_that_write_to_one_stream_share_a_bucket_and_the_strictest_rate_counts():
    handlers = [Handler(50), Handler(2), Handler(None)]
    first, *others = [handler.bucket() for handler in handlers]
    assert others == [first, first]
    assert [first.take(0.0).is_taken for _ in range(3)] == [True, True, False]


def test_other_streams_and_other_services_have_other_buckets():
    handlers = [Handler(1) for _ in range(3)]
    found = [handlers[0].bucket(), handlers[0].bucket("other"), handlers[1].bucket("another")]
    found.append(handlers[2].bucket(endpoint=ELSEWHERE))
    assert all(bucket.take(0.0).is_taken for bucket in found)


def test_a_stream_that_has_not_been_asked_yet_shares_nothing_and_joins_later():
    """Only when there is a client is it known to which service it belongs."""
    early, late = Handler(1), Handler(1)
    waiting = early.bucket()
    early.streams[to("s")].bucket = None
    first = late.bucket()
    assert first is not waiting
    early.buckets.join(HERE, early.streams[to("s")])
    assert early.streams[to("s")].bucket is first
    assert first.take(0.0).is_taken
    first.give_back(0.0)
    assert not first.is_full(0.5)
    assert first.take(1.5).is_taken


def test_a_stream_that_was_forgotten_finds_the_bucket_that_another_handler_still_uses():
    one, other = Handler(1), Handler(1)
    bucket = one.bucket()
    assert other.bucket() is bucket
    one.streams.clear()
    assert one.bucket() is bucket


def test_nothing_is_kept_of_a_handler_that_is_gone():
    one, other = Handler(1), Handler(1)
    bucket = one.bucket()
    del one
    gc.collect()
    assert other.bucket() is not bucket
    assert [len(those) for those in buckets._known.values()] == [1]


def test_a_handler_whose_service_has_changed_shares_with_those_of_the_new_one():
    moving, there = Handler(1), Handler(1)
    before = moving.bucket()
    new = there.bucket("t", endpoint=ELSEWHERE)
    assert moving.bucket("t", endpoint=ELSEWHERE) is new
    assert Handler(1).bucket() is not before
    assert Handler(1).bucket("t", endpoint=ELSEWHERE) is new


def test_threads_that_share_a_bucket_get_no_more_tokens_than_there_are():
    bucket, taken = SharedBucket(100), []
    threads = [
        threading.Thread(target=lambda: taken.extend(bucket.take(1.0).is_taken for _ in range(50))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(True) == 100
