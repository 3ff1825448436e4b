"""Several threads want the client at once."""

import concurrent.futures
import socket
import sys
from contextlib import nullcontext

import pytest

from cwlog_handler.core.outcomes import Connected, Unavailable

from ...programs import HANG_LIMIT
from .subject import Subject


class SlowCredentials:
    """A program that is asked for credentials, and waits until it may give them."""

    def __init__(self, door):
        self._door = door
        self._waiting = []

    def wait_until_asked(self):
        """Wait until somebody asks once more."""
        self._waiting.append(self._door.accept()[0])

    def give(self):
        """Let all that wait have credentials."""
        while self._waiting:
            self._waiting.pop().close()


@pytest.fixture
def slow_credentials(environment, tmp_path):
    """A profile, ``slow``, whose credentials come when the test says so."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(HANG_LIMIT)
        program = tmp_path / "credentials.py"
        program.write_text(
            "import json, socket\n"
            f"socket.create_connection({door.getsockname()!r}).recv(1)\n"
            "print(json.dumps({'Version': 1, 'AccessKeyId': 'a', 'SecretAccessKey': 'b'}))\n"
        )
        config = tmp_path / "config"
        config.write_text(f"[profile slow]\nregion = us-east-1\ncredential_process = {sys.executable} {program}\n")
        environment.setenv("AWS_CONFIG_FILE", str(config))
        credentials = SlowCredentials(door)
        yield credentials
        credentials.give()


def test_a_thread_does_not_wait_without_an_end_for_another_that_makes_the_client(slow_credentials):
    """F25: at exit the caller has a deadline; credentials may take minutes to come."""
    client = Subject(profile_name="slow").client
    with concurrent.futures.ThreadPoolExecutor() as threads:
        other = threads.submit(client.connect)
        slow_credentials.wait_until_asked()
        outcome = client.connect(0.05)
        assert isinstance(outcome, Unavailable)
        assert not outcome.ambiguous
        # The next try asks for itself: what was waited for may never come.
        third = threads.submit(client.connect, 5.0)
        slow_credentials.wait_until_asked()
        slow_credentials.give()
        assert isinstance(other.result(), Connected)
        assert isinstance(third.result(), Connected)
    assert isinstance(client.connect(), Connected)


def test_a_client_is_used_while_another_thread_makes_one_with_other_time_outs(ready):
    """Better one with the wrong time-outs than none, and a lock that Ctrl-C has left taken is not waited for again."""
    client = Subject(region_name="us-east-1").client
    client.connect()
    usual = client._maker.client
    assert client._maker._source.lock.acquire()
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
