"""A record at any line of ours: what a signal handler, a finalizer or a garbage collection may do."""

import pytest

from .conftest import MODES

# A record at every line of ours that runs on the calling thread, as a signal handler or a garbage collection would.
# No real signal hits each of them: a trace function does.
AT_EVERY_LINE = """
import cwlog_handler
ours = os.path.dirname(cwlog_handler.__file__)
class Client:
    def __init__(self): self.messages = []
    def put_log_events(self, *, logEvents, **_):
        self.messages += [event["message"] for event in logEvents]
        return {{}}
client = Client()
log.removeHandler(handler)
handler = CloudWatchLogsHandler(
    *("g", "s"), boto3_client=client, requests_per_second=None, send_interval=0.001, close_timeout=50.0, **options
)
log.addHandler(handler)
inner = {{
    "log": lambda: log.info("inner"),
    "error": lambda: log.error("inner"),
    "flush": lambda: (log.info("inner"), handler.flush(0.01)),
    "stats": lambda: (log.info("inner"), handler.stats),
    "close": lambda: (log.info("inner"), handler.close()),
}}[{inner!r}]
outer = {{
    "log": lambda: log.info("outer"),
    "flush": lambda: (log.info("outer"), handler.flush()),
    "stats": lambda: (log.info("outer"), handler.stats),
    "close": lambda: (log.info("outer"), handler.close()),
}}[{outer!r}]
# As Python calls a signal handler: with the frame below. A trace function that logs by itself is no guest to be heard.
def on_signal(number, frame): inner()
def run(at):
    line = 0
    def on_line(frame, event, _):
        nonlocal line
        if event == "line":
            line += 1
            if line == at: on_signal(int(signal.SIGALRM), sys._getframe())
        return on_line
    def on_call(frame, event, _):
        return on_line if frame.f_code.co_filename.startswith(ours) else None
    sys.settrace(on_call)
    try: outer()
    finally: sys.settrace(None)
    sent = at + (at if line >= at else at - 1)
    if options.get("use_queues") is False and len(client.messages) != sent:
        late.append(at)
    return line >= at
at, late = 0, []
while run(at + 1): at += 1
"""
CHECK = """
assert handler.flush(50), handler.stats
found = sorted(client.messages)
assert found == ["inner"] * at + ["outer"] * (at + 1), (at, found.count("inner"), found.count("outer"))
assert at > 10, at
"""
PAIRS = [("log", "log"), ("error", "log"), ("log", "flush"), ("flush", "log")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pair", PAIRS, ids=" in ".join)
def test_a_record_logged_at_any_line_of_ours_is_delivered_once_and_hangs_nothing(run, mode, pair):
    """F29: in a signal handler, a finalizer, a garbage collection, which may run between any two lines."""
    inner, outer = pair
    source = f"options = {MODES[mode]!r}\n{AT_EVERY_LINE.format(inner=inner, outer=outer)}{CHECK}"
    returned, output = run(source)
    assert (returned, output) == (0, "")


def test_where_the_thread_is_just_being_started_a_record_waits_for_no_room_in_vain(run):
    """F29: whoever interrupts the frame that starts it must not take it for started."""
    source = f"options = {MODES['blocking']!r}\n{AT_EVERY_LINE.format(inner='log', outer='close')}{CHECK}"
    returned, output = run(source)
    assert (returned, output) == (0, "")


def test_where_the_thread_is_just_being_started_a_flush_does_not_wait_in_vain(run):
    """F29: it would take all of its time, and say that nothing was delivered."""
    source = f"options = {{}}\n{AT_EVERY_LINE.format(inner='flush', outer='close')}{CHECK}"
    returned, output = run(source.replace("handler.flush(0.01))", "handler.flush(50) or print('in vain'))"))
    assert (returned, output) == (0, "")


def test_without_queues_a_record_logged_at_any_line_is_sent_when_the_outer_call_returns(run):
    """F29: also when the round below has had its last look; 3.10 traces these lines, the others have the gap too."""
    source = f"options = {MODES['without queues']!r}\n{AT_EVERY_LINE.format(inner='log', outer='log')}"
    returned, output = run(source + "assert not late, (at, late)\n")
    assert (returned, output) == (0, "")
