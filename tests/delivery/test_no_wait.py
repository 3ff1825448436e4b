"""A flush that is not to wait does not, and a wait ends when its time is over, whatever happens at that instant."""

from ..programs import python, started

# The signals make it likely that the clock moves on between two of the queue's looks at it.
PROGRAM = """
import signal
from cwlog_handler.delivery.inbox import Ticket

signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 5e-5, 5e-5)
for _ in range(200_000):
    assert not Ticket().wait(0.0)
signal.setitimer(signal.ITIMER_REAL, 0)
print("over")
"""


def test_a_wait_of_no_time_ends():
    """F24: flush() waits for 0 s inside dictConfig, where a real wait would be one for ever.

    On Python 3.10 ``SimpleQueue().get(timeout=0.0)`` waits for ever if a microsecond passes inside it: what is left of
    the time is negative then, which its lock takes for no limit. A queue that somebody looked into before is safe.
    """
    with started(python("-c", PROGRAM)) as program:
        program.wait_for("over")
        assert program.wait() == 0


INTERRUPTED = """
import signal, time
from cwlog_handler.delivery.inbox import Inbox

signal.signal(signal.SIGALRM, lambda *_: time.sleep(0.4))
signal.setitimer(signal.ITIMER_REAL, 0.1)
Inbox(lambda: None, lambda: None, time.monotonic, most_bytes=2**20, urgent_level=40).wait(0.3)
print("over")
"""


def test_a_wait_ends_although_a_signal_handler_took_longer():
    """F25: where the main thread delivers, without queues and at exit, it would wait for ever.

    Up to Python 3.12 ``SimpleQueue().get(timeout=0.3)`` does: what is left of the time is negative after the handler.
    """
    with started(python("-c", INTERRUPTED)) as program:
        program.wait_for("over")
        assert program.wait() == 0
