"""Token buckets that handlers share."""

import threading

from cwlog_handler.delivery.buckets import SharedBucket, StreamBucket, shared_bucket

from ..simulation import to


def test_handlers_that_write_to_one_stream_share_a_bucket_and_the_strictest_rate_counts():
    bucket = shared_bucket("https://x", "group", "shared", 50)
    assert shared_bucket("https://x", "group", "shared", 2) is bucket
    assert shared_bucket("https://x", "group", "shared", None) is bucket
    assert [bucket.take(0.0).is_taken for _ in range(3)] == [True, True, False]
    assert shared_bucket("https://x", "group", "other", 50) is not bucket


def test_a_stream_joins_the_shared_bucket_when_it_takes_its_first_token():
    """Only then is it known to which service it belongs."""
    joined = []

    def join(target):
        joined.append(shared_bucket("https://x", *target, 1))
        return joined[-1]

    first, second = (StreamBucket(join, to("joined")) for _ in range(2))
    assert first.is_full(0.0)
    assert not joined
    assert first.take(0.0).is_taken
    assert not second.take(0.0).is_taken
    first.give_back(0.0)
    assert not second.is_full(0.5)
    assert second.take(1.5).is_taken
    assert len(joined) == 2


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
