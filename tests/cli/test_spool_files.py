"""``python -m cwlog_handler spool list``, ``export`` and ``drop``: what they say of files, and what they leave."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess

import pytest

from cwlog_handler.cli import main
from cwlog_handler.cli.spool import export, survey
from cwlog_handler.spool import frames
from cwlog_handler.spool.disk import NoLocks

from ..programs import HANG_LIMIT, environment, python
from .spools import Spool, events, held, is_free, iso, ms, settled

pytestmark = pytest.mark.any_python


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
def command(capfd):
    """Run a part of the command in this process; return status, stdout and stderr."""

    def command(*arguments):
        try:
            status = main(["spool", *map(str, arguments)])
        except SystemExit as ended:
            status = ended.code
        return (status, *capfd.readouterr())

    return command


@pytest.fixture
def listed(command, spool):
    def listed():
        status, output, _ = command("list", "--json", spool.path)
        assert status == 0
        return {file["name"]: file for file in json.loads(output)["files"]}

    return listed


@pytest.fixture
def exported(command, spool):
    def exported():
        status, output, errors = command("export", spool.path)
        return status, [json.loads(line) for line in output.splitlines()], errors

    return exported


@pytest.fixture
def no_locks(monkeypatch):
    """As on some network file systems."""

    def refuse(_fd):
        raise NoLocks(95, "Operation not supported")

    monkeypatch.setattr(survey._disk, "lock", refuse)


# -- list


def test_the_table_says_whose_each_file_is_and_what_is_left(command, spool):
    first = spool.leave(events(["a", "b"], ms(hours=3)), events(["c"], ms(hours=2), "t", 2), settled(0, 0))

    status, output, _ = command("list", spool.path)

    heading, row, sums = output.splitlines()
    assert status == 0
    assert heading.split() == [
        "file",
        "size",
        "owner",
        "events",
        "oldest",
        "newest",
        "log",
        "group",
        "region",
        "streams",
    ]
    cells = row.split("  ")
    cells = [cell.strip() for cell in cells if cell.strip()]
    assert cells == [
        first.name,
        f"{first.stat().st_size} B",
        "web-1 4711 gone",
        "2",
        iso(ms(hours=3)),
        iso(ms(hours=2)),
        "g",
        "us-east-1",
        "s, t",
    ]
    assert sums == f"1 file, {first.stat().st_size} B: 2 events of processes that are gone"


def test_the_document_has_all_of_it(command, spool):
    spool.leave(events(["a", "b"], ms(hours=3)), endpoint="http://127.0.0.1:9")
    with held(spool.leave(events(["c"]), group="other", name="x.cwl")):
        status, output, _ = command("list", "--json", spool.path)

    document = json.loads(output)
    assert status == 0
    assert document["events"] == 3
    assert document["events_by_owner"] == {"alive": 1, "gone": 2, "unknown": 0}
    assert document["size_bytes"] == sum(file["size_bytes"] for file in document["files"])
    first = document["files"][0]
    assert {name: first[name] for name in ("machine", "pid", "owner", "kind", "events", "streams")} == {
        "machine": "web-1",
        "pid": 4711,
        "owner": "gone",
        "kind": "spool",
        "events": 2,
        "streams": {"s": 2},
    }
    assert (first["log_group_name"], first["region_name"]) == ("g", "us-east-1")
    assert first["endpoint_url"] == "http://127.0.0.1:9"
    assert (first["oldest"], first["newest"]) == (iso(ms(hours=3)), iso(ms(hours=3) + 1000))


def test_where_the_group_is_a_template_each_stream_has_its_own(listed, exported, command, spool):
    parts = [events(["a", "b"], stream="/app/x:s"), events(["c"], stream="/app/y:s", first_id=2)]
    file = spool.leave(*parts, group="/app/{record:tenant}", stream="")

    assert listed()[file.name]["log_group_name"] == "/app/{record:tenant}"
    assert listed()[file.name]["groups"] == {"/app/x": 2, "/app/y": 1}
    assert listed()[file.name]["streams"] == {"/app/x:s": 2, "/app/y:s": 1}
    assert "/app/{record:tenant}  us-east-1  /app/x:s, /app/y:s" in command("list", spool.path)[1]
    assert [(event["group"], event["stream"], event["message"]) for event in exported()[1]] == [
        ("/app/x", "s", "a"),
        ("/app/x", "s", "b"),
        ("/app/y", "s", "c"),
    ]


def test_an_event_that_names_no_stream_is_of_the_processs_own(listed, exported, spool):
    """Callers write such frames where a file cannot be shared memory."""
    file = spool.leave(events(["a"], stream=""), stream="own")

    assert listed()[file.name]["streams"] == {"own": 1}
    assert [event["stream"] for event in exported()[1]] == ["own"]


def test_a_destination_is_the_one_that_a_handler_with_these_options_has(monkeypatch):
    """An endpoint in the environment counts, unless boto3_config has it ignored."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://stand-in")
    options = {"log_group_name": "g", "region_name": "us-east-1"}
    ignoring = options | {"boto3_config": {"ignore_configured_endpoint_urls": True}}
    assert survey.destination_of(options) == survey.Destination("g", "us-east-1", "http://stand-in")
    assert survey.destination_of(ignoring) == survey.Destination("g", "us-east-1", "")


