"""Signals of the program are none of our threads' business: F58. They all block them, and nothing else does."""

import signal
import sys
import textwrap

import pytest

from tests.programs import python, started

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot be blocked here")
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")

LOGGING = """
import logging, os, signal, sys, threading, time
from pathlib import Path
from cwlog_handler import CloudWatchLogsHandler
log = logging.getLogger("program")
log.setLevel("INFO")
handler = CloudWatchLogsHandler("g", "s", close_timeout=50)
log.addHandler(handler)
log.info("first")
assert handler.flush()
"""
BLOCKED = """
def blocked(task):
    (line,) = [line for line in Path(f"/proc/self/task/{task}/status").read_text().splitlines() if "SigBlk" in line]
    mask = int(line.split()[1], 16)
    return {number for number in signal.valid_signals() if mask >> (number - 1) & 1}
"""
FAULTS = {signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP}


def program(*parts):
    return python("-W", "ignore", "-c", "".join(map(textwrap.dedent, parts)))


def run(fake, *parts, status=0, **env):
    with fake.serve() as url, started(program(*parts), url=url, **env) as shop:
        assert shop.wait() == status, shop.output
    return shop.output


@on_linux
@pytest.mark.parametrize("inherited", [set(), {signal.SIGUSR2}], ids=["none", "one"])
def test_each_thread_of_ours_blocks_all_but_its_own_faults_and_others_what_they_did_before(fake, inherited):
    """Blocked, a fault would end the process without a word of faulthandler's."""
    output = run(
        fake,
        f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {set(map(int, inherited))})",
        LOGGING,
        BLOCKED,
        """
        main = threading.get_native_id()
        ours = [int(task) for task in os.listdir("/proc/self/task") if int(task) != main]
        unblockable = {signal.SIGKILL, signal.SIGSTOP}
        for task in ours:
            print("left:", sorted(map(int, signal.valid_signals() - unblockable - blocked(task))))
        print("threads of ours:", len(ours))
        print("main:", sorted(map(int, blocked(main))))
        """,
    )
    *left, count, main = output.splitlines()
    assert set(left) == {f"left: {sorted(map(int, FAULTS))}"}
    assert int(count.rpartition(" ")[2]) == len(left) >= 2
    assert main == f"main: {sorted(map(int, inherited))}"


@on_linux
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_the_thread_of_greenlets_blocks_nothing(fake, library):
    pytest.importorskip(library, reason=f"{library} is not installed")
    patching = {
        "gevent": "from gevent import monkey; monkey.patch_all()",
        "eventlet": "from eventlet import monkey_patch; monkey_patch()",
    }[library]
    output = run(fake, patching, LOGGING, BLOCKED, "print(sorted(blocked(os.getpid())))")
    assert output == "[]\n"


