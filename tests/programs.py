"""Real programs, started as their users start them, that log to the strict fake over HTTP."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# On the path of a program, it gives all its handlers enough time to deliver on a busy machine.
PATIENCE = ROOT / "tests" / "patience"
# Longer than anything takes on a busy machine; only a hang is stopped by it.
HANG_LIMIT = 60.0
# For programs: have something done while modules are torn down, even if something keeps the program's own module alive.
# It is done when its module has gone from among all modules, but not all others have.
AT_TEARDOWN = """
def at_teardown(do):
    import sys, types
    of_its_own = {}
    exec("class Late:\\n    def __del__(self): self.do()", of_its_own)
    sys.modules["late"] = module = types.ModuleType("late")
    module.late = of_its_own["Late"]()
    module.late.do = do
"""
# All that AWS's libraries are told by the environment: keys that open nothing, and where nobody's configuration is.
AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}


class HasNotEnded(AssertionError):
    """A program that was waited for has not ended in time. It was aborted, and so was all that it has started."""


class Program:
    """A program that runs. All it writes is kept, stdout and stderr together, and can be waited for."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: str | Path | None) -> None:
        self._process = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A group of its own, so that all it started can be ended with it.
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._lines: list[str] = []
        self._written = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._written:
                self._lines.append(line)
                self._written.notify_all()

    @property
    def output(self) -> str:
        """All that was written so far."""
        with self._written:
            return "".join(self._lines)

    def wait_for(self, text: str, timeout: float = HANG_LIMIT) -> str:
        """Wait until a line with this text was written, and return the line."""
        with self._written:
            found = self._written.wait_for(
                lambda: next((line for line in self._lines if text in line), None) or not self._reader.is_alive(),
                timeout,
            )
            if isinstance(found, str):
                return found
        raise AssertionError(f"{text!r} was not written; this was:\n{self.output}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program, not to what it started."""
        self._process.send_signal(number)

    @property
    def is_running(self) -> bool:
        """True until the program has ended."""
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status; None until the program has ended."""
        return self._process.poll()

    def wait_for_children(self, timeout: float = HANG_LIMIT) -> bool:
        """Wait until all that it started has ended, too, as far as it writes where the program does."""
        self._reader.join(timeout)
        return not self._reader.is_alive()

    def wait(self, timeout: float = HANG_LIMIT) -> int:
        """Wait for the end of the program, and return its exit status."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            # Those of its children that hang, too.
            os.killpg(self.pid, signal.SIGABRT)
            self._reader.join(5.0)
            raise HasNotEnded(f"within {timeout:g} s; all it wrote:\n{self.output}") from None
        # What it started may hold the pipe open: no longer than a moment.
        self._reader.join(5.0)
        give_up = time.monotonic() + HANG_LIMIT
        # But all that was written is read, also where the thread that reads gets no processor for that moment.
        while self._reader.is_alive() and self._has_more_to_read() and time.monotonic() < give_up:
            self._reader.join(0.01)
        return status

    def _has_more_to_read(self) -> bool:
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], 0.0)[0])

    def end(self) -> None:
        """End it and all that it started, if it has not ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(HANG_LIMIT)
        self._reader.join(5.0)
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()


def environment(url: str | None = None, **more: str) -> dict[str, str]:
    """The environment of a program that finds this checkout, keys that open nothing, and the endpoint at ``url``."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    endpoint = {} if url is None else {"AWS_ENDPOINT_URL": url}
    # A program that hangs tells where, when `Program.wait` aborts it.
    python = {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    return {**others, **AWS, **python, **endpoint, **more}


@contextmanager
def started(
    argv: Sequence[str], *, url: str | None = None, cwd: str | Path | None = None, **env: str
) -> Iterator[Program]:
    """Start a program with the endpoint at ``url``; whatever happens inside, nothing of it runs on afterwards."""
    program = Program(argv, environment(url, **env), cwd)
    try:
        yield program
    finally:
        program.end()


def python(*arguments: str) -> list[str]:
    """The command line of this Python."""
    return [sys.executable, *arguments]


def script(name: str) -> str:
    """The path of a console script of this environment, such as ``gunicorn``."""
    return str(Path(sys.executable).with_name(name))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on. Within a minute only who asks for this very port gets it."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = int(listener.getsockname()[1])
        # The side that closes a connection first keeps its port for a minute: the system gives it to nobody who asks
        # for any port, such as a test in another process, and a server can listen on it all the same.
        with socket.create_connection(("127.0.0.1", port)) as other:
            listener.accept()[0].close()
            other.recv(1)
        return port


def wait_until_it_listens(port: int, timeout: float = HANG_LIMIT) -> None:
    """Wait until somebody accepts connections on a port of 127.0.0.1."""
    give_up = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            return
        except OSError:  # noqa: PERF203
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)
