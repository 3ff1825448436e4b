"""The disk does what its methods promise, and so does the fake of the tests (`disks`), held to the same contract."""

from __future__ import annotations

import builtins
import errno
import mmap
import os
import signal
import socket
import stat
import subprocess
import sys
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.spool.disk import UNKNOWN_FREE_BYTES, Disk, Entry

from ..programs import HANG_LIMIT, environment, python
from .disks import Died, FakeDisk, refused

WINDOWS = sys.platform == "win32"
posix_only = pytest.mark.skipif(WINDOWS, reason="not so on Windows")
can_reserve = hasattr(os, "posix_fallocate")
reserves = pytest.mark.skipif(not can_reserve, reason="this system cannot reserve")
NOBODY = 54321


@pytest.fixture(params=["real", "fake"])
def kind(request):
    return request.param


@pytest.fixture
def disk(kind):
    return Disk() if kind == "real" else FakeDisk()


@pytest.fixture
def root(kind, disk, tmp_path):
    if kind == "real":
        return str(tmp_path)
    disk.make_directory("/root")
    return "/root"


@pytest.fixture
def path(root):
    return f"{root}/a.cwl"


@pytest.fixture
def fd(disk, path):
    fd = disk.create(path)
    yield fd
    with suppress(OSError, Died):
        disk.close(fd)


def write(disk, path, data):
    fd = disk.create(path)
    assert disk.write(fd, data) == len(data)
    disk.close(fd)


class TestDirectory:
    def test_is_made(self, disk, root):
        disk.make_directory(f"{root}/spool")
        write(disk, f"{root}/spool/a", b"x")
        assert disk.list(f"{root}/spool") == [Entry("a", 1)]

    def test_may_be_there_already(self, disk, root):
        disk.make_directory(f"{root}/spool")
        write(disk, f"{root}/spool/a", b"x")
        disk.make_directory(f"{root}/spool")
        disk.make_directory(f"{root}/spool/")
        assert disk.list(f"{root}/spool/") == [Entry("a", 1)]

    def test_is_not_made_without_its_parent(self, disk, root):
        """A mistyped path is told, and not made true; a volume that is not mounted yet is not written below."""
        with pytest.raises(FileNotFoundError):
            disk.make_directory(f"{root}/missing/spool")

    def test_cannot_be_a_file(self, disk, path):
        write(disk, path, b"")
        with pytest.raises(NotADirectoryError, match="must be a directory, but is a regular file"):
            disk.make_directory(path)


class TestCreate:
    def test_makes_an_empty_file(self, disk, root, fd):
        assert disk.size(fd) == 0
        assert disk.list(root) == [Entry("a.cwl", 0)]

    def test_never_takes_a_name_that_is_taken(self, disk, path):
        """S7: nothing is overwritten, whatever was counted wrongly."""
        write(disk, path, b"kept")
        with pytest.raises(FileExistsError):
            disk.create(path)
        assert disk.list(os.path.dirname(path)) == [Entry("a.cwl", 4)]

    def test_needs_the_directory(self, disk, root):
        """S47: somebody has removed it."""
        with pytest.raises(FileNotFoundError):
            disk.create(f"{root}/missing/a")


class TestOpen:
    @pytest.fixture(params=["open", "open_to_read"])
    def opens(self, disk, request):
        return getattr(disk, request.param)

    def test_reads_what_is_there(self, disk, path, opens):
        write(disk, path, b"abc")
        fd = opens(path)
        assert disk.read(fd, 0, 10) == b"abc"
        disk.close(fd)

    def test_refuses_what_is_missing(self, path, opens):
        with pytest.raises(FileNotFoundError):
            opens(path)

    def test_refuses_a_directory(self, root, opens):
        with pytest.raises(PermissionError, match="must be a regular file, but is a directory"):
            opens(root)

    def test_appends(self, disk, path, fd):
        """S40: two descriptors of one file never overwrite what the other wrote."""
        disk.write(fd, b"one")
        other = disk.open(path)
        disk.write(other, b"two")
        disk.write(fd, b"three")
        disk.close(other)
        assert disk.read(fd, 0, 100) == b"onetwothree"

    def test_to_read_cannot_change_anything(self, disk, path):
        write(disk, path, b"abc")
        fd = disk.open_to_read(path)
        for change in (lambda: disk.write(fd, b"x"), lambda: disk.cut(fd, 0), lambda: disk.reserve(fd, 4096)):
            with refused(errno.EACCES, errno.EBADF, errno.EINVAL, errno.ENOTSUP):
                change()
        disk.close(fd)
        assert disk.list(os.path.dirname(path)) == [Entry("a.cwl", 3)]


