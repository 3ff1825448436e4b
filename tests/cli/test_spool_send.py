"""``python -m cwlog_handler spool send``: delivers what the dead have left, where the user says, and nowhere else."""

from __future__ import annotations

import os
import pty
import signal
import subprocess

import pytest

from cwlog_handler.spool import frames
from cwlog_handler.testing import FakeCloudWatchLogs, access_denied, throttle

from ..programs import HANG_LIMIT, environment, python, started
from .conftest import run
from .spools import Spool, events, held, ms, settled

pytestmark = pytest.mark.any_python


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
def send(spool, url):
    def send(*arguments, endpoint=url, **env):
        return run("spool", "send", "--endpoint-url", endpoint, *arguments, spool.path, **env)

    return send


def arrived(fake, group, stream):
    return [(event.timestamp, event.message) for event in fake.events(group, stream)]


def test_what_is_left_arrives_in_its_stream_with_its_times(send, spool, fake, url):
    spool.leave(events(["a", "b", "c"], ms(hours=3)), settled(0, 0), events(["x"], ms(hours=2), "t", 3), endpoint=url)
    spool.leave(events(["d"], ms(hours=1)), endpoint=url, machine="web-2")

    ended = send("--log-group-name", "g")

    assert arrived(fake, "g", "s") == [(ms(hours=3) + 1000, "b"), (ms(hours=3) + 2000, "c"), (ms(hours=1), "d")]
    assert arrived(fake, "g", "t") == [(ms(hours=2), "x")]
    assert ended.status == 0
    assert spool.names == []
    assert "4 events in 2 files, logged from " in ended.errors
    assert f"4 events delivered to g, us-east-1, {url}" in ended.errors


def test_a_group_that_was_not_given_is_shown_and_left(send, spool, fake, url):
    spool.leave(events(["a"]), endpoint=url)
    other = spool.leave(events(["b"]), endpoint=url, group="other")

    ended = send("--log-group-name", "g")

    assert list(fake.groups) == ["g"]
    assert ended.status == 0
    assert spool.names == [other.name]
    assert "for other, us-east-1" in ended.errors
    assert "not sent: its log group was not given" in ended.errors


def test_several_groups_may_be_given(send, spool, fake, url):
    for group in ("g", "h", "i"):
        spool.leave(events([group]), endpoint=url, group=group)

    ended = send("--log-group-name", "g", "--log-group-name", "h")

    assert (sorted(fake.groups), ended.status, len(spool.names)) == (["g", "h"], 0, 1)


def test_yes_means_all_groups_and_regions_that_were_found(send, spool, fake, url):
    spool.leave(events(["a"]), endpoint=url)
    spool.leave(events(["b"]), endpoint=url, group="other", region="eu-west-1")

    ended = send("--yes")

    assert fake.messages("g", "s") == ["a"]
    assert fake.messages("other", "s") == ["b"]
    assert (ended.status, spool.names) == (0, [])


TENANTS = "/app/{record:tenant|none}"


@pytest.mark.parametrize("given", [TENANTS, "/{env:ROOT}/{record:tenant|none}"])
def test_what_was_logged_by_a_template_arrives_in_the_groups_it_was_logged_for(send, spool, fake, url, given):
    """The template is given as the handler had it, or as the list shows it: with its variables put in."""
    parts = [events([name], stream=f"/app/{name}:s", first_id=n) for n, name in enumerate("abcd")]
    spool.leave(*parts, endpoint=url, group=TENANTS, stream="")

    ended = send("--log-group-name", given, ROOT="app")

    assert {name: fake.messages(name, "s") for name in fake.groups} == {f"/app/{name}": [name] for name in "abcd"}
    assert ended.status == 0
    assert spool.names == []
    assert f"for {TENANTS}, us-east-1, {url} (log groups /app/a, /app/b, /app/c and 1 more)" in ended.errors
    assert f"4 events delivered to {TENANTS}" in ended.errors


