"""Death by SIGTERM, which takes a program that does not handle it before any exit hook."""

import signal

import pytest

from cwlog_handler.testing import faults

# Python sees a signal between two of them, at the latest.
WAITS = "log.info('last'); print('ready')\nfor _ in range(600): time.sleep(0.1)"


def test_who_handles_the_signal_is_left_alone(run):
    source = """
    def theirs(*_): print("theirs"); os._exit(7)
    signal.signal(signal.SIGTERM, theirs)
    log.addHandler(CloudWatchLogsHandler("g", "other"))
    log.info("m")
    assert signal.getsignal(signal.SIGTERM) is theirs
    os.kill(os.getpid(), signal.SIGTERM)
    """
    assert run(source) == (7, "theirs\n")


def test_an_option_leaves_the_signal_alone_altogether(run):
    source = """
    log.info("m")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    """
    assert run(source, flush_on_sigterm=False) == (0, "")


def test_a_hung_endpoint_holds_death_up_for_one_deadline(fake, start):
    """It is said how many were lost; and the process dies of the signal, as who sent it expects."""
    fake.fail(faults.stall())
    program = start(WAITS, close_timeout=1)
    program.wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == -signal.SIGTERM
    assert "1 events not delivered" in program.output


def test_a_second_signal_is_obeyed_at_once(fake, start):
    fake.fail(faults.stall())
    program = start(WAITS, close_timeout=3600)
    program.wait_for("ready")
    assert fake.wait_for(lambda: any(request.operation == "PutLogEvents" for request in fake.requests))
    program.signal(signal.SIGTERM)
    # No event tells when the first has been taken; until it has, the second is the same signal still.
    while program.is_running:
        program.signal(signal.SIGTERM)
        fake.wait_for(lambda: not program.is_running, timeout=0.1)
    assert program.wait() == -signal.SIGTERM


def test_process_1_of_a_container_does_not_die_of_it_and_goes_on_as_it_was(fake, run):
    """The kernel drops the signal there; the program may be stopped in some other way, and logs until then."""
    source = """
    def is_sent_a_signal_that_the_kernel_drops():
        signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
        # The process has sent it to itself, to die of it.
        assert signal.sigtimedwait({signal.SIGTERM}, 30)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    log.info("before")
    is_sent_a_signal_that_the_kernel_drops()
    log.info("after")
    assert handler.flush(30)
    is_sent_a_signal_that_the_kernel_drops()
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    """
    assert run(source) == (0, "")
    assert fake.messages("g", "s") == ["before", "after"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_pool_are_left_to_die_at_once(run, method):
    """``with Pool()`` sends SIGTERM and waits for their end: one that was just about to wait would not see it."""
    source = f"""
    import multiprocessing
    def work(n): log.info("m"); return signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if __name__ == "__main__":
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        with multiprocessing.get_context({method!r}).Pool(2) as pool: assert all(pool.map(work, range(4)))
    """
    assert run(source, stream="{process_id}") == (0, "")


def test_a_forked_child_is_left_to_die_at_once(run):
    source = """
    pid = os.fork()
    if not pid: log.info("m"); os._exit(0 if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL else 1)
    assert os.waitpid(pid, 0)[1] == 0
    """
    assert run(source, stream="{process_id}") == (0, "")


def test_where_it_interrupts_a_caller_at_the_books_it_waits_for_that_and_delivers(fake, run):
    """F29: the frame below the signal handler holds what the flusher needs, and goes on only after it."""
    source = """
    class Killing(str):
        def encode(self, *more):
            os.kill(os.getpid(), signal.SIGTERM)
            return super().encode(*more)
    from cwlog_handler.core.targets import Target
    handler._flusher.put(time.time(), Killing("é" * 4000), Target("g", "s"), logging.INFO)
    signal.pause()
    """
    assert run(source, max_buffer_size=8192) == (-signal.SIGTERM, "")
    assert fake.messages("g", "s") == ["é" * 4000]


def test_a_signal_handler_that_flushes_while_a_caller_is_at_the_books_does_not_wait(fake, run):
    source = """
    answers = []
    signal.signal(signal.SIGUSR1, lambda *_: answers.append((handler.flush(3600), handler.stats.emitted)))
    class Interrupting(str):
        def encode(self, *more):
            os.kill(os.getpid(), signal.SIGUSR1)
            return super().encode(*more)
    from cwlog_handler.core.targets import Target
    handler._flusher.put(time.time(), Interrupting("é" * 4000), Target("g", "s"), logging.INFO)
    assert [flushed for flushed, _ in answers] == [False]
    """
    assert run(source, max_buffer_size=8192) == (0, "")
    assert fake.messages("g", "s") == ["é" * 4000]