class TestRead:
    @pytest.mark.parametrize(
        ("offset", "length", "expected"),
        [
            (0, 6, b"abcdef"),
            (0, 5, b"abcde"),
            (0, 7, b"abcdef"),
            (5, 1, b"f"),
            (5, 2, b"f"),
            (6, 1, b""),
            (7, 1, b""),
            (2, 0, b""),
            # A broken head may ask for any length: no memory is taken for what is not there.
            (2, 1 << 50, b"cdef"),
            (1 << 50, 1, b""),
        ],
    )
    def test_returns_what_the_file_has_of_it(self, disk, fd, offset, length, expected):
        disk.write(fd, b"abcdef")
        assert disk.read(fd, offset, length) == expected

    def test_does_not_move_what_is_appended(self, disk, fd):
        disk.write(fd, b"abc")
        disk.read(fd, 0, 1)
        disk.write(fd, b"def")
        assert disk.read(fd, 0, 6) == b"abcdef"


class TestCut:
    @pytest.mark.parametrize("size_bytes", [0, 2, 3])
    def test_what_is_written_next_follows_directly(self, disk, fd, size_bytes):
        """S15: a short write is taken back."""
        disk.write(fd, b"abc")
        disk.cut(fd, size_bytes)
        assert disk.size(fd) == size_bytes
        disk.write(fd, b"z")
        assert disk.read(fd, 0, 10) == b"abc"[:size_bytes] + b"z"


@posix_only
class TestLock:
    def test_is_held_by_one(self, disk, path, fd):
        """S40, S45: two handlers of one process are as much apart as two processes."""
        assert disk.lock(fd)
        other = disk.open(path)
        assert not disk.lock(other)
        assert disk.lock(fd), "the holder has it still"
        disk.close(other)

    def test_goes_with_the_descriptor(self, disk, path, fd):
        """S41: no lock outlives its owner."""
        assert disk.lock(fd)
        other = disk.open(path)
        disk.close(fd)
        assert disk.lock(other)
        disk.close(other)

    def test_stays_when_another_descriptor_is_closed(self, disk, path, fd):
        """S43: a lock by `lockf` would be gone."""
        assert disk.lock(fd)
        disk.close(disk.open(path))
        other = disk.open(path)
        assert not disk.lock(other)
        disk.close(other)

    @reserves
    def test_stays_with_a_mapping(self, disk, path, fd):
        """Who writes through a mapping has the file, whether the descriptor is closed or not."""
        assert disk.lock(fd)
        mapping = disk.reserve(fd, 4096)
        disk.close(fd)
        other = disk.open(path)
        assert not disk.lock(other)
        mapping.close()
        assert disk.lock(other)
        disk.close(other)


class TestIsStill:
    def test_the_same(self, disk, path, fd):
        assert disk.is_still(fd, path)

    @posix_only
    def test_not_when_removed(self, disk, path, fd):
        disk.remove(path)
        assert not disk.is_still(fd, path)

    @posix_only
    def test_not_when_another_has_the_name(self, disk, path, fd):
        """S42: two processes would lock two different files of one name."""
        disk.rename(path, f"{path}.bad")
        write(disk, path, b"")
        assert not disk.is_still(fd, path)

    @posix_only
    def test_not_when_made_anew(self, disk, path, fd):
        disk.remove(path)
        write(disk, path, b"")
        assert not disk.is_still(fd, path)

    @posix_only
    def test_under_a_new_name(self, disk, path, fd):
        disk.rename(path, f"{path}.bad")
        assert not disk.is_still(fd, path)
        assert disk.is_still(fd, f"{path}.bad")

    def test_not_below_what_is_no_directory(self, disk, path, fd):
        assert not disk.is_still(fd, f"{path}/a")