@pytest.mark.parametrize("group", ["/other/a", "/app/a/audit", "aws/a", ""])
def test_a_group_that_the_template_does_not_make_is_never_sent_to(send, spool, fake, url, group):
    """A file's own words decide nothing, not even with --yes."""
    parts = [events(["ours"], stream="/app/a:s"), events(["theirs"], stream=f"{group}:s", first_id=1)]
    spool.leave(*parts, endpoint=url, group=TENANTS, stream="")

    ended = send("--yes")

    assert fake.messages("/app/a", "s") == ["ours"]
    assert list(fake.groups) == ["/app/a"]
    assert ended.status == 1
    assert [name[-4:] for name in spool.names] == [".bad"]
    assert "1 not sent: corrupt" in ended.errors


def test_a_file_cannot_have_a_variable_of_the_environment_sent(send, spool, fake, url):
    """Otherwise a forged head could put a secret into the name of a group."""
    spool.leave(events(["a"]), endpoint=url, group="/{env:AWS_SECRET_ACCESS_KEY}", stream="s")

    ended = send("--yes")

    assert ended.status == 1
    assert fake.requests == []


@pytest.mark.parametrize("arguments", [("--yes",), ("--log-group-name", "g")])
def test_an_endpoint_is_never_taken_from_a_file(send, spool, fake, arguments):
    """A planted file would otherwise send records, and signed requests, to whoever wrote it."""
    elsewhere = FakeCloudWatchLogs()
    with elsewhere.serve() as theirs:
        path = spool.leave(events(["secret"]), endpoint=theirs)

        ended = send(*arguments)

    assert elsewhere.requests == []
    assert fake.requests == []
    assert ended.status == 1
    assert "if that of the file is right, give it as --endpoint-url" in ended.errors
    assert path.exists()


def test_a_region_that_was_not_agreed_to_is_not_sent_to(send, spool, fake, url):
    path = spool.leave(events(["a"]), endpoint=url, region="eu-west-1")

    ended = send("--log-group-name", "g")

    assert (fake.requests, ended.status, path.exists()) == ([], 1, True)
    assert "the region would be us-east-1: if that of the file is right, give it as --region-name" in ended.errors
    assert send("--log-group-name", "g", "--region-name", "eu-west-1").status == 0


def test_the_region_s_own_endpoint_is_not_replaced_by_another(send, spool, fake):
    path = spool.leave(events(["a"]), endpoint="")

    ended = send("--yes")

    assert (fake.requests, ended.status, path.exists()) == ([], 1, True)
    assert "it was logged for the region's own endpoint" in ended.errors


def test_without_a_terminal_somebody_has_to_say_where(send, spool, fake, url):
    path = spool.leave(events(["a"]), endpoint=url)

    ended = send()

    assert (fake.requests, ended.status, path.exists()) == ([], 2, True)
    assert "1 event in 1 file" in ended.errors
    assert "give --log-group-name, or --yes" in ended.errors


@pytest.mark.parametrize(("answer", "status", "texts"), [(b"yes\n", 0, ["a"]), (b"n\n", 1, None)])
def test_on_a_terminal_it_asks(spool, fake, url, answer, status, texts):
    spool.leave(events(["a"]), endpoint=url)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        python("-m", "cwlog_handler", "spool", "send", "--endpoint-url", url, str(spool.path)),
        env=environment(),
        stdin=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    try:
        os.write(ours, answer)
        _, errors = process.communicate(timeout=HANG_LIMIT)
    finally:
        process.kill()
        os.close(ours)

    assert process.returncode == status
    assert b"Send them there?" in errors
    assert (fake.messages("g", "s") if fake.groups else None) == texts


