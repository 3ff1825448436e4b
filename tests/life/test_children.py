"""Children of multiprocessing and of pools: they end in ``os._exit``, and their last records arrive all the same."""

import multiprocessing
import re
import shutil
from pathlib import Path

import pytest

from cwlog_handler.record.names import DEFAULT_LOG_STREAM_NAME

from .conftest import PATIENCE, arrived
from .conftest import PRELUDE as PROGRAM

METHODS = ("fork", "spawn", "forkserver")
PRELUDE = """
import multiprocessing, concurrent.futures
def say(text): log.info("%d %s", os.getpid(), text)
def work(n):
    say(f"child {n}")
"""
WAYS = {
    "Process": """
        children = [context.Process(target=work, args=(n,)) for n in range(3)]
        for child in children: child.start()
        for child in children: child.join()
        """,
    "Pool": """
        with context.Pool(2) as pool:
            pool.map(work, range(3))
            pool.close()
            pool.join()
        """,
    "ProcessPoolExecutor": """
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            list(pool.map(work, range(3)))
        """,
}


@pytest.fixture
def run_children(run):
    """Run a program whose main part starts children that `work`."""

    def run_children(main, method="fork", more=""):
        start = f'if __name__ == "__main__":\n    context = multiprocessing.get_context({method!r})\n'
        return run(f"{PRELUDE}{more}\n{start}{main}\n    say('parent')", stream=DEFAULT_LOG_STREAM_NAME)

    return run_children


def indented(source):
    return "\n".join(line[4:] for line in source.splitlines())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", WAYS)
def test_children_deliver_although_they_end_without_atexit(fake, run_children, way, method):
    """F28."""
    returned, output = run_children(indented(WAYS[way]), method)
    assert (returned, output) == (0, "")
    assert arrived(fake) == ["child 0", "child 1", "child 2", "parent"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", ["Process", "Pool"])
def test_children_of_multiprocess_deliver_too(fake, run_children, way, method):
    """F56: a copy of multiprocessing under another name, which pathos uses."""
    pytest.importorskip("multiprocess")
    returned, output = run_children(indented(WAYS[way]), method, "import multiprocess as multiprocessing")
    assert (returned, output) == (0, "")
    assert arrived(fake) == ["child 0", "child 1", "child 2", "parent"]


@pytest.mark.parametrize("name", ["mp", "vendored.mp"])
@pytest.mark.parametrize("way", ["Process", "Pool"])
def test_children_of_a_copy_under_any_name_deliver_too(fake, run_children, tmp_path, way, name):
    """F56: it is known by its shape; here the standard library's own, as a package may bring it along."""
    place = tmp_path.joinpath(*name.split("."))
    shutil.copytree(Path(multiprocessing.__file__).parent, place)
    for path in place.rglob("*.py"):
        path.write_text(re.sub(r"(?<![\w.])multiprocessing(?=[.\s])", name, path.read_text()))
    returned, output = run_children(indented(WAYS[way]), "fork", f"import {name} as multiprocessing")
    assert (returned, output) == (0, "")
    assert arrived(fake) == ["child 0", "child 1", "child 2", "parent"]


def test_a_copy_that_is_imported_after_the_first_record_is_found(fake, run_children):
    """F56."""
    pytest.importorskip("multiprocess")
    main = """
    say("first"); handler.flush()
    import multiprocess
    child = multiprocess.get_context("fork").Process(target=work, args=(0,)); child.start(); child.join()
"""
    returned, output = run_children(main)
    assert (returned, output) == (0, "")
    assert arrived(fake) == ["child 0", "first", "parent"]


def test_workers_of_joblib_deliver(fake, run_children, tmp_path):
    """F28: its processes are of loky, which ends them as multiprocessing does."""
    pytest.importorskip("joblib")
    program = PROGRAM.format(first="", stream=DEFAULT_LOG_STREAM_NAME, options={"close_timeout": PATIENCE})
    (tmp_path / "tasks.py").write_text(program + PRELUDE)
    main = """
    import joblib, tasks
    from joblib.externals.loky import get_reusable_executor
    joblib.Parallel(n_jobs=2)(joblib.delayed(tasks.work)(n) for n in range(3))
    get_reusable_executor().shutdown(wait=True)
"""
    returned, output = run_children(main)
    assert returned == 0, output
    assert sorted(set(arrived(fake))) == ["child 0", "child 1", "child 2", "parent"]


MORE = {
    "a thread that goes on after the work": (
        """
def late():
    threading.main_thread().join()
    for n in range(3): say(f"late {n}")
def work(n):
    say(f"child {n}")
    threading.Thread(target=late).start()
""",
        ["child 0", "late 0", "late 1", "late 2"],
    ),
    "a child of the child": (
        """
def grandchild(): say("grandchild")
def work(n):
    say(f"child {n}")
    other = multiprocessing.get_context("fork").Process(target=grandchild)
    other.start(); other.join()
""",
        ["child 0", "grandchild"],
    ),
    "an exception": (
        """
def work(n):
    sys.stderr = open(os.devnull, "w")
    say(f"child {n}")
    raise RuntimeError
""",
        ["child 0"],
    ),
    "a finalizer of multiprocessing that runs after ours": (
        """
def work(n):
    import multiprocessing.util
    say(f"child {n}")
    multiprocessing.util.Finalize(None, say, args=("finalized",), exitpriority=-5)
""",
        ["child 0", "finalized"],
    ),
    "a first record in a thread that goes on": (
        """
def late():
    time.sleep(0.5)
    say("late")
def work(n):
    threading.Thread(target=late).start()
""",
        ["late"],
    ),
    "a record of a hook that runs at the fork": (
        """
def forked():
    say("forked")
os.register_at_fork(after_in_child=forked)
""",
        ["child 0", "forked"],
    ),
}


@pytest.mark.parametrize("name", MORE)
def test_a_child_delivers_to_its_very_end(fake, run_children, name):
    """F26, F28."""
    more, expected = MORE[name]
    main = "    child = context.Process(target=work, args=(0,)); child.start(); child.join()"
    returned, output = run_children(main, more=more)
    assert (returned, output) == (0, "")
    assert arrived(fake) == [*expected, "parent"]