class TestNames:
    @posix_only
    def test_a_file_that_was_removed_works_for_who_has_it_open(self, disk, root, path, fd):
        disk.write(fd, b"abc")
        disk.remove(path)
        disk.write(fd, b"def")
        assert disk.read(fd, 0, 10) == b"abcdef"
        assert disk.list(root) == []

    def test_missing_ones_cannot_be_removed(self, disk, path):
        with pytest.raises(FileNotFoundError):
            disk.remove(path)

    def test_rename_moves_the_content(self, disk, root, path):
        write(disk, path, b"abc")
        disk.rename(path, f"{root}/b")
        assert disk.list(root) == [Entry("b", 3)]

    def test_rename_overwrites_nothing(self, disk, root, path):
        """S6: what was kept aside stays, and so does what should join it."""
        write(disk, path, b"abc")
        write(disk, f"{root}/b", b"kept")
        with pytest.raises(FileExistsError):
            disk.rename(path, f"{root}/b")
        assert disk.list(root) == [Entry("a.cwl", 3), Entry("b", 4)]

    def test_rename_needs_the_file(self, disk, root, path):
        with pytest.raises(FileNotFoundError):
            disk.rename(path, f"{root}/b")
        assert disk.list(root) == []


class TestList:
    def test_has_files_in_order_of_their_names(self, disk, root):
        for name in ("b", "a", "c"):
            write(disk, f"{root}/{name}", name.encode() * 3)
        assert disk.list(root) == [Entry("a", 3), Entry("b", 3), Entry("c", 3)]

    def test_has_no_directory_and_nothing_inside(self, disk, root):
        disk.make_directory(f"{root}/below")
        write(disk, f"{root}/below/a", b"")
        assert disk.list(root) == []

    def test_has_the_size_of_a_file_that_is_being_written(self, disk, root, fd):
        disk.write(fd, b"abc")
        assert disk.list(root) == [Entry("a.cwl", 3)]

    def test_of_a_missing_directory_is_empty(self, disk, root):
        assert disk.list(f"{root}/missing") == []

    def test_of_a_file_is_an_error(self, disk, path, fd):
        with pytest.raises(NotADirectoryError):
            disk.list(path)


class TestSpace:
    def test_that_is_free(self, disk, root):
        assert disk.free_bytes(root) > 0

    def test_of_a_missing_directory(self, disk, root):
        with pytest.raises(FileNotFoundError):
            disk.free_bytes(f"{root}/missing")


@reserves
class TestReserve:
    SIZE = 3 * mmap.PAGESIZE

    def test_makes_the_file_so_long_and_nul(self, disk, fd):
        with disk.reserve(fd, self.SIZE) as mapping:
            assert disk.size(fd) == len(mapping) == self.SIZE
            assert disk.read(fd, 0, self.SIZE) == bytes(self.SIZE)

    def test_what_is_written_to_the_mapping_is_in_the_file(self, disk, fd):
        with disk.reserve(fd, self.SIZE) as mapping:
            assert mapping.write(b"abc") == 3
            assert mapping.write(b"def") == 3
            assert mapping.tell() == 6
            assert disk.read(fd, 0, 8) == b"abcdef\0\0"
            mapping[1:3] = b"BC"
            assert mapping[0:7] == b"aBCdef\0"
            mapping.seek(4)
            assert mapping.read(2) == b"ef"
        assert disk.read(fd, 0, 6) == b"aBCdef"

    def test_a_write_that_does_not_fit_leaves_all_as_it_was(self, disk, fd):
        """The caller learns by it that another file is due; half a record would be no use to anybody."""
        with disk.reserve(fd, self.SIZE) as mapping:
            mapping.seek(self.SIZE - 3)
            with pytest.raises(ValueError, match="out of range"):
                mapping.write(b"abcd")
            assert mapping.tell() == self.SIZE - 3
            assert disk.read(fd, 0, self.SIZE) == bytes(self.SIZE)
            assert mapping.write(b"abc") == 3
            with pytest.raises(ValueError, match="out of range"):
                mapping.write(b"d")

    def test_slices_keep_the_size(self, disk, fd):
        with disk.reserve(fd, self.SIZE) as mapping, pytest.raises(IndexError):
            mapping[0:2] = b"abc"

    def test_frames_are_appended_behind(self, disk, fd):
        with disk.reserve(fd, self.SIZE) as mapping:
            disk.write(fd, b"behind")
            mapping.write(b"before")
        assert disk.size(fd) == self.SIZE + 6
        assert disk.read(fd, self.SIZE, 10) == b"behind"

    def test_keeps_what_is_there(self, disk, fd):
        disk.write(fd, b"head")
        with disk.reserve(fd, self.SIZE) as mapping:
            assert mapping[0:5] == b"head\0"

    def test_nothing_is_written_when_closed(self, disk, fd):
        mapping = disk.reserve(fd, self.SIZE)
        mapping.close()
        assert mapping.closed
        mapping.close()
        with pytest.raises(ValueError, match="closed"):
            mapping.write(b"abc")
        with pytest.raises(ValueError, match="closed"):
            mapping[0:1]


