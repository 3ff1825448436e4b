"""DEBUG and INFO of a request by examples/debug_on_error.py: all of them if it fails, none otherwise."""

import asyncio
import contextvars
import gc
import logging
import logging.config
import sys
import threading
import weakref

import debug_on_error
import pytest
from debug_on_error import DebugOnError, asgi_until_error, until_error, wsgi_until_error
from fastapi import BackgroundTasks, FastAPI
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from pythonjsonlogger.json import JsonFormatter

from ..programs import python, started
from .conftest import PATH, Kept
from .test_request_ids import asgi, wsgi


@pytest.fixture
def sent():
    """What is sent, as texts."""
    return Kept()


@pytest.fixture
def front(sent, logger):
    front = DebugOnError(sent)
    logger.addHandler(front)
    return front


LEVELS = st.sampled_from([logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR])


@given(st.lists(st.lists(LEVELS, max_size=12), max_size=5), st.integers(1, 5), st.randoms())
def test_a_failed_request_sends_its_latest_records_in_order_and_another_one_only_its_warnings(requests, most, luck):
    """The records of the requests come in any order, as those of tasks in a loop do."""
    target, logger = Kept(), logging.getLogger("test.debug_on_error")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.handlers[:] = [DebugOnError(target)]
    contexts, scopes = [contextvars.Context() for _ in requests], [until_error(most) for _ in requests]
    for context, scope in zip(contexts, scopes, strict=True):
        context.run(scope.__enter__)
    turns = [number for number, levels in enumerate(requests) for _ in levels]
    luck.shuffle(turns)
    places = [0] * len(requests)
    for number in turns:
        level = requests[number][places[number]]
        contexts[number].run(logger.log, level, "%d.%d", number, places[number])
        places[number] += 1
    for context, scope in zip(contexts, scopes, strict=True):
        context.run(scope.__exit__, None, None, None)
    overflows = 0
    for number, levels in enumerate(requests):
        own = [text for text in target.texts if text.startswith(f"{number}.")]
        failed_at = levels.index(logging.ERROR) if logging.ERROR in levels else None
        kept = [place for place, level in enumerate(levels[:failed_at]) if level < logging.WARNING]
        warnings = {place for place, level in enumerate(levels) if level >= logging.WARNING}
        overflows += failed_at is not None and len(kept) > most
        if failed_at is None:
            assert own == [f"{number}.{place}" for place in sorted(warnings)]
        else:
            # Warnings before the error were sent when they were logged.
            early = [place for place in range(failed_at) if place in warnings]
            after = list(range(failed_at, len(levels)))
            assert own == [f"{number}.{place}" for place in [*early, *kept[-most:], *after]]
    left_out = [text for text in target.texts if "were not kept" in text]
    assert len(left_out) == overflows


def test_they_are_sent_with_their_own_times_and_texts(front, sent, logger):
    """Whatever their arguments have become meanwhile."""
    basket, event = ["tea"], {"event": "paid", "basket": ["tea"]}
    with until_error():
        logger.debug("basket %s", basket)
        logger.info(event)
        basket.append("milk")
        event["basket"].append("milk")
        logger.error("failed")
    assert sent.texts == ["basket ['tea']", "{'event': 'paid', 'basket': ['tea']}", "failed"]
    assert isinstance(sent.records[1].msg, dict)
    created = [record.created for record in sent.records]
    assert created == sorted(created)
    assert created[0] < created[2]


def test_a_traceback_is_kept_as_text_and_keeps_nothing_in_memory(front, sent):
    class Large:
        pass

    def fail():
        large = Large()
        references.append(weakref.ref(large))
        raise KeyError("basket")

    references = []
    sent.setFormatter(JsonFormatter("%(message)s"))
    with until_error():
        try:
            fail()
        except KeyError:
            # Not by a logger: pytest would keep the record.
            front.handle(logging.makeLogRecord({"msg": "again", "levelno": logging.DEBUG, "exc_info": sys.exc_info()}))
        gc.collect()
        assert references[0]() is None
        front.handle(logging.makeLogRecord({"msg": "failed", "levelno": logging.ERROR}))
    assert "KeyError: 'basket'" in sent.texts[0]


def test_a_record_that_cannot_be_copied_is_kept_as_it_is(front, sent, logger):
    with until_error():
        logger.debug({"lock": threading.Lock()})
        logger.error("failed")
    assert len(sent.texts) == 2


