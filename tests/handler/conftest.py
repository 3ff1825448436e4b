"""Shared by the tests of the handler."""

import pytest

from cwlog_handler.system import own_calls


@pytest.fixture
def no_thread(monkeypatch):
    """Not counted by ``threading``, which knows those of other tests and not ours."""
    monkeypatch.setattr(own_calls, "start_native_thread", lambda *_: pytest.fail("a thread was started"))