class TestSync:
    def test_of_files_and_directories(self, disk, root, fd):
        disk.write(fd, b"abc")
        disk.sync(fd)
        disk.sync_directory(root)
        assert disk.read(fd, 0, 3) == b"abc"

    @posix_only
    def test_of_a_missing_directory(self, disk, root):
        with pytest.raises(FileNotFoundError):
            disk.sync_directory(f"{root}/missing")


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda disk, fd, path: disk.write(fd, b"x"), id="write"),
        pytest.param(lambda disk, fd, path: disk.read(fd, 0, 1), id="read"),
        pytest.param(lambda disk, fd, path: disk.size(fd), id="size"),
        pytest.param(lambda disk, fd, path: disk.cut(fd, 0), id="cut"),
        pytest.param(lambda disk, fd, path: disk.lock(fd), id="lock", marks=posix_only),
        pytest.param(lambda disk, fd, path: disk.is_still(fd, path), id="is_still"),
        pytest.param(lambda disk, fd, path: disk.sync(fd), id="sync"),
        pytest.param(lambda disk, fd, path: disk.reserve(fd, 4096), id="reserve", marks=reserves),
        pytest.param(lambda disk, fd, path: disk.close(fd), id="close"),
    ],
)
def test_a_closed_descriptor_is_of_no_use(disk, path, fd, use):
    disk.close(fd)
    with refused(errno.EBADF):
        use(disk, fd, path)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["create", "open", "open_to_read", "remove"]), st.integers(0, 2)),
        st.tuples(st.just("rename"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.sampled_from(["lock", "size", "close"]), st.integers(0, 3)),
        st.tuples(st.just("is_still"), st.integers(0, 3), st.integers(0, 2)),
        st.tuples(st.just("write"), st.integers(0, 3), st.binary(max_size=9)),
        st.tuples(st.just("cut"), st.integers(0, 3), st.integers(0, 12)),
        st.tuples(st.just("read"), st.integers(0, 3), st.integers(0, 12), st.integers(0, 12)),
    ),
    max_size=30,
)


@posix_only
@given(STEPS)
def test_the_fake_answers_as_the_disk_does(tmp_path_factory, steps):
    """What is proved with the fake is true of the disk only if nobody can tell them apart."""
    real = _played(Disk(), str(tmp_path_factory.mktemp("played")), steps)
    fake_disk = FakeDisk()
    fake_disk.make_directory("/played")
    assert _played(fake_disk, "/played", steps) == real


def _played(disk, root, steps):
    answers, fds = [], []
    paths = [f"{root}/{name}" for name in "abc"]
    for method, first, *rest in steps:
        takes_path = method in ("create", "open", "open_to_read", "remove", "rename")
        if not takes_path and first >= len(fds):
            continue
        arguments = [paths[first] if takes_path else fds[first], *rest]
        if method in ("rename", "is_still"):
            arguments[1] = paths[rest[0]]
        try:
            answer = getattr(disk, method)(*arguments)
        except OSError as error:
            answer = error.errno
        else:
            if method in ("create", "open", "open_to_read"):
                fds.append(answer)
                answer = None
            if method == "close":
                # The system gives the number to the next file; the fake never does.
                del fds[first]
        answers.append((method, answer, disk.list(root)))
    for fd in fds:
        disk.close(fd)
    return answers


