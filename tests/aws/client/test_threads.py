"""Several threads want the client at once."""

import concurrent.futures
import sys
import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from cwlog_handler.core.outcomes import Connected, Unavailable

from .subject import Subject


@pytest.fixture
def slow_credentials(environment, tmp_path):
    """A profile whose credentials come once a file is there; and what tells that somebody asked."""
    asked, come = tmp_path / "asked", tmp_path / "come"
    program = tmp_path / "credentials.py"
    program.write_text(
        "import json, os, sys, time\n"
        f"open({str(asked)!r}, 'a').write('x')\n"
        f"while not os.path.exists({str(come)!r}): time.sleep(0.01)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': 'a', 'SecretAccessKey': 'b'}))\n"
    )
    config = tmp_path / "config"
    config.write_text(f"[profile slow]\nregion = us-east-1\ncredential_process = {sys.executable} {program}\n")
    environment.setenv("AWS_CONFIG_FILE", str(config))
    yield SimpleNamespace(asked=asked, come=come)
    come.touch()


def until(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to it")


def test_a_thread_does_not_wait_without_an_end_for_another_that_makes_the_client(slow_credentials):
    """F25: at exit the caller has a deadline; credentials may take minutes to come."""
    client = Subject(profile_name="slow").client
    with concurrent.futures.ThreadPoolExecutor() as threads:
        other = threads.submit(client.connect)
        until(slow_credentials.asked.exists)
        outcome = client.connect(0.05)
        assert isinstance(outcome, Unavailable)
        assert not outcome.ambiguous
        # The next try asks for itself: what was waited for may never come.
        third = threads.submit(client.connect, 5.0)
        until(lambda: slow_credentials.asked.read_text() == "xx")
        slow_credentials.come.touch()
        assert isinstance(other.result(), Connected)
        assert isinstance(third.result(), Connected)
    assert isinstance(client.connect(), Connected)


def test_a_client_is_used_while_another_thread_makes_one_with_other_time_outs(ready):
    """Better one with the wrong time-outs than none, and a lock that Ctrl-C has left taken is not waited for again."""
    client = Subject(region_name="us-east-1").client
    client.connect()
    usual = client._maker.client
    assert client._maker._lock.acquire()
    assert isinstance(client.connect(0.05), Connected)
    assert client._maker.client is usual
    assert isinstance(client.connect(0.05), Connected)
    assert client._maker.client is not usual


def test_a_client_of_the_programs_own_puts_no_fork_off(ready):
    """Nothing is made for it."""
    entered = []
    Subject(ready.client(), making=lambda: entered.append(1) or nullcontext()).client.connect()
    assert not entered
    Subject(region_name="us-east-1", making=lambda: entered.append(1) or nullcontext()).client.connect()
    assert entered == [1]
