"""``python -m cwlog_handler doctor``: what it says of the directory in which records survive the process."""

from __future__ import annotations

import errno
import inspect
import json
import os

import pytest

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.cli.doctor import spool as step
from cwlog_handler.cli.doctor.case import Case
from cwlog_handler.cli.doctor.findings import Mark
from cwlog_handler.spool.disk import NoLocks

from .conftest import run
from .spools import Spool, events, held

pytestmark = pytest.mark.any_python

DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(CloudWatchLogsHandler).parameters.items()}


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def examined(path, **options):
    """The finding for a handler with this ``spool_dir``."""
    known = {**DEFAULTS, "log_group_name": "g", "spool_dir": str(path), **options}
    return step.spool(Case({"spool_dir": str(path)}, 1.0, known=known))


def test_a_directory_that_is_fine_passes_and_keeps_nothing_of_the_check(spool):
    finding = examined(spool.path)

    assert finding.mark is Mark.PASSED
    assert finding.text.startswith(f"{spool.path}; user {os.geteuid()}, mode 0700; ")
    assert " free; locks work" in finding.text
    assert spool.names == []


def test_a_directory_that_is_not_there_yet_is_tried_and_taken_away(tmp_path):
    """Made by somebody else than the program, for example root, it would lock the program out."""
    finding = examined(tmp_path / "spool")

    assert finding.mark is Mark.PASSED
    assert "which the handler makes when it needs it" in finding.text
    assert os.listdir(tmp_path) == []


def test_a_missing_parent_is_told(tmp_path):
    finding = examined(tmp_path / "missing" / "spool")

    assert (finding.mark, finding.text) == (
        Mark.FAILED,
        f"{tmp_path / 'missing' / 'spool'}: {tmp_path / 'missing'} is missing",
    )
    assert finding.way_out == "make it: only the directory itself is made"


def test_what_is_no_directory_is_told(tmp_path):
    (tmp_path / "spool").write_text("x")

    finding = examined(tmp_path / "spool")

    assert (finding.mark, finding.text) == (
        Mark.FAILED,
        f"{tmp_path / 'spool'}: must be a directory, but is a regular file",
    )
    assert finding.way_out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory away")
def test_another_users_directory_is_told_with_the_way_out(spool):
    os.chown(spool.path, 1, 1)

    finding = examined(spool.path)

    assert finding.mark is Mark.FAILED
    assert "belongs to user 1, but this process runs as user 0" in finding.text
    assert finding.way_out.startswith(
        "run this as the program's user; if that is so, name a directory in it that does not"
    )