def test_an_empty_directory_has_nothing_left(command, spool):
    assert command("list", spool.path)[:2] == (0, "0 files, 0 B: no event is left\n")


def test_what_is_settled_is_not_left(listed, spool):
    path = spool.leave(events(["a", "b", "c"]), settled(0, 1), settled(2, 2))

    assert listed()[path.name]["events"] == 0


def test_records_that_callers_wrote_count_and_go_to_the_stream_they_name(listed, exported, spool):
    """A file of the mode "always" has an area of records before its frames."""
    records = [
        frames.record(0, ms(hours=2) / 1000, b"", b"settled"),
        frames.record(1, ms(hours=2) / 1000, b"", "own \ud800".encode("utf-8", "surrogatepass")),
        frames.record(2, ms(hours=1) / 1000, b"t", b"named"),
    ]
    area = b"".join(records).ljust(4096, b"\0")
    path = spool.leave(area, settled(0, 0), area=4096)

    assert listed()[path.name]["streams"] == {"own": 1, "t": 1}
    status, lines, _ = exported()
    assert status == 0
    assert [(line["stream"], line["message"], line["timestamp"]) for line in lines] == [
        ("own", "own \ufffd", ms(hours=2)),
        ("t", "named", ms(hours=1)),
    ]


def test_each_odd_file_is_named_for_what_it_is(listed, spool):
    whole = frames.head(frames.Head("g", "r", "", "m", 1, "9", 0, 0, "s"))
    later = bytearray(whole)
    later[5] = 2
    later[44:48] = frames._CRC.pack(frames.crc32(bytes(later[:44])))
    spool.leave(name="later.cwl", data=bytes(later))
    spool.leave(name="junk.cwl", data=b"x" * 300)
    spool.leave(name="empty.cwl", data=b"")
    spool.leave(name="reserved.cwl", data=bytes(5000))
    spool.leave(name="half-a-head.cwl", data=whole[:-5])
    spool.leave(name="aside.bad")
    spool.leave(name="notes.txt", data=b"mine")
    (spool.path / "link.cwl").symlink_to(spool.path / "junk.cwl")
    (spool.path / "below.cwl").mkdir()
    twice = spool.leave(events(["x"]), name="two-names.cwl")
    os.link(twice, spool.path / "other-name.cwl")

    kinds = {name: file["kind"] for name, file in listed().items()}

    assert kinds == {
        "later.cwl": "later version",
        "junk.cwl": "unreadable",
        "empty.cwl": "empty",
        "reserved.cwl": "empty",
        "half-a-head.cwl": "empty",
        "aside.bad": "bad",
        "notes.txt": "not ours",
        "link.cwl": "not ours",
        "below.cwl": "not ours",
        "two-names.cwl": "not ours",
        "other-name.cwl": "not ours",
    }


def test_a_broken_part_is_counted_by_what_its_head_says(command, spool):
    broken = bytearray(events(["a", "b", "c"]))
    broken[-2] ^= 1
    spool.leave(bytes(broken), events(["whole"], first_id=3))

    _, output, _ = command("list", spool.path)

    assert output.splitlines()[1].endswith("1 broken part (3 events)")
    assert " 1  " in output.splitlines()[1]


def test_a_living_process_keeps_its_file(listed, spool):
    path = spool.leave(events(["a"]))
    with held(path):
        assert listed()[path.name]["owner"] == "alive"
        assert not is_free(path)
    assert listed()[path.name]["owner"] == "gone"


def test_the_probe_holds_no_lock_afterwards(listed, spool):
    path = spool.leave(events(["a"]))

    assert listed()[path.name]["owner"] == "gone"

    assert is_free(path)


def test_a_file_that_is_just_being_made_is_not_tried(listed, spool, monkeypatch):
    """Between making a file and locking it, a process would find it locked by us, and leave it behind."""
    path = spool.leave(data=b"")
    tried = []
    monkeypatch.setattr(survey._disk, "lock", tried.append)

    assert listed()[path.name]["kind"] == "empty"

    assert tried == []


def test_without_locks_nobody_is_said_to_be_gone(listed, spool, no_locks):
    path = spool.leave(events(["a"]))

    assert listed()[path.name]["owner"] == "unknown"


