"""A role in the life of a process: its end, its children, its signals."""

import signal

import pytest

from cwlog_handler.record.names import DEFAULT_LOG_STREAM_NAME
from cwlog_handler.testing import FakeCloudWatchLogs, stall

from .conftest import arrived, assert_told_or_delivered

ARN = "arn:aws:iam::222222222222:role/logs"


@pytest.fixture
def fake():
    fake = FakeCloudWatchLogs(requests_per_second=None)
    fake.create_role(ARN)
    yield fake
    fake.clear_faults()
    fake.release()


def sessions(fake):
    return {request.assumed_role for request in fake.requests if request.operation == "PutLogEvents"}


def operations(fake):
    return [request.operation for request in fake.requests]


@pytest.mark.parametrize("options", [{}, {"use_queues": False}])
def test_a_program_of_one_record_assumes_the_role_at_its_end(fake, run, options):
    """Nothing that a role needs is imported or made too late."""
    returned, output = run('log.warning("hello")', role_arn=ARN, role_session_name="me", **options)
    assert (returned, output) == (0, "")
    assert fake.messages("g", "s") == ["hello"]
    assert sessions(fake) == {"arn:aws:sts::222222222222:assumed-role/logs/me"}


def test_a_record_of_the_very_last_moment_is_delivered_or_told_with_it_too(fake, run):
    """Logged by a finalizer, after everything else: boto3 may be able to import nothing any more."""
    source = """
    class Last:
        def __del__(self, log=log): log.warning("last")
    kept = Last()
    import builtins; builtins.kept = kept; del kept
    log.warning("first")
    """
    returned, output = run(source, role_arn=ARN)
    assert_told_or_delivered(fake, returned, output)
    assert "first" in fake.messages("g", "s")


def test_children_assume_it_for_themselves_and_wait_for_no_lock(fake, start, tmp_path):
    """Also one that is forked while the parent waits for STS."""
    fake.fail(stall(2), times=1, operation="AssumeRole")
    source = """
    def say(text): log.info("%d %s", os.getpid(), text)
    say("parent")
    while not os.path.exists("go on"): time.sleep(0.01)
    children = []
    for child in range(3):
        if (pid := os.fork()) == 0:
            say(f"child {child}")
            sys.exit()
        children.append(pid)
    for pid in children: assert os.waitpid(pid, 0)[1] == 0
    """
    program = start(source, stream=DEFAULT_LOG_STREAM_NAME, role_arn=ARN)
    assert fake.wait_for(lambda: operations(fake) == ["AssumeRole"])
    (tmp_path / "go on").touch()
    assert (program.wait(), program.output) == (0, "")
    assert arrived(fake) == ["child 0", "child 1", "child 2", "parent"]
    assert operations(fake).count("AssumeRole") == 4


@pytest.mark.parametrize("options", [{}, {"use_queues": False}])
def test_an_sts_that_never_answers_does_not_keep_the_process(fake, run, options):
    """The deadline of the end holds for it, too."""
    fake.fail(stall(), operation="AssumeRole")
    returned, output = run('log.warning("hello")', role_arn=ARN, close_timeout=1.5, **options)
    assert returned == 0
    assert "1 events not delivered at exit" in output
    assert "PutLogEvents" not in operations(fake)


def test_sigterm_delivers_what_waits_for_the_role(fake, start):
    """As without a role."""
    fake.fail(stall(), times=1, operation="AssumeRole")
    program = start('log.warning("hello"); print("logged", flush=True); time.sleep(60)', role_arn=ARN)
    program.wait_for("logged")
    assert fake.wait_for(lambda: operations(fake) == ["AssumeRole"])
    program.signal(signal.SIGTERM)
    fake.release()
    assert program.wait() == -signal.SIGTERM
    assert fake.messages("g", "s") == ["hello"]
