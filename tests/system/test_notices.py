"""What the operator reads on stderr."""

import sys
from types import SimpleNamespace

from cwlog_handler.system.stderr import Notices


def test_a_cause_is_said_once_a_minute_and_again_afterwards(capsys):
    """F21: neither the same line for ever nor silence for ever; other causes are not held back."""
    now = [1000.0]
    told = Notices(lambda: now[0])
    for at, cause in [(1000.0, "a"), (1059.9, "a"), (1059.9, "b"), (1060.0, "a"), (1119.9, "a")]:
        now[0] = at
        told.say(cause, f"{cause} at {at:g}")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"cwlog_handler: {text}" for text in ("a at 1000", "b at 1059.9", "a at 1060")]


def test_a_notice_never_raises_whatever_stderr_is(monkeypatch):
    """stderr may be None, closed or an object of the program's own."""

    def write(_):
        raise OSError("no space left")

    for stderr in (None, SimpleNamespace(write=write, flush=lambda: None)):
        monkeypatch.setattr(sys, "stderr", stderr)
        Notices(lambda: 0.0).say("cause", "text")


def test_without_a_stderr_nothing_gets_into_the_output(monkeypatch, capsys):
    """``print(file=None)`` would write it there."""
    monkeypatch.setattr(sys, "stderr", None)
    Notices(lambda: 0.0).say("cause", "text")
    assert capsys.readouterr().out == ""
