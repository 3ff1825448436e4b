"""Django, which hands its LOGGING setting to dictConfig itself: by gunicorn, and a management command."""

import signal

import pytest

from ..programs import python, started
from .witness import APPS, arrived, in_any_order, unexpected

pytest.importorskip("django", reason="Django is not installed")


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_django_by_gunicorn_delivers_from_every_worker(fake, witness, gunicorn, preload):
    """F24: set up twice, so that the first handler is closed by dictConfig while it has records to send."""
    with gunicorn(application="django_shop.wsgi:application", preload=preload) as shop:
        workers = shop.order_from(2)
        shop.program.signal(signal.SIGTERM)
        assert shop.program.wait() == 0, shop.program.output
    assert workers <= set(witness.logged)
    # Two handlers of one process share its stream: the order is kept for each of them.
    assert in_any_order(arrived(fake)) == in_any_order(witness.logged)
    assert unexpected(shop.program.output) == ""


def test_a_management_command_that_ends_at_once_has_delivered_what_it_logged(fake, witness):
    """F25, F26."""
    command = python("manage.py", "restock")
    with fake.serve() as url, started(command, url=url, cwd=APPS, **witness.environment()) as program:
        assert program.wait() == 0, program.output
    assert arrived(fake) == witness.logged == {program.pid: [f"shelf {shelf} is full" for shelf in range(3)]}
    assert program.output == "done\n"
