"""uWSGI with a master and two workers, which it forks without telling Python unless it is asked to."""

import shutil
import signal
import sys
from pathlib import Path

import pytest

from ..programs import script
from .witness import arrived

UWSGI = script("uwsgi") if Path(script("uwsgi")).exists() else shutil.which("uwsgi")

pytestmark = pytest.mark.skipif(UWSGI is None, reason="there is no uwsgi executable in this environment or on PATH")


@pytest.fixture
def stopped(fake, witness, serving):
    """Run the shop under uWSGI until both workers have taken orders and it has stopped; return what it wrote."""

    def stopped(*options, quiet=False):
        argv = [UWSGI, "--master", "--processes", "2", "--http-socket", "127.0.0.1:{port}", "--need-app"]
        argv += ["--home", sys.prefix, "--module", "shop:application", "--disable-logging", *options]
        # Without this SIGTERM is a reload, and a worker is killed where it stands.
        argv += ["--hook-master-start", "unix_signal:15 gracefully_kill_them_all"]
        with serving(*argv, QUIET=str(int(quiet))) as shop:
            workers = shop.order_from(2)
            # A worker that has just answered counts as busy, and uWSGI runs no exit hook of Python's in a busy one.
            # Where no thread delivers, this waits in vain, and the exit hooks have to.
            fake.wait_for(lambda: arrived(fake) == witness.logged, timeout=5.0)
            # The hook is in place now.
            shop.program.wait_for("(master-start)...")
            shop.program.signal(signal.SIGTERM)
            assert shop.program.wait() == 0, shop.program.output
        assert len(workers) == 2
        return shop.program.output

    return stopped


@pytest.mark.parametrize(
    ("options", "quiet"),
    [
        pytest.param([], True, id="made in the master"),
        pytest.param([], False, id="sent in the master"),
        pytest.param(["--py-call-uwsgi-fork-hooks"], False, id="sent in the master, fork hooks"),
        pytest.param(["--lazy-apps"], False, id="lazy apps"),
    ],
)
def test_prefork_workers_deliver_once(fake, witness, stopped, options, quiet):
    """F27, F31: also where the handler's thread ran in the master, and where no fork hook of Python's is called."""
    output = stopped("--enable-threads", *options, quiet=quiet)
    assert arrived(fake) == witness.logged
    assert "cwlog_handler:" not in output
    assert "Traceback" not in output


def test_without_threads_records_arrive_by_the_stop_or_stderr_names_the_option(fake, witness, stopped):
    """F46: newer versions of uWSGI have threads enabled anyway."""
    output = stopped(quiet=True)
    assert arrived(fake) == witness.logged or "enable-threads" in output
    assert "Traceback" not in output