def test_nothing_is_changed(command, spool):
    """Neither by looking nor by exporting: also not the times of the files."""
    spool.leave(events(["a"]))
    spool.leave(name="junk.cwl", data=b"x" * 300)
    spool.leave(name="empty.cwl", data=b"")

    def state():
        return {
            name: (path := spool.path / name).read_bytes() + repr(path.stat().st_mtime_ns).encode()
            for name in spool.names
        }

    before = state()
    command("list", spool.path)
    command("export", spool.path)
    assert state() == before


def test_words_of_a_file_cannot_move_the_cursor(command, spool):
    """Whoever can write a file could otherwise write to the terminal of whoever looks at it."""
    spool.leave(events(["a"], stream="\x1b[2Jst"), group="g\x1b]0;x\x07", machine="m\nm", name="a\x1b[1m.cwl")

    status, output, errors = command("list", spool.path)

    assert status == 0
    assert "\x1b" not in output + errors
    assert len(output.splitlines()) == 3
    assert r"\x1b[2Jst" in output


@pytest.mark.parametrize("part", ["list", "export", "send", "drop"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "there is no such directory"),
        (lambda path: path.write_text("x"), "must be a directory, but is a regular file"),
        (lambda path: path.symlink_to(path.parent), "must be a directory, but is a symbolic link"),
    ],
)
def test_a_directory_that_is_none_is_told_in_a_sentence(command, tmp_path, part, make, said):
    make(tmp_path / "d")

    status, output, errors = command(part, tmp_path / "d")

    assert (status, output) == (1, "")
    assert errors == f"cwlog_handler spool: {tmp_path / 'd'}: {said}\n"


def test_another_users_directory_is_told_with_the_way_out(command, tmp_path):
    """Root may read it, but its user could replace any file between two looks."""
    path = tmp_path / "d"
    path.mkdir()
    if os.geteuid() == 0:
        os.chown(path, 1, 1)
    else:
        path = "/"

    status, _, errors = command("list", path)

    assert status == 1
    assert "belongs to user" in errors
    assert errors.endswith("run this as that user\n")


# -- export


def test_what_is_left_comes_out_oldest_file_first_and_in_order(exported, spool):
    spool.leave(events(["young"], ms(minutes=5)), name="a.cwl")
    spool.leave(events(["old 1", "gone", "old 2"], ms(days=2)), settled(1, 1), name="b.cwl", group="h")

    status, lines, errors = exported()

    assert status == 0
    assert lines == [
        {"group": "h", "stream": "s", "timestamp": ms(days=2), "time": iso(ms(days=2)), "message": "old 1"},
        {
            "group": "h",
            "stream": "s",
            "timestamp": ms(days=2) + 2000,
            "time": iso(ms(days=2) + 2000),
            "message": "old 2",
        },
        {"group": "g", "stream": "s", "timestamp": ms(minutes=5), "time": iso(ms(minutes=5)), "message": "young"},
    ]
    assert "3 events printed" in errors


def test_texts_come_out_as_they_are(exported, spool):
    texts = ["grün 🧀", 'quo"te\\', "two\nlines", "\x00\x1b"]
    spool.leave(events(texts))

    _, lines, _ = exported()

    assert [line["message"] for line in lines] == texts


def test_what_a_living_process_has_is_exported_too_and_left_to_it(exported, spool):
    path = spool.leave(events(["a"]))
    with held(path):
        _, lines, _ = exported()
        assert not is_free(path)
    assert [line["message"] for line in lines] == ["a"]


def test_a_frame_that_is_being_written_is_no_damage(exported, spool):
    """A living process may be in the middle of a write."""
    with held(spool.leave(events(["a"]), events(["half"], first_id=1)[:-3])):
        status, lines, _ = exported()

    assert (status, [line["message"] for line in lines]) == (0, ["a"])


def test_broken_parts_are_named_and_the_rest_comes_out(exported, spool):
    broken = bytearray(events(["a", "b", "c"], ms(hours=5)))
    broken[-2] ^= 1
    spool.leave(bytes(broken), events(["whole"], first_id=3), name="x.cwl")
    spool.leave(name="junk.cwl", data=b"x" * 300)
    spool.leave(events(["delivered before"]), name="aside.bad")

    status, lines, errors = exported()

    assert status == 1
    assert [line["message"] for line in lines] == ["whole"]
    span = f"{iso(ms(hours=5))} to {iso(ms(hours=5) + 2000)}"
    assert f"x.cwl: 3 events from {span} cannot be read" in errors
    assert "junk.cwl: unreadable" in errors
    assert "aside.bad: kept aside" in errors


