"""Bursts, and the ways in which a program ends or is configured anew."""

from typing import Final

from .scenario import Scenario

BURST = """
from tests.benchmarks.scenarios.program import configure, log
configure()
for n in range(20_000):
    log(n)
"""

THREADS = """
import threading
from tests.benchmarks.scenarios.program import configure, log
configure()
def work(name):
    for n in range(2_500):
        log(f"{name}.{n}")
threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""

STREAMS = """
from tests.benchmarks.scenarios.program import configure, log
configure()
for n in range(20_000):
    log(n, logger=f"logger{n % 10}")
"""

AT_ONCE = """
from tests.benchmarks.scenarios.program import configure, log
configure()
log(0)
"""

EXCEPTION = """
from tests.benchmarks.scenarios.program import configure, log
configure()
for n in range(1_000):
    log(n)
raise RuntimeError("nobody handles this")
"""

SIGTERM = """
import os, signal, sys
from tests.benchmarks.scenarios.program import configure, log
configure()
def stop(*_):
    log("stopping")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
for n in range(1_000):
    log(n)
os.kill(os.getpid(), signal.SIGTERM)
signal.pause()
"""

# Registered before logging is imported, so it runs after logging has shut down.
ATEXIT = """
import atexit
def late():
    for n in range(10):
        log(f"late.{n}")
atexit.register(late)
from tests.benchmarks.scenarios.program import configure, log
configure()
for n in range(1_000):
    log(n)
"""

THREAD_LEFT = """
import threading, time
from tests.benchmarks.scenarios.program import configure, log
configure()
def work():
    for n in range(100):
        log(f"thread.{n}")
        time.sleep(0.01)
threading.Thread(target=work).start()
log("main")
"""

AFTER_CLOSE = """
import logging
from tests.benchmarks.scenarios.program import configure, log
configure()
for n in range(100):
    log(n)
logging.getLogger().handlers[0].close()
for n in range(100, 110):
    log(n)
"""

# The second time comes while the first delivery is under way, as when a framework configures after its user did;
# the third time in the midst of things.
DICT_CONFIG = """
import threading, time
from tests.benchmarks.scenarios.program import configure, log, note
def work(name):
    n = 0
    while not over.wait(0.001):
        log(f"{name}.{n}")
        n += 1
configure(level="DEBUG")
over = threading.Event()
threads = [threading.Thread(target=work, args=(name,)) for name in range(2)]
for thread in threads:
    thread.start()
for which, pause in (("second", 0.2), ("third", 1.5)):
    time.sleep(pause)
    began = time.monotonic()
    configure(level="DEBUG")
    note(f"{which} dictConfig took {time.monotonic() - began:.2f} s")
over.set()
for thread in threads:
    thread.join()
"""

SIGNALS = """
import signal
from tests.benchmarks.scenarios.program import configure, log
configure()
ticks = 0
def tick(*_):
    global ticks
    ticks += 1
    log(f"signal.{ticks}")
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for n in range(20_000):
    log(n)
signal.setitimer(signal.ITIMER_REAL, 0)
"""

SCENARIOS: Final = (
    Scenario("burst of 20,000", BURST),
    Scenario("burst from 8 threads", THREADS),
    Scenario("burst over 10 streams", STREAMS, {"log_stream_name": "{logger_name}"}),
    Scenario("logs once and ends at once", AT_ONCE),
    Scenario("unhandled exception", EXCEPTION),
    Scenario("SIGTERM handled", SIGTERM),
    Scenario("atexit callback", ATEXIT),
    Scenario("a thread logs on after main", THREAD_LEFT),
    Scenario("logged after close()", AFTER_CLOSE),
    Scenario("dictConfig again, at DEBUG", DICT_CONFIG, limit=180.0),
    # A deadlock shows at once, and nothing in it takes long.
    Scenario("signal handler logs in a burst", SIGNALS, limit=30.0),
)
