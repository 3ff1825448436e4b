"""What tests can ask of the fake disk beside the contract, which `test_disk` holds it to."""

from __future__ import annotations

import errno
import inspect

import pytest

from cwlog_handler.spool.disk import Disk, NoLocks

from .disks import FOR_EVER, Died, FakeDisk, refused


@pytest.fixture
def disk():
    disk = FakeDisk()
    disk.make_directory("/s")
    return disk


@pytest.fixture
def fd(disk):
    return disk.create("/s/a")


def test_has_every_method_of_the_disk():
    """One that were missing would touch the real disk."""
    for name, method in inspect.getmembers(Disk, inspect.isfunction):
        fake = vars(FakeDisk).get(name)
        assert fake is not None, name
        assert list(inspect.signature(fake).parameters) == list(inspect.signature(method).parameters), name


def test_a_killed_process_leaves_its_files_but_not_its_locks(disk, fd):
    other = disk.process("other")
    theirs = other.create("/s/b")
    mapping = other.reserve(theirs, 8)
    mapping.write(b"mapped")
    other.write(theirs, b"written")
    assert other.lock(theirs)
    again = disk.open("/s/b")
    assert not disk.lock(again)
    disk.kill("other")
    assert disk.lock(again)
    assert disk.read(again, 0, 100) == b"mapped\0\0written"
    for act in (lambda: other.list("/s"), lambda: mapping.write(b"x"), lambda: mapping[0]):
        with pytest.raises(Died):
            act()
    assert disk.process("other") is not other
    assert disk.process("other").list("/s") == disk.list("/s")


def test_descriptors_belong_to_one_process(disk, fd):
    with pytest.raises(OSError, match="Bad file"):
        disk.process("other").write(fd, b"x")


def test_dies_before_the_call_that_was_named(disk, fd):
    """Whatever calls are made, a test can kill between any two of them."""
    disk.die_at(2)
    disk.write(fd, b"one")
    with pytest.raises(Died):
        disk.write(fd, b"two")
    with pytest.raises(Died):
        disk.close(fd)
    assert disk.contents() == {"/s/a": b"one"}
    assert disk.process("next").lock(disk.process("next").open("/s/a"))


@pytest.mark.parametrize("mapped", [False, True])
def test_dies_in_the_middle_of_a_write(disk, fd, mapped):
    mapping = disk.reserve(fd, 8)
    disk.die_at(1, torn=True)
    with pytest.raises(Died):
        mapping.write(b"abcd") if mapped else disk.write(fd, b"abcd")
    assert disk.contents() == {"/s/a": b"ab\0\0\0\0\0\0" if mapped else bytes(8) + b"ab"}


def test_fails_as_often_as_was_asked_for(disk, fd):
    disk.fail("write", errno.EIO, after=2, times=2)
    assert disk.write(fd, b"a") == 1
    for _ in range(2):
        with refused(errno.EIO):
            disk.write(fd, b"b")
    assert disk.write(fd, b"c") == 1
    assert disk.contents() == {"/s/a": b"ac"}


def test_fails_until_it_is_healed(disk, fd):
    disk.fail("list", errno.EACCES, times=FOR_EVER)
    for _ in range(3):
        with pytest.raises(PermissionError):
            disk.list("/s")
    disk.heal()
    assert disk.list("/s")


@pytest.mark.parametrize(
    "number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EPERM]
)
def test_may_have_no_locks(disk, fd, number):
    disk.fail("lock", number)
    with pytest.raises(NoLocks):
        disk.lock(fd)
    assert disk.lock(fd)


def test_an_error_while_locking_is_not_taken_for_a_lock(disk, fd):
    disk.fail("lock", errno.EIO)
    with refused(errno.EIO) as raised:
        disk.lock(fd)
    assert not isinstance(raised.value, NoLocks)
    disk.fail("lock", errno.EWOULDBLOCK)
    assert disk.lock(fd) is False


def test_closes_even_if_that_fails(disk, fd):
    disk.fail("close", errno.EIO)
    with refused(errno.EIO):
        disk.close(fd)
    assert disk.open_files() == 0


def test_writes_half(disk, fd):
    disk.short_write(after=2)
    assert [disk.write(fd, b"abcd") for _ in range(3)] == [4, 2, 4]


def test_is_full(disk, fd):
    disk.full_at(10)
    assert disk.write(fd, b"12345678") == 8
    assert disk.free_bytes("/s") == 2
    assert disk.write(fd, b"12345678") == 2
    with refused(errno.ENOSPC):
        disk.write(fd, b"1")
    other = disk.create("/s/b")
    with refused(errno.ENOSPC):
        disk.reserve(other, 1)
    assert disk.size(other) == 0


def test_has_space_again_when_a_file_is_removed_and_closed(disk, fd):
    disk.full_at(10)
    disk.write(fd, bytes(10))
    disk.remove("/s/a")
    assert disk.free_bytes("/s") == 0
    disk.close(fd)
    assert disk.free_bytes("/s") == 10


@pytest.mark.parametrize(("nul", "expected"), [(False, b"synced"), (True, b"synced\0\0\0\0")])
def test_loses_what_was_not_synced_with_the_power(disk, fd, nul, expected):
    """S2, S59."""
    disk.write(fd, b"synced")
    disk.sync(fd)
    disk.write(fd, b"lost")
    disk.power_cut(nul=nul)
    assert disk.contents() == {"/s/a": expected}
    with pytest.raises(Died):
        disk.list("/s")


def test_a_mapping_of_a_file_that_was_cut_kills(disk, fd):
    """S16: that is SIGBUS."""
    mapping = disk.reserve(fd, 8)
    disk.cut(fd, 4)
    with pytest.raises(Died, match="SIGBUS"):
        mapping.write(b"abc")


def test_holds_what_a_test_puts_there(disk, fd):
    disk.put("/s/a", b"changed")
    disk.put("/s/b", b"new")
    assert disk.contents() == {"/s/a": b"changed", "/s/b": b"new"}
    assert disk.read(fd, 0, 100) == b"changed"


def test_counts_calls(disk, fd):
    before = disk.calls
    disk.write(fd, b"a")
    disk.write(fd, b"b")
    disk.size(fd)
    assert disk.calls - before == 3
    assert (disk.called["write"], disk.called["size"]) == (2, 1)