def test_on_a_terminal_a_bar_shows_how_far_it_is(spool, fake, url):
    pytest.importorskip("rich")
    fake.create("g", "s")
    fake.fail(access_denied(), times=None)
    spool.leave(events(["a", "b"]), endpoint=url)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        python("-m", "cwlog_handler", "spool", "send", "--endpoint-url", url, "--log-group-name", "g", str(spool.path)),
        env=environment(TERM="xterm-256color", COLUMNS="150", NO_COLOR="1"),
        stdin=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        shown = b""
        while b"0%" not in shown or b"0 delivered (0/s), 2 waiting" not in shown:
            shown += os.read(ours, 4096)
        process.send_signal(signal.SIGTERM)
        # Read on: a full terminal would hold the process up.
        while (more := read_terminal(ours)) != b"":
            shown += more
        status = process.wait(HANG_LIMIT)
    finally:
        process.kill()
        os.close(ours)

    assert status == 1
    assert b"interrupted: 0 events delivered" in shown


def read_terminal(fd):
    """What was written to a terminal; b"" once all who had it open have closed it."""
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""


def test_the_file_of_a_living_process_is_left_to_it(send, spool, fake, url):
    with held(spool.leave(events(["a"]), endpoint=url)):
        ended = send("--yes")

    assert (fake.requests, ended.status, len(spool.names)) == ([], 0, 1)
    assert "nothing is left by processes that are gone" in ended.errors


def test_more_than_is_taken_over_at_a_time_arrives_in_order(send, spool, fake, url):
    """Twelve files, of which no more than a few are held at a time."""
    texts = [f"event {number}" for number in range(36_000)]
    for number in range(12):
        part = texts[3000 * number :][:3000]
        path = spool.leave(events(part, ms(hours=20) + 3_000_000 * number), endpoint=url)
        os.utime(path, (number, number))

    ended = send("--log-group-name", "g", "--requests-per-second", "1000")

    assert fake.messages("g", "s") == texts
    assert (ended.status, spool.names) == (0, [])


def test_what_callers_wrote_themselves_arrives_too(send, spool, fake, url):
    """A file of the mode "always"."""
    moment = ms(hours=1)
    area = frames.record(0, moment / 1000, b"", b"own") + frames.record(1, moment / 1000, b"t", b"named")
    spool.leave(area.ljust(4096, b"\0"), endpoint=url, area=4096)

    ended = send("--log-group-name", "g")

    assert arrived(fake, "g", "own") == [(moment, "own")]
    assert arrived(fake, "g", "t") == [(moment, "named")]
    assert (ended.status, spool.names) == (0, [])


def test_too_old_events_are_counted_and_make_a_status(send, spool, fake, url):
    spool.leave(events(["old"], ms(days=15)), events(["young"], first_id=1), endpoint=url)

    ended = send("--log-group-name", "g")

    assert ended.status == 1
    assert "1 not sent: too_old" in ended.errors
    assert fake.messages("g", "s") == ["young"]
    assert spool.names == []


def test_a_service_that_refuses_costs_nothing(send, spool, fake, url):
    fake.create("g", "s")
    fake.fail(access_denied(), times=None)
    path = spool.leave(events(["a", "b"]), endpoint=url)

    # The time begins before the thread has started that takes the file over.
    ended = send("--log-group-name", "g", "--give-up-after", "6")

    assert ended.status == 1
    assert "gave up: 0 events delivered" in ended.errors
    assert "2 not delivered, they stay in the directory: " in ended.errors
    fake.clear_faults()
    assert send("--log-group-name", "g").status == 0
    assert fake.messages("g", "s") == ["a", "b"]
    assert not path.exists()


