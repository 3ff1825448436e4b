"""``python -m cwlog_handler send``: what goes in comes out, and what does not is said."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest

from cwlog_handler.testing import access_denied, slow, throttle

from ..programs import HANG_LIMIT, environment, python
from .conftest import run

pytestmark = pytest.mark.any_python

NOW = datetime.now(timezone.utc).replace(microsecond=0)
FORMAT = "%Y-%m-%d %H:%M:%S"


def ago(**time):
    return NOW - timedelta(**time)


def stamp(moment):
    return moment.strftime(FORMAT)


def ms(moment):
    return int(moment.timestamp() * 1000)


@pytest.fixture
def send(url):
    def send(text, *arguments, **env):
        stdin = text if isinstance(text, bytes) else text.encode()
        where = ("--log-group-name", "g", "--log-stream-name", "s", "--endpoint-url", url)
        return run("send", *where, *arguments, stdin=stdin, **env)

    return send


@pytest.fixture
def sending(url):
    """A process that sends what is written to its stdin."""
    processes = []

    def sending(*arguments):
        command = python("-m", "cwlog_handler", "send", "--log-group-name", "g", "--log-stream-name", "s")
        process = subprocess.Popen(
            [*command, "--endpoint-url", url, *arguments],
            env=environment(),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield sending
    for process in processes:
        process.kill()
        process.communicate()


def errors_of(process):
    _, errors = process.communicate(timeout=HANG_LIMIT)
    return errors.decode()


def test_every_line_becomes_an_event_in_order(send, fake):
    lines = [f"line {number} %s %(x)s {{}}" for number in range(20_000)]

    ended = send("\n".join(lines) + "\n")

    assert fake.messages("g", "s") == lines
    assert ended.status == 0
    assert "20,000 lines read, 20,000 events delivered" in ended.errors
    assert ended.output == ""


def test_a_last_line_without_an_end_is_a_line(send, fake):
    assert send("one\ntwo").status == 0
    assert fake.messages("g", "s") == ["one", "two"]


def test_no_input_is_all_delivered(send):
    ended = send("")

    assert ended.status == 0
    assert "0 lines read, 0 events delivered" in ended.errors


def test_empty_lines_are_said_and_no_failure(send, fake):
    ended = send("one\n\n\r\ntwo\r\n")

    assert fake.messages("g", "s") == ["one", "two"]
    assert ended.status == 0
    assert "2 empty lines left out" in ended.errors


def test_broken_utf_8_is_replaced_and_said(send, fake):
    ended = send("\ufeffgrün\n".encode() + b"br\xf6ken\nwhole\n")

    assert fake.messages("g", "s") == ["grün", "br\ufffdken", "whole"]
    assert ended.status == 0
    assert "1 lines were not UTF-8" in ended.errors


def test_a_file_without_line_ends_arrives_in_pieces_and_whole(send, fake):
    text = "0123456789äöü🧀" * 400_000

    ended = send(text)

    assert "".join(fake.messages("g", "s")) == text
    assert ended.status == 0
    assert "pieces cut from lines of more than 4 MiB" in ended.errors


def test_a_back_fill_keeps_its_times(send, fake):
    first, second = ago(days=10), ago(hours=3)

    ended = send(f"{stamp(first)} one\n{stamp(second)} two\n", "--timestamp-format", FORMAT)

    events = [(event.timestamp, event.message) for event in fake.events("g", "s")]
    assert events == [(ms(first), f"{stamp(first)} one"), (ms(second), f"{stamp(second)} two")]
    assert ended.status == 0


def test_a_line_without_a_timestamp_has_the_time_of_the_line_before(send, fake):
    moment = ago(days=2)

    ended = send(f"early\n{stamp(moment)} one\n  File x\n\nError", "--timestamp-format", FORMAT)

    events = [(event.timestamp, event.message) for event in fake.events("g", "s")]
    assert events[:3] == [(ms(moment), f"{stamp(moment)} one"), (ms(moment), "  File x"), (ms(moment), "Error")]
    assert events[3][1] == "early"
    assert abs(events[3][0] - time.time() * 1000) < 120_000
    assert "line 1 does not begin with a time of the format '%Y-%m-%d %H:%M:%S': 'early'" in ended.errors
    assert "1 lines before the first timestamp" in ended.errors
    assert ended.status == 0


def test_a_format_that_fits_no_line_is_told_at_once_and_in_the_status(sending, fake):
    """All of a back-fill would be stored with the present time, which nobody can correct."""
    process = sending("--timestamp-format", FORMAT)
    process.stdin.write(b"03/01/2026 10:11 one\n")
    process.stdin.flush()
    first = process.stderr.readline().decode()
    process.stdin.write(b"03/01/2026 10:12 two\n")
    errors = errors_of(process)

    assert "line 1 does not begin with a time of the format" in first
    assert "'03/01/2026 10:11 one'" in first
    assert "does not begin" not in errors
    assert "2 lines have the present time: none begins with a time of the format" in errors
    assert process.returncode == 1
    assert fake.messages("g", "s") == ["03/01/2026 10:11 one", "03/01/2026 10:12 two"]


def test_continuation_lines_may_be_joined_to_one_event(send, fake):
    one, two = ago(days=2), ago(days=1)

    text = f"{stamp(one)} one\n  File x\n\nError\n\n{stamp(two)} two\n"
    ended = send(text, "--timestamp-format", FORMAT, "--join-lines")

    events = [(event.timestamp, event.message) for event in fake.events("g", "s")]
    assert events == [(ms(one), f"{stamp(one)} one\n  File x\n\nError"), (ms(two), f"{stamp(two)} two")]
    assert ended.status == 0


def test_joined_lines_that_are_too_long_for_one_event_are_cut_between_lines(send, fake):
    text = f"{stamp(ago(hours=1))} one\n" + "  File x, line 1, in y\n" * 60_000

    assert send(text, "--timestamp-format", FORMAT, "--join-lines").status == 0

    first, second = fake.messages("g", "s")
    assert f"{first}\n{second}\n" == text
    assert len(first) > 1_000_000


def test_a_joined_event_does_not_wait_for_the_next_one_for_ever(sending, fake):
    """The traceback that a program died of is the last thing in its log, and what somebody looks for."""
    process = sending("--timestamp-format", FORMAT, "--join-lines")
    text = f"{stamp(ago(hours=1))} one\n  File x\nError"

    process.stdin.write(f"{text}\n".encode())
    process.stdin.flush()

    assert fake.wait_for(lambda: fake.messages("g", "s") == [text])
    assert process.poll() is None


def test_lines_that_are_too_old_are_counted_and_make_the_difference(send, fake):
    ended = send(f"{stamp(ago(days=20))} old\n{stamp(ago(days=1))} new\n", "--timestamp-format", FORMAT)

    assert fake.messages("g", "s") == [f"{stamp(ago(days=1))} new"]
    assert ended.status == 1
    assert "1 not sent: too_old (more than 14 days ago, or than --log-group-retention-days)" in ended.errors


def test_throttling_costs_time_and_no_line(send, fake):
    fake.fail(throttle(), times=2)

    assert send("one\ntwo\n").status == 0
    assert fake.messages("g", "s") == ["one", "two"]


def test_it_gives_up_when_nothing_can_be_delivered_for_long(sending, fake):
    fake.fail(access_denied())
    process = sending("--give-up-after", "1")
    process.stdin.write(b"one\ntwo\n")
    process.stdin.flush()
    # Only once the first was answered is there a second; and only at the end of the input does the time begin.
    assert fake.wait_for(lambda: len(fake.requests) >= 2)

    errors = errors_of(process)

    assert process.returncode == 1
    assert "2 not delivered: logs:PutLogEvents is not allowed" in errors
    assert "gave up: all lines were read" in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_delivers_what_was_read_and_says_so(sending, fake, number):
    process = sending()
    process.stdin.write(b"one\ntwo\nunfini")
    process.stdin.flush()
    assert fake.wait_for(lambda: fake.messages("g", "s") == ["one", "two"])

    process.send_signal(number)
    errors = errors_of(process)

    assert process.returncode == 1
    assert fake.messages("g", "s") == ["one", "two"]
    assert "2 lines read, 2 events delivered" in errors
    assert "interrupted: what follows line 2 was not read" in errors


def test_a_signal_between_two_lines_is_no_end_of_the_input(sending, fake):
    """As in ``tail -f … | send``: what would have come is not known."""
    process = sending()
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert fake.wait_for(lambda: fake.messages("g", "s") == ["one"])

    process.send_signal(signal.SIGINT)
    errors = errors_of(process)

    assert process.returncode == 1
    assert "interrupted: what follows line 1 was not read" in errors


def test_a_signal_that_whoever_started_it_has_ignored_is_ignored(url, fake):
    """As a shell does for SIGINT in what its scripts start in the background."""
    command = python("-m", "cwlog_handler", "send", "--log-group-name", "g", "--endpoint-url", url)
    process = subprocess.Popen(
        ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command],
        env=environment(),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert fake.wait_for(lambda: fake.messages("g") == ["one"])

    process.send_signal(signal.SIGINT)
    process.stdin.write(b"two\n")

    assert "2 lines read, 2 events delivered" in errors_of(process)
    assert process.returncode == 0


def test_a_signal_before_anything_was_delivered_delivers_it(sending, fake):
    fake.fail(slow(1.0), times=1)
    process = sending()
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert fake.wait_for(lambda: fake.requests)

    process.send_signal(signal.SIGINT)
    errors = errors_of(process)

    assert fake.messages("g", "s") == ["one"]
    assert "1 lines read, 1 events delivered" in errors


def test_a_second_signal_ends_the_waiting(sending, fake):
    fake.fail(access_denied())
    process = sending()
    process.stdin.write(b"one\n")
    process.stdin.flush()
    # There is a second once the first was answered, so that the reason is known.
    assert fake.wait_for(lambda: len(fake.requests) >= 2)

    process.send_signal(signal.SIGINT)
    while b"once more ends that at once" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    errors = errors_of(process)

    assert process.returncode == 1
    assert "interrupted again: no longer waiting" in errors
    assert "0 events delivered" in errors
    assert "1 not delivered: logs:PutLogEvents is not allowed" in errors


def test_a_backlog_holds_the_reading_up(sending, fake):
    """However large the input: what is not delivered is not read, but for a bounded part."""
    fake.fail(access_denied())
    process = sending()
    block = b"".join(b"%07d %s\n" % (number, b"x" * 1000) for number in range(1000))
    written = 0
    os.set_blocking(process.stdin.fileno(), False)
    quiet_since = time.monotonic()
    # A pipe that takes nothing for seconds, while the process lives, has nobody who reads: unless the process has not
    # been able to read so far.
    while time.monotonic() < quiet_since + 3.0 or not fake.requests or written <= 4_000_000:
        assert time.monotonic() < quiet_since + HANG_LIMIT
        try:
            written += os.write(process.stdin.fileno(), block)
            quiet_since = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
        # Half of what the handler would hold before it held its caller up, where no signal would be noticed.
        assert written < 32_000_000

    assert process.poll() is None


def test_a_plain_line_where_stderr_is_no_terminal_and_a_bar_where_it_is(url, fake):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        python("-m", "cwlog_handler", "send", "--log-group-name", "g", "--endpoint-url", url),
        env=environment(TERM="xterm-256color", COLUMNS="150", NO_COLOR="1"),
        stdin=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    process.stdin.write(b"one\n")
    process.stdin.flush()
    while b"1 delivered" not in shown:
        shown += os.read(ours, 4096)
    process.stdin.close()
    while True:
        try:
            more = os.read(ours, 4096)
        except OSError:  # Linux: nobody is at the other end any more
            break
        if not more:
            break
        shown += more
    os.close(ours)

    assert process.wait(HANG_LIMIT) == 0
    assert b"1 waiting" in shown or b"0 waiting" in shown
    assert b"0 rejected" in shown
    assert b"1 lines read, 1 events delivered" in shown


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_stderr_that_takes_nothing_keeps_no_line_from_being_delivered(url, fake, redirection):
    """It is for people; what became of the lines is in the exit status too."""
    command = python("-m", "cwlog_handler", "send", "--log-group-name", "g", "--endpoint-url", url)
    ended = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *command],
        env=environment(),
        input=b"one\ntwo\n",
        stdout=subprocess.PIPE,
        timeout=HANG_LIMIT,
    )

    assert fake.messages("g") == ["one", "two"]
    assert (ended.returncode, ended.stdout) == (0, b"")


def test_a_reader_of_stderr_that_goes_away_keeps_no_line_from_being_delivered(sending, fake):
    """As in ``send 2>&1 | head -1``."""
    process = sending()
    process.stderr.close()
    process.stderr = None
    process.stdin.write(b"one\ntwo\n")

    process.stdin.close()

    assert process.wait(HANG_LIMIT) == 0
    assert fake.messages("g", "s") == ["one", "two"]


def test_an_input_that_cannot_be_read_is_told(url, fake):
    command = python("-m", "cwlog_handler", "send", "--log-group-name", "g", "--endpoint-url", url)
    with open(os.devnull, "wb") as for_writing:
        ended = subprocess.run(
            command, env=environment(), stdin=for_writing, stderr=subprocess.PIPE, timeout=HANG_LIMIT, text=True
        )

    assert ended.returncode == 1
    assert "standard input cannot be read: [Errno 9] Bad file descriptor" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_input_that_does_not_block_is_waited_for(url, fake):
    """As it comes where another process of the same pipeline has made it so."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    process = subprocess.Popen(
        python("-m", "cwlog_handler", "send", "--log-group-name", "g", "--endpoint-url", url),
        env=environment(),
        stdin=ours,
        stderr=subprocess.PIPE,
    )
    os.close(ours)
    os.write(theirs, b"one\n")
    assert fake.wait_for(lambda: fake.messages("g") == ["one"])
    os.write(theirs, b"two\n")
    os.close(theirs)

    assert "2 lines read, 2 events delivered" in errors_of(process)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--log-group-name"),
        (("--log-group-name", "not a name"), "log_group_name='not a name'"),
        (("--log-group-name", "g", "--timestamp-format", "%H:%M"), "no day"),
        (("--log-group-name", "g", "--timestamp-format", "%d %Q"), "no format of strptime"),
        (("--log-group-name", "g", "--timestamp-format", "%d", "--timezone", "Mars/Base"), "no time zone 'Mars/Base'"),
        (("--log-group-name", "g", "--join-lines"), "--timestamp-format"),
        (("--log-group-name", "g", "--log-group-tags", "team"), "KEY=VALUE"),
        (("--log-group-name", "g", "--give-up-after", "0"), "more than 0 seconds"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_read(arguments, said):
    ended = run("send", *arguments, stdin=b"one\n")

    assert ended.status == 2
    assert said in ended.errors


def test_the_options_reach_the_handler(send, fake):
    options = ("--log-group-retention-days", "7", "--log-group-tags", "team=search", "cost=a=b")

    assert send("one\n", *options, "--requests-per-second", "2").status == 0
    assert fake.groups["g"].retention_days == 7
    assert fake.groups["g"].tags == {"team": "search", "cost": "a=b"}


def test_the_stream_is_named_after_the_command_by_default(url, fake):
    assert run("send", "--log-group-name", "g", "--endpoint-url", url, stdin=b"one\n").status == 0

    (stream,) = fake.streams("g")
    assert re.fullmatch(r".+/send/\d+", stream)


def test_importing_the_handler_brings_in_no_command():

    program = "import sys, cwlog_handler; print([m for m in sys.modules if (m + '.').startswith('cwlog_handler.cli.')])"
    ended = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, check=True)

    assert ended.stdout.strip() == b"[]"
