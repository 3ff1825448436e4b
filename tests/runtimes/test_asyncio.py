"""``asyncio.run``: a coroutine logs without a QueueHandler, and its loop waits for nobody."""

import signal
import textwrap

import pytest

from cwlog_handler.testing import faults

from ..programs import python, started

PRELUDE = """
import asyncio, itertools, logging, os, signal
from cwlog_handler import CloudWatchLogsHandler

handler = CloudWatchLogsHandler("g", "s", {options})
logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
for noisy in ("botocore", "boto3", "urllib3"):
    logging.getLogger(noisy).setLevel(logging.ERROR)
log = logging.getLogger("program")
"""


@pytest.fixture
def program(fake):
    """Start a program whose handler sends nothing by itself before its end, unless told otherwise."""
    with fake.serve() as url:

        def program(source, options="send_interval=600"):
            options += ", close_timeout=40"
            return started(python("-c", PRELUDE.format(options=options) + textwrap.dedent(source)), url=url)

        yield program


TASKS = """
async def talk(name):
    try:
        for number in range(100):
            log.info("%s %d", name, number)
            await asyncio.sleep(0)
    finally:
        log.info("%s last", name)

async def main():
    await asyncio.gather(*map(talk, "abc"))
    {ending}

asyncio.run(main())
"""
ENDINGS = {
    "normal end": ("", 0),
    "exception": ("raise RuntimeError", 1),
    "ctrl-c": ("os.kill(os.getpid(), signal.SIGINT); await asyncio.sleep(3600)", -signal.SIGINT),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_what_tasks_logged_arrives_in_order_however_the_program_ends(fake, program, name):
    """F25."""
    ending, status = ENDINGS[name]
    with program(TASKS.format(ending=ending)) as running:
        assert running.wait() == status, running.output
        messages = fake.messages("g", "s")
        assert sorted(messages) == sorted(f"{task} {n}" for task in "abc" for n in [*range(100), "last"])
        for task in "abc":
            assert [m for m in messages if m[0] == task] == [f"{task} {n}" for n in [*range(100), "last"]]


def test_what_is_logged_while_the_loop_is_torn_down_arrives(fake, program):
    """F26: tasks that are cancelled at the end, and asyncio's own complaint, which a ``__del__`` logs."""
    source = """
    async def stay():
        try:
            await asyncio.sleep(3600)
        finally:
            log.info("cancelled")

    async def fail():
        raise RuntimeError("nobody asked")

    async def main():
        global kept
        kept = asyncio.create_task(fail())
        asyncio.create_task(stay())
        await asyncio.sleep(0.01)
        log.info("main")

    asyncio.run(main())
    del kept
    """
    with program(source) as running:
        assert running.wait() == 0, running.output
        first, second, third = fake.messages("g", "s")
        assert (first, second) == ("main", "cancelled")
        assert third.startswith("Task exception was never retrieved")


def test_the_loop_goes_on_while_the_endpoint_does_not_answer(fake, program):
    source = """
    async def main():
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, asyncio.current_task().cancel)
        for tick in itertools.count():
            log.info("%d", tick)
            print("tick", tick)
            await asyncio.sleep(0.001)

    try:
        asyncio.run(main())
    except asyncio.CancelledError:
        pass
    """
    fake.fail(faults.stall())
    with program(source, options="send_interval=0.01") as running:
        running.wait_for("tick")
        assert fake.wait_for(lambda: fake.requests)
        so_far = int(running.output.split()[-1])
        running.wait_for(f"tick {so_far + 100}\n")
        # It ran on, and not one request was answered.
        assert fake.messages("g", "s") == []
        fake.clear_faults()
        fake.release()
        running.signal(signal.SIGUSR1)
        assert running.wait() == 0, running.output
        last = int(running.output.split()[-1])
        assert fake.messages("g", "s") == [str(tick) for tick in range(last + 1)]