def test_a_read_only_file_system_is_told(tmp_path, monkeypatch):
    def refuse(path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(step._disk, "make_directory", refuse)

    finding = examined(tmp_path / "spool")

    assert (finding.mark, finding.text) == (Mark.FAILED, f"{tmp_path / 'spool'}: Read-only file system")
    assert finding.way_out == "name a directory in which this user may write"


@pytest.mark.parametrize(
    ("mode", "said"), [(0o770, "so others may write there"), (0o500, "so its own user may not use it")]
)
def test_a_mode_that_is_wrong_is_told(spool, mode, said):
    spool.path.chmod(mode)

    finding = examined(spool.path)

    assert (finding.mark, finding.text) == (Mark.FAILED, f"{spool.path}: mode {mode:04o}, {said}")
    assert finding.way_out == f"chmod 700 {spool.path}"


def test_less_room_than_the_spool_may_take_is_told(spool, monkeypatch):
    """What is in the directory already needs no room any more."""
    used = spool.leave(events(["x"])).stat().st_size
    monkeypatch.setattr(step._disk, "free_bytes", lambda path: 2_000_000 - used - 1)

    finding = examined(spool.path, max_spool_size=2_000_000)

    assert finding.mark is Mark.FAILED
    assert "2.0 MB free, and max_spool_size may take 2.0 MB more" in finding.text
    monkeypatch.setattr(step._disk, "free_bytes", lambda path: 2_000_000 - used)
    assert examined(spool.path, max_spool_size=2_000_000).mark is Mark.PASSED


def refuse(_fd):
    raise NoLocks(95, "Operation not supported")


@pytest.mark.parametrize(
    ("lock", "said"), [(refuse, "Operation not supported"), (lambda _fd: True, "a lock keeps nobody out")]
)
def test_locks_that_do_not_work_are_told(spool, monkeypatch, lock, said):
    monkeypatch.setattr(step._disk, "lock", lock)

    finding = examined(spool.path)

    assert finding.mark is Mark.FAILED
    assert f"files cannot be locked ({said}): what ended processes leave is never taken over" in finding.text
    assert spool.names == []


def test_what_others_have_left_is_told_by_where_it_belongs(spool):
    ours = {"endpoint": "http://127.0.0.1:9"}
    spool.leave(events(["a", "b"]), **ours)
    spool.leave(events(["c"]), group="other", **ours)
    spool.leave(events(["d"]), region="eu-west-1", **ours)
    spool.leave(name="x.bad")
    with held(spool.leave(events(["living"]), **ours)):
        finding = examined(spool.path, endpoint_url="http://127.0.0.1:9/", region_name="us-east-1")

    assert finding.mark is Mark.PASSED
    assert "; 2 events of ended processes will be delivered after this handler's first record" in finding.text
    assert "; 1 event for other, us-east-1, http://127.0.0.1:9 wait for another handler" in finding.text
    assert "; 1 event for g, eu-west-1, http://127.0.0.1:9 wait for another handler" in finding.text
    assert "; 1 file that cannot be delivered (bad), such as x.bad" in finding.text


MOUNTS = r"""
22 1 0:21 / / rw,relatime - overlay overlay rw,lowerdir=/var
23 22 0:22 / /data rw shared:1 - ext4 /dev/vda rw
24 22 0:23 / /a\040b rw - tmpfs tmpfs rw
25 23 0:24 / /data/over rw - xfs /dev/vdb rw
26 23 0:25 / /data/over rw - nfs4 server:/ rw
nonsense
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "overlay"),
        ("/srv/spool", "overlay"),
        ("/data", "ext4"),
        ("/data/spool", "ext4"),
        ("/database", "overlay"),
        ("/a b/spool", "tmpfs"),
        ("/data/over/spool", "nfs4"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_its_nearest_mount(path, kind):
    assert step.kind_of_file_system(path, MOUNTS) == kind


@pytest.mark.parametrize(
    ("kind", "said"), [("overlay", "goes with the container"), ("tmpfs", "is in memory"), ("ext4", None)]
)
def test_what_goes_with_the_container_is_said(spool, monkeypatch, tmp_path, kind, said):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:21 / / rw,relatime - {kind} none rw\n")
    monkeypatch.setattr(step, "_MOUNTS", mounts)

    text = examined(spool.path).text

    assert (f"it {said} ({kind})" in text) if said else kind not in text


def test_the_step_is_there_for_a_handler_with_a_spool_only(url, fake, spool):
    fake.create("g", "s")
    where = ("--log-group-name", "g", "--log-stream-name", "s", "--endpoint-url", url)
    more = ("--spool-mode", "outage", "--max-spool-size", "2000000", "--spool-sync")

    with_it, without = run("doctor", *where, "--spool-dir", spool.path, *more), run("doctor", *where)

    assert with_it.status == without.status == 0
    assert with_it.line("spool").startswith(f"✓ spool        {spool.path}; ")
    assert "spool" not in without.output
    assert spool.names == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--spool-mode", "sometimes"), "spool_mode='sometimes': give one of 'outage', 'always'"),
        (("--max-spool-size", "5"), "max_spool_size=5: give at least 1048576"),
    ],
)
def test_options_of_the_spool_are_checked_as_the_handler_does(url, tmp_path, arguments, said):
    where = ("--log-group-name", "g", "--endpoint-url", url, "--spool-dir", tmp_path / "spool")

    ended = run("doctor", *where, *arguments)

    assert ended.status == 1
    assert said in ended.line("options")
    assert ended.line("spool") == "– spool        not tried: needs options"


OPTIONS = {"log_group_name": "g", "max_spool_size": 2_000_000, "spool_mode": "outage", "spool_sync": True}


def as_json(path, url):
    entry = {"class": "cwlog_handler.CloudWatchLogsHandler", **OPTIONS, "spool_dir": path, "endpoint_url": url}
    return json.dumps({"version": 1, "handlers": {"main": entry}, "root": {"handlers": ["main"]}})


def as_ini(path, url):
    keywords = {**OPTIONS, "spool_dir": path, "endpoint_url": url}
    return (
        "[loggers]\nkeys=root\n[handlers]\nkeys=main\n[formatters]\nkeys=\n[logger_root]\nhandlers=main\n"
        f"[handler_main]\nclass=cwlog_handler.CloudWatchLogsHandler\nargs=()\nkwargs={keywords!r}\n"
    )


@pytest.mark.parametrize(("suffix", "written"), [("json", as_json), ("ini", as_ini)])
def test_a_configuration_with_a_spool_is_examined(url, spool, tmp_path, suffix, written):
    config = tmp_path / f"logging.{suffix}"
    config.write_text(written(str(spool.path), url))

    ended = run("doctor", "--config", config)

    assert ended.status == 0
    assert ended.line("spool").startswith(f"✓ spool        {spool.path}; ")