def test_throttled_for_a_while_is_no_failure(send, spool, fake, url):
    fake.create("g", "s")
    fake.fail(throttle(), times=2)
    spool.leave(events(["a"]), endpoint=url)

    assert send("--log-group-name", "g").status == 0
    assert fake.messages("g", "s") == ["a"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_what_is_left_stays(spool, fake, url, number):
    fake.create("g", "s")
    fake.fail(access_denied(), times=None)
    spool.leave(events(["a"]), endpoint=url)
    argv = python(
        "-m", "cwlog_handler", "spool", "send", "--endpoint-url", url, "--log-group-name", "g", str(spool.path)
    )

    with started(argv) as program:
        program.wait_for("is not allowed")
        program.signal(number)
        status = program.wait()

    assert status == 1
    assert "interrupted: 0 events delivered" in program.output
    assert len(spool.names) == 1


def test_an_option_that_cannot_be_is_wrong_usage(send, spool, url):
    spool.leave(events(["a"]), endpoint=url)

    ended = send("--log-group-name", "g", "--requests-per-second", "-1")

    assert ended.status == 2
    assert "requests_per_second=-1.0" in ended.errors


KILLED = """
import logging, os, signal, sys
from cwlog_handler import CloudWatchLogsHandler

handler = CloudWatchLogsHandler("g", "s", endpoint_url=sys.argv[2], spool_dir=sys.argv[1])
logger = logging.getLogger("shop")
logger.addHandler(handler)
for number in range(3):
    logger.error("order %d", number)
while handler.stats.spooled < 3:
    handler.flush(0.1)
print("spooled", flush=True)
signal.pause()
"""


def test_a_program_that_was_killed_in_an_outage_loses_nothing(send, spool, fake, url):
    """From the killed program's own files: the whole way, without its next start."""
    fake.create("g", "s")
    fake.fail(access_denied(), times=None)
    with started(python("-c", KILLED, str(spool.path), url)) as program:
        program.wait_for("spooled")
        listed = run("spool", "list", spool.path).output
        alone = send("--log-group-name", "g")
        program.signal(signal.SIGKILL)
        program.wait()
    fake.clear_faults()

    ended = send("--log-group-name", "g")

    assert f" {program.pid} alive" in listed
    assert "3 events of processes that are alive" in listed
    assert "nothing is left by processes that are gone" in alone.errors
    assert ended.status == 0
    assert fake.messages("g", "s") == ["order 0", "order 1", "order 2"]
    assert spool.names == []


ROLE = "arn:aws:iam::222222222222:role/logs"


def test_what_was_logged_with_a_role_goes_only_to_its_account(spool, fake, url):
    fake.create_role(ROLE)
    spool.leave(events(["theirs"]), endpoint=url, account="222222222222")
    group = ("--log-group-name", "g", "--endpoint-url", url)

    without = run("spool", "send", *group, spool.path, AWS_ENDPOINT_URL=url)
    other = run("spool", "send", *group, "--role-arn", ROLE.replace("2222", "3333"), spool.path, AWS_ENDPOINT_URL=url)

    for ended in (without, other):
        assert ended.status == 1
        assert "it was logged with a role of account 222222222222: give that role as --role-arn" in ended.errors
    assert fake.messages("g") == []

    ended = run("spool", "send", *group, "--role-arn", ROLE, spool.path, AWS_ENDPOINT_URL=url)

    assert ended.status == 0, ended.errors
    assert fake.messages("g") == ["theirs"]
    assert {request.assumed_role for request in fake.requests if request.operation == "PutLogEvents"} == {
        f"arn:aws:sts::222222222222:assumed-role/logs/{_session_name()}"
    }


def test_what_was_logged_without_a_role_goes_to_no_other_account(spool, fake, url):
    fake.create_role(ROLE)
    spool.leave(events(["ours"]), endpoint=url)

    ended = run(
        "spool", "send", "--log-group-name", "g", "--endpoint-url", url, "--role-arn", ROLE, spool.path,
        AWS_ENDPOINT_URL=url,
    )  # fmt: skip

    assert ended.status == 1
    assert "it was logged without a role, and this command would assume one of account 222222222222" in ended.errors
    assert fake.requests == []


def test_the_account_is_shown(spool, url):
    spool.leave(events(["theirs"]), endpoint=url, account="222222222222")

    assert f"us-east-1, {url}, account 222222222222" in run("spool", "list", spool.path).output
    listed = run("spool", "list", "--json", spool.path).output
    assert '"account": "222222222222"' in listed


def _session_name():
    from cwlog_handler.aws.roles import default_session_name

    return default_session_name()