def test_a_critical_section_is_not_interrupted(fake):
    """A SIGTERM that the program blocks is not delivered through a thread of ours."""
    output = run(
        fake,
        LOGGING,
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        for _ in range(20):
            os.kill(os.getpid(), signal.SIGTERM)
            log.info("in the middle")
            assert handler.flush()
        print("pending:", signal.SIGTERM in signal.sigpending(), flush=True)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        signal.pause()
        """,
        status=-signal.SIGTERM,
    )
    assert output == "pending: True\n"
    assert fake.messages("g", "s") == ["first"] + ["in the middle"] * 20


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD, signal.SIGINT])
def test_whoever_waits_for_a_signal_gets_it(fake, number):
    output = run(
        fake,
        LOGGING,
        f"""
        number = signal.Signals({int(number)})
        signal.pthread_sigmask(signal.SIG_BLOCK, {{number}})
        for _ in range(20):
            os.kill(os.getpid(), number)
            time.sleep(0)
            got = signal.sigtimedwait({{number}}, 30)
            assert got is not None and got.si_signo == number
        print("got all", flush=True)
        """,
    )
    assert output == "got all\n"
    assert fake.messages("g", "s") == ["first"]


def test_handlers_timers_profilers_and_asyncio_get_their_signals(fake):
    output = run(
        fake,
        LOGGING,
        """
        import asyncio
        got = set()
        def note(number, _):
            assert threading.current_thread() is threading.main_thread()
            got.add(number)
            log.info("%s", signal.Signals(number).name)
        for number in (signal.SIGALRM, signal.SIGPROF, signal.SIGUSR1):
            signal.signal(number, note)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        signal.setitimer(signal.ITIMER_PROF, 0.01)
        os.kill(os.getpid(), signal.SIGUSR1)
        while len(got) < 3:
            pass
        async def main():
            loop, told = asyncio.get_running_loop(), asyncio.Event()
            loop.add_signal_handler(signal.SIGUSR2, told.set)
            os.kill(os.getpid(), signal.SIGUSR2)
            await asyncio.wait_for(told.wait(), 30)
        asyncio.run(main())
        print("got all")
        """,
    )
    assert output == "got all\n"
    assert sorted(fake.messages("g", "s")) == ["SIGALRM", "SIGPROF", "SIGUSR1", "first"]


def test_faulthandler_tells_of_a_crash_on_a_thread_of_ours(fake):
    with started(
        program(
            """
            import faulthandler, logging
            from cwlog_handler import CloudWatchLogsHandler
            class Crashing:
                def put_log_events(self, **_):
                    faulthandler._sigsegv()
            faulthandler.enable()
            handler = CloudWatchLogsHandler("g", "s", boto3_client=Crashing())
            logging.getLogger().addHandler(handler)
            logging.warning("m")
            handler.flush()
            """
        )
    ) as shop:
        assert shop.wait() == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in shop.output
    assert "in put_log_events" in shop.output


@on_linux
@pytest.mark.parametrize("blocked_by_program", [set(), {signal.SIGUSR2}], ids=["none", "one"])
@pytest.mark.parametrize("profile", ["process", "role"])
def test_a_program_that_fetches_credentials_starts_with_the_signals_of_ours(
    fake, tmp_path, profile, blocked_by_program
):
    """It could not be ended by Ctrl-C or SIGTERM, and would not hear of the end of its own children."""
    noted = tmp_path / "blocked"
    helper = tmp_path / "helper.py"
    helper.write_text(
        "import json, os, signal\n"
        "with open(f'{__file__}.{os.getpid()}', 'w') as file:\n"
        "    file.write(str(sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ())))))\n"
        f"os.replace(file.name, {str(noted)!r})\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': 'any', 'SecretAccessKey': 'any'}))\n"
    )
    config = tmp_path / "config"
    config.write_text(
        f"[profile process]\nregion = us-east-1\ncredential_process = {sys.executable} {helper}\n"
        "[profile role]\nregion = us-east-1\nsource_profile = process\nrole_arn = arn:aws:iam::123456789012:role/any\n"
    )
    # Nobody here gives a role.
    timeout = 50 if profile == "process" else 1
    output = run(
        fake,
        f"""
        import signal
        signal.pthread_sigmask(signal.SIG_BLOCK, {set(map(int, blocked_by_program))})
        """,
        LOGGING.replace("=50", f"={timeout}, boto3_profile_name={profile!r}").replace("assert ", ""),
        BLOCKED,
        f"""
        def until(is_so):
            give_up = time.monotonic() + 50
            while not is_so() and time.monotonic() < give_up: time.sleep(0.01)
            return is_so()
        until(lambda: os.path.exists({str(noted)!r}))
        ours = [int(task) for task in os.listdir("/proc/self/task") if int(task) != os.getpid()]
        # The thread that has started the program blocks them again when that is over.
        print(until(lambda: all(signal.SIGTERM in blocked(task) for task in ours)))
        os._exit(0)
        """,
        AWS_CONFIG_FILE=str(config),
    )
    assert noted.read_text() == str(sorted(map(int, blocked_by_program)))
    assert output.splitlines()[-1] == "True"
    if profile == "process":
        assert fake.messages("g", "s") == ["first"]


CTRL_C = """
import random
from cwlog_handler.system.own_threads import start_thread
def on_ctrl_c(_, frame):
    if frame.f_code.co_name == "start_thread":
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, on_ctrl_c)
# Signals that the main thread blocks come to another, and Python raises them in the main thread all the same.
over, hits = threading.Event(), 0
thread = threading.Thread(target=over.wait)
thread.start()
while hits < 500:
    # At some moment of the next start.
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 1e-4))
    try:
        start_thread(time.time)
    except KeyboardInterrupt:
        hits += 1
    if signal.pthread_sigmask(signal.SIG_BLOCK, ()):
        print("signals are blocked")
        break
signal.setitimer(signal.ITIMER_REAL, 0)
over.set()
thread.join()
print("hit", hits)
"""


def test_ctrl_c_while_a_thread_is_started_leaves_no_signal_blocked(fake):
    """Whichever thread of the program takes the signal: Python raises it in the main thread."""
    output = run(fake, LOGGING, CTRL_C)
    assert output == "hit 500\n"