class TestReal:
    """What only the system itself can show."""

    @pytest.fixture
    def disk(self):
        return Disk()

    @pytest.fixture
    def root(self, tmp_path):
        return str(tmp_path)

    @pytest.fixture(params=["open", "open_to_read"])
    def opens(self, disk, request):
        return getattr(disk, request.param)

    @posix_only
    @pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o177, 0o777])
    def test_only_the_owner_may_use_files_whatever_the_umask(self, disk, root, umask):
        """S51: the modes are right from the start, and the next process can open what this one leaves."""
        with _umask(umask):
            disk.close(disk.create(f"{root}/a"))
        assert stat.S_IMODE(os.stat(f"{root}/a").st_mode) == 0o600

    @posix_only
    @pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o177, 0o777])
    def test_the_directory_is_never_open_to_others(self, disk, root, umask):
        """S51. A umask that takes the owner's own rights away has its way."""
        with _umask(umask):
            disk.make_directory(f"{root}/spool")
        assert stat.S_IMODE(os.stat(f"{root}/spool").st_mode) == 0o700 & ~umask

    @posix_only
    def test_the_mode_of_a_directory_that_is_there_stays(self, disk, root):
        """An administrator may let a group read it."""
        os.mkdir(f"{root}/spool")
        os.chmod(f"{root}/spool", 0o750)
        disk.make_directory(f"{root}/spool")
        assert stat.S_IMODE(os.stat(f"{root}/spool").st_mode) == 0o750

    @posix_only
    @pytest.mark.parametrize("slash", ["", "/"])
    def test_a_link_to_a_directory_is_refused(self, disk, root, slash):
        """S52: in a directory that is open to all, somebody has made a link before us."""
        os.mkdir(f"{root}/elsewhere")
        os.symlink(f"{root}/elsewhere", f"{root}/spool")
        with pytest.raises(NotADirectoryError, match="must be a directory, but is a symbolic link"):
            disk.make_directory(f"{root}/spool{slash}")

    @posix_only
    def test_a_link_that_leads_nowhere_is_no_place_for_a_directory(self, disk, root):
        os.symlink(f"{root}/elsewhere", f"{root}/spool")
        with pytest.raises(NotADirectoryError):
            disk.make_directory(f"{root}/spool")
        assert os.listdir(root) == ["spool"]

    @posix_only
    def test_the_directory_of_another_user_is_refused(self, disk, root):
        """S52: its owner could take away or replace all that is in it."""
        said = r"belongs to user \d+, but this process runs as user \d+; name a directory in it that does not exist yet"
        with pytest.raises(PermissionError, match=said):
            disk.make_directory(_given_away(f"{root}/spool", os.mkdir, "/"))

    @posix_only
    def test_the_file_of_another_user_is_refused(self, opens, root):
        """S37: a planted file is never sent with this program's credentials."""
        with pytest.raises(PermissionError, match=r"belongs to user \d+, but this process runs as user \d+"):
            opens(_given_away(f"{root}/a", _touch, "/etc/passwd"))

    @posix_only
    def test_a_link_is_never_followed(self, disk, opens, root):
        """S37, S52."""
        _touch(f"{root}/elsewhere")
        os.symlink(f"{root}/elsewhere", f"{root}/a")
        with pytest.raises(PermissionError, match="must be a regular file, but is a symbolic link"):
            opens(f"{root}/a")
        assert disk.list(root) == [Entry("elsewhere", 0)]

    @posix_only
    def test_nothing_is_created_through_a_link(self, disk, root):
        os.symlink(f"{root}/elsewhere", f"{root}/a")
        with pytest.raises(FileExistsError):
            disk.create(f"{root}/a")
        assert os.listdir(root) == ["a"]

    @posix_only
    def test_a_file_with_two_names_is_refused(self, opens, root):
        """S37: the other name may be any file of this user, which would be sent, cut or removed."""
        _touch(f"{root}/elsewhere")
        os.link(f"{root}/elsewhere", f"{root}/a")
        with pytest.raises(PermissionError, match=r"must have one name, but has 2 \(hard links\)"):
            opens(f"{root}/a")

    @posix_only
    def test_a_pipe_is_not_waited_for(self, disk, opens, root):
        """S56: opening one waits until somebody opens the other end, which may be never."""
        os.mkfifo(f"{root}/a")
        with pytest.raises(PermissionError, match="must be a regular file, but is a named pipe"):
            opens(f"{root}/a")
        assert disk.list(root) == []

    @posix_only
    def test_a_socket_is_refused(self, opens, root, monkeypatch):
        # The path of a socket may not be long.
        monkeypatch.chdir(root)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("a")
            with pytest.raises(PermissionError, match="must be a regular file, but is a socket"):
                opens("a")

    @posix_only
    def test_a_device_is_refused(self, opens):
        with pytest.raises(PermissionError, match="must be a regular file, but is a device"):
            opens("/dev/null")

    @posix_only
    @pytest.mark.parametrize(
        ("replace", "expected"),
        [
            (os.mkfifo, PermissionError),
            (lambda path: os.symlink("elsewhere", path), OSError),
            (lambda path: os.link(os.path.join(os.path.dirname(path), "elsewhere"), path), PermissionError),
            (os.mkdir, OSError),
            (lambda path: None, FileNotFoundError),
        ],
        ids=["pipe", "link", "second name", "directory", "nothing"],
    )
    def test_what_takes_a_files_place_in_the_last_moment_is_refused(self, opens, root, replace, expected, monkeypatch):
        """Between the look at a name and its opening, somebody else may act."""
        import posix

        _touch(f"{root}/elsewhere")
        _touch(f"{root}/a")
        lstat = posix.lstat

        def lstat_and_replace(path):
            found = lstat(path)
            os.remove(path)
            replace(path)
            return found

        monkeypatch.setattr("posix.lstat", lstat_and_replace)
        with pytest.raises(expected):
            opens(f"{root}/a")
        assert _opened_below(root) == []

    @posix_only
    def test_a_file_that_is_removed_while_it_is_opened_was_never_there(self, opens, root, monkeypatch):
        """Its owner has delivered all of it just now: that is no fault of anybody."""
        import posix

        _touch(f"{root}/a")
        opened = posix.open

        def open_and_remove(path, flags):
            fd = opened(path, flags)
            os.remove(path)
            return fd

        monkeypatch.setattr("posix.open", open_and_remove)
        with pytest.raises(FileNotFoundError):
            opens(f"{root}/a")

    def test_a_program_may_replace_what_os_has(self, disk, root, monkeypatch):
        """Tests of a program replace such names by what counts or refuses; the spool is none of their business."""

        def refuse(*arguments, **keywords):
            raise AssertionError("this is the program's")

        path = f"{root}/a"
        with monkeypatch.context() as replaced:
            for name in ("close", "fstat", "fsync", "lstat", "mkdir", "open", "read", "remove", "rename", "scandir"):
                replaced.setattr(os, name, refuse)
            for name in ("stat", "unlink", "write"):
                replaced.setattr(os, name, refuse)
            for name in ("fdatasync", "geteuid", "pread", "posix_fallocate", "statvfs"):
                replaced.setattr(os, name, refuse, raising=False)
            replaced.setattr(builtins, "open", refuse)
            replaced.setattr(mmap, "mmap", refuse)
            disk.make_directory(f"{root}/spool")
            fd = disk.create(path)
            if can_reserve:
                disk.reserve(fd, 4096).close()
            disk.write(fd, b"abc")
            disk.sync(fd)
            disk.sync_directory(root)
            disk.is_still(fd, path)
            assert disk.read(fd, disk.size(fd) - 3, 3) == b"abc"
            disk.close(fd)
            disk.close(disk.open(path))
            disk.rename(path, f"{root}/b")
            assert [entry.name for entry in disk.list(root)] == ["b"]
            disk.free_bytes(root)
            disk.remove(f"{root}/b")

    @posix_only
    def test_another_process_has_the_lock_until_it_is_killed(self, disk, root):
        """S40, S41."""
        with _holder(f"{root}/a") as holder:
            fd = disk.open(f"{root}/a")
            assert not disk.lock(fd)
            holder.send_signal(signal.SIGKILL)
            holder.wait(HANG_LIMIT)
            assert disk.lock(fd)
            disk.close(fd)

    @posix_only
    def test_what_is_written_survives_a_kill(self, disk, root):
        """Nothing of it waits in this process: it is the system's as soon as a call has returned."""
        with _holder(f"{root}/a") as holder:
            holder.send_signal(signal.SIGKILL)
            holder.wait(HANG_LIMIT)
        fd = disk.open(f"{root}/a")
        assert disk.read(fd, 0, 100) == b"written"
        disk.close(fd)

    @posix_only
    def test_a_program_that_is_started_inherits_no_descriptor(self, disk, root):
        """S43: a lock would stay as long as it runs."""
        path = f"{root}/a"
        fd = disk.create(path)
        assert disk.lock(fd)
        program = subprocess.Popen(
            python("-c", "import sys; print('runs', flush=True); sys.stdin.read()"),
            close_fds=False,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
        )
        with program:
            assert program.stdout.readline()
            disk.close(fd)
            other = disk.open(path)
            assert disk.lock(other)
            disk.close(other)
            program.stdin.close()

    @posix_only
    def test_a_forked_child_has_the_lock_too_until_it_closes(self, root):
        """S43: so a child has to close what it did not open."""
        assert _ran(FORKED, root) == ["False", "True"]

    @posix_only
    def test_a_write_at_the_limit_is_short_and_can_be_taken_back(self, root):
        """S15: the system does not refuse a write that fits in part."""
        assert _ran(LIMITED, root) == ["10", "EFBIG", "4", "EFBIG 4"]

    @posix_only
    def test_a_full_disk(self, disk, root):
        """S15, S16: the short write first, then ENOSPC, and no SIGBUS: nothing is mapped that has no blocks."""
        with _small_disk(f"{root}/small", 16 * mmap.PAGESIZE) as small:
            fd = disk.create(f"{small}/a")
            disk.write(fd, b"head")
            if can_reserve:
                with refused(errno.ENOSPC):
                    disk.reserve(fd, 64 * mmap.PAGESIZE)
                assert disk.size(fd) == 4
                assert disk.free_bytes(small) > 0
            written = disk.write(fd, bytes(64 * mmap.PAGESIZE))
            assert 0 < written < 64 * mmap.PAGESIZE
            assert disk.free_bytes(small) == 0
            with refused(errno.ENOSPC):
                disk.write(fd, bytes(mmap.PAGESIZE))
            disk.cut(fd, 4)
            assert disk.write(fd, b"more") == 4
            assert disk.read(fd, 0, 100) == b"headmore"
            disk.close(fd)
            # S17: to remove what is delivered needs no space.
            disk.remove(f"{small}/a")

    @reserves
    def test_reserved_blocks_are_there_when_the_disk_is_full_afterwards(self, root):
        """S16: a sparse mapping would kill the program now."""
        with _small_disk(f"{root}/small", 16 * mmap.PAGESIZE) as small:
            assert _ran(FILLED, small) == ["ENOSPC", "written"]

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
    def test_blocks_that_cannot_be_mapped_are_given_back(self, root):
        """A file of another size than its writer knows would be read wrongly, and takes room from others."""
        assert _ran(CROWDED, root) == ["ENOMEM 4"]

    @posix_only
    def test_a_file_system_that_cannot_reserve_says_so(self, disk):
        """The caller writes in another way then; that is no error of the disk."""
        fd = os.open("/dev/null", os.O_RDWR)
        with pytest.raises(OSError, match="cannot reserve") as raised:
            disk.reserve(fd, 4096)
        os.close(fd)
        assert raised.value.errno == errno.ENOTSUP

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a file system that has no size")
    def test_free_space_may_be_unknown(self, disk):
        """Zeros of a file system that does not say how large it is do not mean that it is full."""
        assert disk.free_bytes("/proc") == UNKNOWN_FREE_BYTES

    @posix_only
    def test_a_file_that_goes_while_the_directory_is_read_is_left_out(self, disk, root, monkeypatch):
        """Other processes remove what they have delivered at any time."""
        import posix

        for name in "abc":
            _touch(f"{root}/{name}")
        lstat = posix.lstat

        def lstat_too_late(path):
            if path.endswith("b"):
                os.remove(path)
            return lstat(path)

        monkeypatch.setattr("posix.lstat", lstat_too_late)
        assert disk.list(root) == [Entry("a", 0), Entry("c", 0)]


