"""Shared by the tests of the handler."""

import _thread
import sys

import pytest

from ..programs import HANG_LIMIT

# From Python 3.13 on there are two functions.
STARTS = {getattr(_thread, name) for name in ("start_new_thread", "start_joinable_thread") if hasattr(_thread, name)}


@pytest.fixture
def no_thread():
    """Fail if the test has started a thread, by whatever function of ours or of the standard library."""
    started = []

    def on_event(frame, event, function):
        if event == "c_call" and function in STARTS:
            started.append(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(on_event)
    yield
    sys.setprofile(before)
    assert not started


@pytest.fixture
def attach(attach):
    """Make a handler as elsewhere, but one whose flush and close are in vain only if something hangs."""
    return lambda **options: attach(**{"close_timeout": HANG_LIMIT, **options})