def test_a_file_that_goes_while_it_is_looked_at_is_told(exported, spool, monkeypatch):
    """Its process, or another one, has delivered its events meanwhile."""
    path = spool.leave(events(["a"]), name="gone.cwl")
    spool.leave(events(["b"]), name="there.cwl")
    look = survey.survey

    def look_and_lose(directory):
        files = look(directory)
        path.unlink()
        return files

    monkeypatch.setattr(export, "survey", look_and_lose)

    status, lines, errors = exported()

    assert (status, [line["message"] for line in lines]) == (1, ["b"])
    assert "gone.cwl: it has gone meanwhile" in errors


def test_a_reader_that_has_enough_ends_it_quietly(spool):
    spool.leave(*(events(["x" * 1000] * 100, first_id=100 * n) for n in range(50)))
    line = f"{' '.join(python('-m', 'cwlog_handler', 'spool', 'export', str(spool.path)))} | head -n 1"

    ended = subprocess.run(["sh", "-c", line], env=environment(), capture_output=True, timeout=HANG_LIMIT)

    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr == b""


# -- drop


def test_files_of_the_dead_go_and_those_of_the_living_stay(command, spool):
    spool.leave(events(["a", "b"]), name="gone.cwl")
    spool.leave(name="aside.bad")
    spool.leave(name="junk.cwl", data=b"x" * 300)
    spool.leave(name="empty.cwl", data=b"")
    spool.leave(name="notes.txt", data=b"mine")
    with held(spool.leave(events(["c"]), name="alive.cwl")):
        status, _, errors = command("drop", "--yes", spool.path)

    assert spool.names == ["alive.cwl", "notes.txt"]
    assert status == 1
    assert "alive.cwl: left alone, its process is alive" in errors
    assert "removed: 2 events in 4 files" in errors


def test_a_directory_without_anything_of_ours_is_ready_for_an_image(command, spool):
    spool.leave(name="notes.txt", data=b"mine")

    assert command("drop", "--yes", spool.path)[0] == 0

    spool.leave(events(["a"]))
    assert command("drop", "--yes", spool.path)[0] == 0
    assert spool.names == ["notes.txt"]


def test_without_a_terminal_and_without_yes_nothing_is_dropped(command, spool, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    path = spool.leave(events(["a", "b"], ms(hours=1)))

    status, _, errors = command("drop", spool.path)

    assert status == 2
    assert f"2 events in 1 file, logged from {iso(ms(hours=1))} to {iso(ms(hours=1) + 1000)} would be removed" in errors
    assert path.exists()


def answered(answer, *arguments):
    """Run a command on a terminal and answer its question; return the status and what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        python("-m", "cwlog_handler", "spool", *map(str, arguments)),
        env=environment(),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    try:
        os.write(ours, answer)
        output, errors = process.communicate(timeout=HANG_LIMIT)
    finally:
        process.kill()
        os.close(ours)
    return process.returncode, (output + errors).decode()


@pytest.mark.parametrize(("answer", "status", "is_left"), [(b"y\n", 0, False), (b"n\n", 1, True), (b"\n", 1, True)])
def test_the_question_says_what_would_be_lost(spool, answer, status, is_left):
    path = spool.leave(events(["a", "b"]))

    ended, shown = answered(answer, "drop", spool.path)

    assert ended == status
    assert "Remove 2 events in 1 file, logged from " in shown
    assert path.exists() == is_left


def test_a_living_process_that_has_only_begun_its_file_keeps_it(command, spool):
    path = spool.leave(data=bytes(5000))
    with held(path):
        status, _, errors = command("drop", "--yes", spool.path)

    assert status == 1
    assert path.exists()
    assert "its process is alive" in errors


def test_without_locks_nothing_is_dropped(command, spool, no_locks):
    path = spool.leave(events(["a"]))

    status, _, errors = command("drop", "--yes", spool.path)

    assert status == 1
    assert "its process is unknown: files cannot be locked" in errors
    assert path.exists()


def test_what_was_written_after_the_question_is_not_dropped(spool):
    """Another process has taken the file over meanwhile, or one has just begun it."""
    path = spool.leave(data=b"")
    (file,) = survey.survey(str(spool.path))
    path.write_bytes(b"head and events")

    assert not survey.take_away(file)
    assert path.exists()


def test_what_was_taken_over_after_the_question_is_not_dropped(spool):
    path = spool.leave(events(["a"]))
    (file,) = survey.survey(str(spool.path))

    with held(path):
        assert not survey.take_away(file)
    assert path.exists()
    assert survey.take_away(file)
    assert not path.exists()


def test_files_keep_their_mode_and_the_commands_make_none(command, spool):
    path = spool.leave(events(["a"]))

    command("list", spool.path)

    assert spool.names == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