def test_an_exception_that_leaves_the_request_sends_them_too(front, sent, logger):
    @until_error()
    def serve():
        logger.debug("d")
        raise LookupError

    with pytest.raises(LookupError):
        serve()
    assert sent.texts == ["d"]


def test_what_ends_a_request_from_outside_is_no_error(front, sent, logger):
    """A client that goes away cancels its task."""

    async def main():
        async def serve():
            with until_error():
                logger.debug("d")
                await asyncio.Event().wait()

        task = asyncio.create_task(serve())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert sent.texts == []


def test_a_block_inside_of_another_one_belongs_to_it(front, sent, logger):
    with until_error():
        logger.debug("outer")
        with until_error():
            logger.debug("inner")
        logger.error("failed")
        logger.debug("after it")
    logger.info("outside")
    assert sent.texts == ["outer", "inner", "failed", "after it", "outside"]


def test_outside_of_requests_the_level_decides(sent, logger):
    logger.addHandler(DebugOnError(sent, outside="WARNING"))
    logger.info("i")
    logger.warning("w")
    assert sent.texts == ["w"]


def test_a_task_that_outlives_its_request_is_outside_of_it(front, sent, logger):
    """Otherwise what a connection pool logs would vanish, if a request has opened it."""

    async def main():
        is_over = asyncio.Event()

        async def outlive():
            logger.info("within")
            await is_over.wait()
            logger.info("info")
            logger.debug("debug")
            with until_error():
                logger.debug("its own")
                logger.error("failed")

        with until_error():
            task = asyncio.create_task(outlive())
            await asyncio.sleep(0)
        is_over.set()
        await task

    asyncio.run(main())
    assert sent.texts == ["info", "its own", "failed"]


def test_threads_of_a_request_share_its_records_and_others_have_none(front, sent, logger):
    with until_error():
        context = contextvars.copy_context()
        for work in (lambda: context.run(logger.debug, "thread"), lambda: logger.info("other")):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        assert sent.texts == ["other"]
        logger.error("failed")
    assert sent.texts == ["other", "thread", "failed"]


