"""gunicorn, started as its users start it, with each kind of worker and each way to configure logging."""

import signal

import pytest

from cwlog_handler.testing import faults

from .witness import ANSWER_LIMIT, arrived, in_any_order, unexpected


@pytest.mark.slow
@pytest.mark.parametrize("configured_by", ["application", "server"])
@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
@pytest.mark.parametrize("worker_class", ["sync", "gthread", "gevent"])
def test_master_and_workers_deliver_through_reload_and_stop(
    fake, witness, gunicorn, worker_class, preload, configured_by
):
    """F24, F27, F31: whatever a process logged arrives once, in a stream of its own, and the stop is clean."""
    with gunicorn(worker_class, preload=preload, configured_by=configured_by) as shop:
        first = shop.order_from(2)
        shop.program.signal(signal.SIGHUP)
        shop.order_from(2, apart_from=first)
        shop.program.signal(signal.SIGTERM)
        status = shop.program.wait()
    assert status == 0, shop.program.output
    # First: what went wrong in a process says more than what is missing.
    assert unexpected(shop.program.output) == ""
    logged = witness.logged
    assert len(logged) == 4 + (preload or configured_by == "server")
    if worker_class == "gthread":
        assert in_any_order(arrived(fake)) == in_any_order(logged)
    else:
        # Greenlets reach both handlers in one order, too. Only a thread of ours could have one wait for the lock of the
        # witness while another one runs, and nothing of it gets there once gevent has patched.
        assert arrived(fake) == logged


@pytest.mark.parametrize(
    ("worker_class", "preload", "configured_by", "quiet"),
    [
        pytest.param("gthread", False, "application", False, id="gthread"),
        pytest.param("gevent", False, "application", False, id="gevent"),
        pytest.param("gevent", True, "application", False, id="gevent-sent before it patches"),
        pytest.param("gevent", True, "application", True, id="gevent-made before it patches"),
        pytest.param("gevent", False, "server", False, id="gevent-sent before it patches, by the server"),
        pytest.param("gevent", False, "server", True, id="gevent-made before it patches, by the server"),
    ],
)
def test_another_request_is_answered_while_the_endpoint_stalls(
    fake, witness, gunicorn, worker_class, preload, configured_by, quiet
):
    """F31, F45: a handler that was made before gevent patched, and may have a thread by then, never stops the hub."""
    with gunicorn(worker_class, preload=preload, configured_by=configured_by, workers=1, quiet=quiet) as shop:
        worker = shop.order()
        assert fake.wait_for(lambda: arrived(fake).get(worker)), shop.program.output
        fake.fail(faults.stall())
        shop.order()
        assert fake.wait_for(lambda: fake.requests[-1].answer == "stall"), shop.program.output
        assert [shop.order(ANSWER_LIMIT) for _ in range(3)] == [worker] * 3
        fake.clear_faults()
        fake.release()
        shop.program.signal(signal.SIGTERM)
        assert shop.program.wait() == 0, shop.program.output
    assert unexpected(shop.program.output) == ""
    assert in_any_order(arrived(fake)) == in_any_order(witness.logged)
