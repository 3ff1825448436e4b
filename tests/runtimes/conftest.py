"""Shared by the tests of real programs."""

import sys
from contextlib import contextmanager

import pytest

from ..programs import free_port, script, started, wait_until_it_listens
from .witness import APPS, Shop, Witness


@pytest.fixture
def witness(tmp_path):
    return Witness(tmp_path / "witness")


@pytest.fixture
def serving(fake, witness):
    """Start a server, told its port by ``{port}`` in its arguments, and wait until it is open."""

    @contextmanager
    def serving(*argv, **env):
        port = free_port()
        argv = [argument.format(port=port) for argument in argv]
        with fake.serve() as url, started(argv, url=url, cwd=APPS, **env, **witness.environment()) as program:
            wait_until_it_listens(port)
            yield Shop(program, port)

    return serving


@pytest.fixture
def gunicorn(serving):
    """Run an application under gunicorn."""
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")

    def gunicorn(
        worker_class="sync",
        *,
        preload=False,
        configured_by="application",
        workers=2,
        quiet=False,
        application="shop:application",
    ):
        if worker_class == "gevent":
            pytest.importorskip("gevent", reason="gevent is not installed")
            if (3, 12) <= sys.version_info < (3, 12, 3):
                pytest.skip("gevent looks names up in a thread, which Python 3.12.0 to 3.12.2 start none of at exit")
        return serving(
            *(script("gunicorn"), "-c", "gunicorn_settings.py", "-b", "127.0.0.1:{port}", application),
            WORKER_CLASS=worker_class,
            PRELOAD=str(int(preload)),
            CONFIGURED_BY=configured_by,
            WORKERS=str(workers),
            QUIET=str(int(quiet)),
        )

    return gunicorn
