"""What the operator reads on stderr."""

import sys
from types import SimpleNamespace

from cwlog_handler.system.stderr import MOST_ABOUT, Notices


def test_a_cause_is_said_once_a_minute_and_again_afterwards(capsys):
    """F21: neither the same line for ever nor silence for ever; other causes are not held back."""
    now = [1000.0]
    told = Notices(lambda: now[0])
    for at, cause in [(1000.0, "a"), (1059.9, "a"), (1059.9, "b"), (1060.0, "a"), (1119.9, "a")]:
        now[0] = at
        told.say(cause, f"{cause} at {at:g}")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"cwlog_handler: {text}" for text in ("a at 1000", "b at 1059.9", "a at 1060")]


def test_a_cause_is_said_of_a_few_places_and_then_that_there_are_others(capsys):
    """Thousands of log groups may be refused together; what is kept of them must not grow for ever either."""
    now = [1000.0]
    told = Notices(lambda: now[0])
    for minute in range(3):
        now[0] = 1000.0 + 60.0 * minute
        for number in range(10_000):
            told.say("denied", f"{minute}: group {number}.", f"{number}")
        told.say("other", f"{minute}: another cause.")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 * (MOST_ABOUT + 2)
    for minute in range(3):
        of_it = [line for line in lines if line.startswith(f"cwlog_handler: {minute}: ")]
        assert of_it[0] == f"cwlog_handler: {minute}: group 0."
        assert of_it[MOST_ABOUT].startswith(f"cwlog_handler: {minute}: group {MOST_ABOUT}. The same happens elsewhere")
        assert of_it[-1] == f"cwlog_handler: {minute}: another cause."
    assert len(told._said) < 200


def test_a_line_is_written_in_one_piece(monkeypatch):
    """Without a buffer, as with PYTHONUNBUFFERED, lines of other processes would get in between two pieces."""
    pieces = []
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=pieces.append, flush=lambda: None))
    Notices(lambda: 0.0).say("cause", "text")
    assert pieces == ["cwlog_handler: text\n"]


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