PRELUDE = "import errno, os, sys; from cwlog_handler.spool.disk import Disk; disk = Disk(); root = sys.argv[1]\n"
HOLDER = """
fd = disk.create(root)
disk.write(fd, b"written")
print(disk.lock(fd), flush=True)
sys.stdin.read()
"""
FORKED = """
fd = disk.create(root + "/a")
disk.lock(fd)
go_read, go_write = os.pipe()
pid = os.fork()
if not pid:
    os.close(go_write)
    os.read(go_read, 1)
    os._exit(0)
disk.close(fd)
other = disk.open(root + "/a")
print(disk.lock(other))
os.close(go_write)
os.waitpid(pid, 0)
print(disk.lock(other))
"""
LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (14, 14))
fd = disk.create(root + "/a")
disk.write(fd, b"head")
print(disk.write(fd, bytes(20)))
try:
    disk.write(fd, b"x")
except OSError as error:
    print(errno.errorcode[error.errno])
disk.cut(fd, 4)
print(disk.write(fd, b"more"))
disk.cut(fd, 4)
try:
    disk.reserve(fd, 4096)
except OSError as error:
    # Where nothing can be reserved, the limit does not matter.
    print("EFBIG" if error.errno == errno.ENOTSUP else errno.errorcode[error.errno], disk.size(fd))
