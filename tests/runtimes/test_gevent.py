"""gevent without a server around it, patching before our import or after."""

import pytest

from cwlog_handler.testing import faults
from tests.programs import python, started

pytest.importorskip("gevent", reason="gevent is not installed")

BEFORE = "from gevent import monkey; monkey.patch_all()"
PROGRAM = """
{before}
import logging, time
from cwlog_handler import CloudWatchLogsHandler
handler = CloudWatchLogsHandler("g", "{{level_name}}")
log = logging.getLogger("program")
log.setLevel(logging.INFO)
log.addHandler(handler)
{between}
{after}
import gevent
ticks = 0
def tick():
    global ticks
    while True:
        ticks += 1
        gevent.sleep(0.01)
gevent.spawn(tick)
log.info("m")
print("flushed", handler.flush(1.0), flush=True)
print("ticked" if ticks > 5 else f"stood still: {{ticks}}", flush=True)
"""
WHEN = {
    "before the import": (BEFORE, "", ""),
    "after the import": ("", "", BEFORE),
    "after the first record": ("", 'log.warning("first"); assert handler.flush()', BEFORE),
}


@pytest.mark.parametrize("when", WHEN)
def test_a_flush_lets_other_greenlets_go_on_while_the_endpoint_stalls(fake, when):
    """F31: whoever waits for a native thread must not take the loop with it."""
    before, between, after = WHEN[when]
    fake.create("g", "INFO", "WARNING")
    fake.fail(faults.stall(), stream="INFO")
    argv = python("-W", "ignore", "-c", PROGRAM.format(before=before, between=between, after=after))
    with fake.serve() as url, started(argv, url=url) as program:
        program.wait_for("flushed False")
        program.wait_for("ticked")
        fake.clear_faults()
        fake.release()
        assert program.wait() == 0, program.output
    # What had no answer was sent again, and the service takes all that it holds.
    assert set(fake.messages("g", "INFO")) == {"m"}
    assert fake.messages("g", "WARNING") == (["first"] if between else [])
