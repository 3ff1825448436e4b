"""Flask, by its own server and by gunicorn."""

import signal

import pytest

from ..programs import python
from .witness import arrived, in_any_order, unexpected

pytest.importorskip("flask", reason="Flask is not installed")


def test_flask_by_its_own_server_delivers_what_it_logged_until_ctrl_c(fake, witness, serving):
    """F26: the server answers each request in a thread of its own."""
    with serving(*python("-m", "flask", "--app", "flask_shop", "run", "--port", "{port}")) as shop:
        for _ in range(3):
            shop.order()
        shop.program.signal(signal.SIGINT)
        assert shop.program.wait() == 0, shop.program.output
    assert in_any_order(arrived(fake)) == in_any_order(witness.logged)
    assert {"imported", "order 3, line 4"} <= set(*arrived(fake).values())
    # What the server says when it starts.
    assert shop.program.output == " * Serving Flask app 'flask_shop'\n * Debug mode: off\n"


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_flask_by_gunicorn_delivers_from_every_worker(fake, witness, gunicorn, preload):
    """F27."""
    with gunicorn(application="flask_shop:app", preload=preload) as shop:
        workers = shop.order_from(2)
        shop.program.signal(signal.SIGTERM)
        assert shop.program.wait() == 0, shop.program.output
    assert workers <= set(witness.logged)
    assert arrived(fake) == witness.logged
    assert unexpected(shop.program.output) == ""