"""
FILLED = """
reserved, other = disk.create(root + "/a"), disk.create(root + "/b")
mapping = disk.reserve(reserved, 8 * 4096)
try:
    while True:
        disk.write(other, bytes(4096))
except OSError as error:
    print(errno.errorcode[error.errno])
mapping.write(b"x" * (8 * 4096))
print("written")
"""
CROWDED = """
import resource
fd = disk.create(root + "/a")
disk.write(fd, b"head")
with open("/proc/self/statm") as sizes:
    used_bytes = int(sizes.read().split()[0]) * resource.getpagesize()
limit_bytes = used_bytes + (32 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
try:
    disk.reserve(fd, 64 << 20)
except OSError as error:
    print(errno.errorcode[error.errno], disk.size(fd))
"""


def _ran(script, root):
    ran = subprocess.run(
        python("-c", PRELUDE + script, root), env=environment(), capture_output=True, text=True, timeout=HANG_LIMIT
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@contextmanager
def _holder(path):
    """Another process, which has made the file and locked it."""
    holder = subprocess.Popen(
        python("-c", PRELUDE + HOLDER, path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    )
    try:
        assert holder.stdout.readline().strip() == b"True"
        yield holder
    finally:
        holder.kill()
        holder.communicate()


@contextmanager
def _small_disk(path, size_bytes):
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    os.mkdir(path)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "tmpfs", path], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        # Lazily: a test that failed may have left something open.
        subprocess.run(["umount", "-l", path], check=True)


@contextmanager
def _umask(umask):
    before = os.umask(umask)
    try:
        yield
    finally:
        os.umask(before)


def _touch(path):
    with open(path, "x"):
        pass


def _given_away(path, make, of_root):
    """What ``make`` made, given to another user; if only root can do that, something that belongs to root."""
    if os.geteuid() != 0:
        return of_root
    make(path)
    os.chown(path, NOBODY, -1)
    return path


def _opened_below(root):
    """The files below a directory that this process has open, on systems that tell it.

    What else is open may change at any time: a collection may close what an earlier test has left.
    """
    found = []
    with suppress(FileNotFoundError):
        for fd in os.listdir("/dev/fd"):
            with suppress(OSError):
                found.append(os.readlink(f"/dev/fd/{fd}"))
    return [path for path in found if path.startswith(root)]
