"""What a logging call does on its caller's thread, with a thread of ours and without."""

import pytest

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.testing import faults


def test_an_error_goes_at_once_and_its_caller_does_not_wait(fake, logger, attach):
    fake.create("g", "s")
    fake.fail(faults.stall(), times=1)
    attach(send_interval=3600)
    logger.info("waits for company")
    logger.error("now")  # returns although the endpoint does not answer
    assert fake.wait_for(lambda: fake.requests)
    fake.release()
    assert fake.wait_for(lambda: fake.messages("g", "s") == ["waits for company", "now"])


def test_without_queues_a_record_is_there_when_the_call_returns(fake, logger, attach, no_thread):
    attach(use_queues=False)
    for number in range(3):
        logger.info("%d", number)
        assert fake.messages("g", "s")[-1] == str(number)


def test_logging_does_not_take_the_handlers_lock(fake, logger, attach, monkeypatch):
    """F24, F29: `logging.shutdown` holds it while it waits for us, so a record must not wait for it."""

    class Forbidden:
        def acquire(self, *_):
            pytest.fail("the handler's lock was taken")

        __enter__ = acquire

        def release(self):
            pass

        def __exit__(self, *_):
            pass

    handler = attach()
    with monkeypatch.context() as patched:
        patched.setattr(handler, "lock", Forbidden())
        logger.info("m")
    assert handler.flush()
    assert fake.messages("g", "s") == ["m"]


def test_ctrl_c_during_a_call_on_the_callers_thread_is_raised_and_wedges_nothing(logger):
    """The batch goes again with the next record; KeyboardInterrupt is the application's."""

    class Client:
        calls, stored = 0, []

        def put_log_events(self, **request):
            self.calls += 1
            if self.calls == 1:
                raise KeyboardInterrupt
            self.stored.extend(event["message"] for event in request["logEvents"])
            return {}

    client = Client()
    logger.addHandler(CloudWatchLogsHandler("g", "s", boto3_client=client, use_queues=False))
    with pytest.raises(KeyboardInterrupt):
        logger.info("one")
    logger.info("two")
    assert client.stored == ["one", "two"]