def test_threads_that_fail_at_the_same_time_send_each_record_once(front, sent, logger):
    barrier = threading.Barrier(4)

    def work(number):
        for place in range(200):
            logger.debug("%d.%d", number, place)
        barrier.wait()
        logger.error("%d failed", number)

    with until_error():
        threads = [threading.Thread(target=contextvars.copy_context().run, args=(work, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    expected = [f"{number}.{place}" for number in range(4) for place in range(200)]
    assert sorted(sent.texts) == sorted([*expected, *(f"{number} failed" for number in range(4))])


def test_filters_of_the_handler_in_front_see_the_moment_of_logging(front, sent, logger):
    moment = contextvars.ContextVar("moment")
    front.addFilter(lambda record: setattr(record, "moment", moment.get()) or True)
    with until_error():
        moment.set("first")
        logger.debug("d")
        moment.set("second")
        logger.error("e")
    assert [record.moment for record in sent.records] == ["first", "second"]


def test_dict_config_finds_the_target():
    """In every version of Python: it knows MemoryHandler."""
    logger = logging.getLogger("shop")
    before = logger.handlers[:], logger.level
    try:
        logging.config.dictConfig(debug_on_error.LOGGING)
        (front,) = logger.handlers
        assert front.target is logging._handlers["cloudwatch"]
    finally:
        logger.handlers[:] = before[0]
        logger.setLevel(before[1])
        front.target.close()


def test_a_request_of_a_wsgi_server_lasts_until_its_body_is_sent(front, sent, logger):
    application = Flask("shop")

    @application.get("/")
    def view():
        logger.debug("view")

        def body():
            yield b"first"
            logger.error("body")

        return body()

    application.wsgi_app = wsgi_until_error(application.wsgi_app)
    _, _, body = wsgi(application.wsgi_app)
    assert sent.texts == []
    list(body)
    assert sent.texts == ["view", "body"]
    logger.info("after")
    assert sent.texts[2:] == ["after"]


def test_a_request_of_an_asgi_server_has_its_threads_and_background_tasks(front, sent, logger):
    api = FastAPI()

    @api.get("/fails")
    def fails(tasks: BackgroundTasks):
        logger.debug("view in a thread")
        tasks.add_task(logger.error, "background")

    @api.get("/raises")
    async def raises():
        logger.debug("raises")
        raise LookupError

    @api.get("/works")
    async def works():
        logger.debug("works")

    application = asgi_until_error(api)

    async def main():
        await asyncio.gather(asgi(application, "/fails"), asgi(application, "/works"))
        with pytest.raises(LookupError):
            await asgi(application, "/raises")

    asyncio.run(main())
    assert sent.texts == ["view in a thread", "background", "raises"]


def test_the_start_and_the_end_of_an_asgi_server_are_no_request(front, sent, logger):
    """Otherwise its first INFO would wait for an error until the server ends, and each request would belong to it."""

    async def application(scope, receive, send):
        logger.info("started")
        assert sent.texts == ["started"]

    asyncio.run(asgi_until_error(application)({"type": "lifespan"}, None, None))
    assert sent.texts == ["started"]


def test_a_wsgi_application_that_fails_sends_its_records_and_is_closed(front, sent, logger):
    class Body:
        closed = False

        def __iter__(self):
            logger.debug("body")
            raise LookupError("no body")

        def close(self):
            Body.closed = True

    with pytest.raises(LookupError):
        wsgi(wsgi_until_error(lambda environ, start_response: Body()))
    assert Body.closed
    assert sent.texts == ["body"]


CELERY = """
import logging, sys
import celery, debug_on_error_tasks
from debug_on_error import DebugOnError

log = logging.getLogger("shop.tasks")
log.setLevel("DEBUG")
log.addHandler(DebugOnError(logging.StreamHandler(sys.stdout)))
app = celery.Celery("shop", task_cls=debug_on_error_tasks.CeleryTask, broker="memory://")

@app.task
def pack(order):
    log.debug("order %d", order)
    assert order != 13

for order in (12, 13):
    pack.apply([order])
    print("ended", flush=True)
"""
RQ = """
import logging, sys
import fakeredis, rq, rq.job, debug_on_error_tasks
from debug_on_error import DebugOnError

class Worker(debug_on_error_tasks.RQWorker, rq.SimpleWorker):
    pass

front = DebugOnError(logging.StreamHandler(sys.stdout))
for name in ("shop.jobs", "rq.worker"):
    log = logging.getLogger(name)
    log.addHandler(front)
    log.propagate = False
logging.getLogger("shop.jobs").setLevel("DEBUG")

redis = fakeredis.FakeStrictRedis()
orders = rq.Queue(connection=redis)
worker = Worker([orders], connection=redis)
for order in (12, 13):
    job = orders.enqueue("jobs.pack", order)
    worker.execute_job(job, orders)
    print("ended", flush=True)
"""
JOBS = """
import logging

def pack(order):
    logging.getLogger("shop.jobs").debug("order %d", order)
    assert order != 13
"""


@pytest.mark.parametrize("program", [CELERY, RQ], ids=["celery", "rq"])
def test_a_task_that_fails_sends_what_it_logged(program, fake, tmp_path):
    (tmp_path / "program.py").write_text(program)
    (tmp_path / "jobs.py").write_text(JOBS)
    with fake.serve() as url, started(python("program.py"), url=url, cwd=tmp_path, PYTHONPATH=PATH) as running:
        assert running.wait() == 0, running.output
    lines = running.output.splitlines()
    assert [line for line in lines if line in ("ended", "order 12", "order 13")] == ["ended", "order 13", "ended"]


FORK = """
import logging, os, sys
from debug_on_error import DebugOnError, until_error

log = logging.getLogger("shop")
log.setLevel("DEBUG")
log.addHandler(DebugOnError(logging.StreamHandler(sys.stdout)))
with until_error():
    log.debug("parent")
    if os.fork() == 0:
        log.error("child")
        os._exit(0)
    os.wait()
    log.error("failed")
"""


def test_a_process_that_is_forked_in_a_request_sends_nothing_of_it():
    with started(python("-c", FORK), PYTHONPATH=PATH) as running:
        assert running.wait() == 0, running.output
    assert running.output.splitlines() == ["child", "parent", "failed"]


def test_nothing_else_is_sent_at_the_end(front, sent, logger):
    """What MemoryHandler would send, and what it would lose afterwards."""
    with until_error():
        logger.debug("d")
        front.flush()
        front.close()
        logger.warning("w")
    assert sent.texts == ["w"]
