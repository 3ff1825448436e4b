"""What logs while it is logged, and fails again: it ends at once, costs no other record, and the program goes on."""

import textwrap

import pytest

from cwlog_handler.testing import FakeCloudWatchLogs

from .conftest import MODES

# What each does to both, to our handler and to the standard library's; ``m`` is the message that is logged then.
REDIRECTED = """
class Stream:
    def write(self, text):
        for line in text.rstrip().splitlines(): log.error(line)
    def flush(self): pass
sys.stderr = Stream()
"""
MISSING = "each.setFormatter(logging.Formatter('%(missing)s %(message)s'))\n"
CASES = {
    "stderr and a format with a field that is not there": MISSING + REDIRECTED,
    "stderr and a format with a field that is not there, with braces": (
        "each.setFormatter(logging.Formatter('{missing} {message}', style='{'))\n" + REDIRECTED
    ),
    "stderr that swallows what is raised": MISSING
    + """
class Stream:
    def write(self, text):
        try: log.error(text)
        except Exception: pass
    def flush(self): pass
sys.stderr = Stream()
""",
    "stderr and a formatter that raises": """
class Bad(logging.Formatter):
    def format(self, record): raise RuntimeError("bad")
each.setFormatter(Bad())
"""
    + REDIRECTED,
    "stderr and a filter that raises": """
def bad(record): raise RuntimeError("bad")
each.addFilter(bad)
"""
    + REDIRECTED,
    "stderr and warnings of a formatter": """
import warnings
logging.captureWarnings(True)
logging.getLogger("py.warnings").handlers[:] = [each]
warnings.simplefilter("always")
class Warning_(logging.Formatter):
    def format(self, record): warnings.warn("old"); warnings.warn("older"); return super().format(record)
each.setFormatter(Warning_())
""",
    "a __str__ that logs itself": """
class M:
    def __str__(self): log.info(self); log.info(self); return "m"
m = M()
""",
    "a __str__ and a __repr__ that log the like and raise": """
class M:
    def __str__(self): log.info(M()); raise ValueError("no")
    __repr__ = __str__
m = M()
""",
    "a __format__ that logs itself": """
class M:
    def __format__(self, spec): log.info("%s", self); log.info("%s", self); return "m"
    def __str__(self): return f"{self}"
m = M()
""",
    "an exception whose __str__ logs itself": """
class Bad(Exception):
    def __str__(self): log.info("%s", self); log.info("%s", self); return "bad"
m = Bad()
""",
    "an argument's __repr__": """
class A:
    def __repr__(self): log.info("%r", self); log.info("%r", self); return "a"
class M(str):
    def __str__(self): return "%r" % A()
m = M()
""",
    "a formatter that logs": """
class Chatty(logging.Formatter):
    def format(self, record): log.info("a"); log.info("b"); return super().format(record)
each.setFormatter(Chatty())
""",
    "a formatter that logs to the root": """
logging.getLogger().addHandler(each)
class Chatty(logging.Formatter):
    def format(self, record): logging.error("a"); logging.error("b"); return super().format(record)
each.setFormatter(Chatty())
""",
    "a filter that logs": """
def chatty(record): log.info("a"); log.info("b"); return True
each.addFilter(chatty)
""",
    "a handleError that logs": """
each.handleError = lambda record: (log.info("%d", "x"), log.info("%d", "x"))
class M(str):
    def __str__(self): raise ValueError("no")
m = M()
each.setFormatter(logging.Formatter("%(missing)s"))
""",
}
# How it ends with a handler of the standard library's, where that is not by a RecursionError.
THERE = {
    "stderr that swallows what is raised": "for ever",
    "stderr and a filter that raises": "RuntimeError",
}
COMPARED = """
faulthandler.dump_traceback_later(50, exit=True)
log.propagate = False
m = "m"
written = []
class Written:
    def write(self, text): written.append(text)
    def flush(self): pass
class Nowhere(Written):
    def write(self, text): pass
def outcome(each):
    global m
    log.handlers[:] = [each]
{case}
    try: log.info(m)
    except Exception as error: return type(error).__name__
    finally:
        sys.stderr = nowhere
        each.setFormatter(None)
        each.filters.clear()
        each.__dict__.pop("handleError", None)
        logging.captureWarnings(False)
        logging.getLogger().handlers.clear()
    return "returned"
stderr = sys.stderr
sys.stderr = nowhere = Nowhere()
ours = outcome(handler)
m = "m"
print(outcome(logging.StreamHandler(Written())) if {compared} else "for ever", file=sys.stdout)
sys.stderr = stderr
log.handlers[:] = [handler]
assert ours == "returned", ours
log.info("next")
assert handler.flush(30)
stats = handler.stats
assert stats.delivered == stats.emitted >= 2, stats
thread = threading.Thread(target=log.info, args=("another thread's",))
thread.start()
thread.join(40)
assert not thread.is_alive()
"""


@pytest.fixture
def fake():
    return FakeCloudWatchLogs(requests_per_second=None)


@pytest.mark.parametrize("use_queues", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_a_recursion_of_records_ends_at_once_and_the_first_of_them_is_delivered(fake, run, name, use_queues):
    """F54: in the standard library by a RecursionError in the program; here it does not get as far as that."""
    expected = THERE.get(name, "RecursionError")
    case = textwrap.indent(CASES[name], "    ")
    source = COMPARED.format(case=case, compared=expected != "for ever")
    # Without queues each of some dozen lines on stderr is a request: none waits for the rate.
    options = {"use_queues": use_queues, "requests_per_second": None}
    returned, output = run(source, first="import faulthandler", **options)
    assert (returned, output) == (0, f"{expected}\n")
    messages = fake.messages("g", "s")
    assert messages[-2:] == ["next", "another thread's"]
    # The lines of some failures on stderr, but no hundreds of them.
    assert 3 <= len(messages) < 300


NEAR_THE_END = """
sys.setrecursionlimit(400)
def at(depth):
    if depth: return at(depth - 1)
    log.info("deep")
raised = returned = 0
for distance in range(8, {furthest}, {step}):
    log.info("before")
    began = time.monotonic()
    try: at(400 - distance); returned += 1
    except RecursionError: raised += 1
    assert time.monotonic() - began < 40
    log.info("after")
    thread = threading.Thread(target=log.info, args=("another thread's",))
    thread.start()
    thread.join(40)
    assert not thread.is_alive()
    assert handler.flush(30)
assert raised and returned, (raised, returned)
stats = handler.stats
assert stats.delivered == stats.emitted, stats
assert 3 * (raised + returned) + returned <= stats.emitted <= 4 * (raised + returned), (stats, raised, returned)
"""
DERIVED = """
class Derived(logging.Formatter):
    def format(self, record): return super().format(record)
handler.setFormatter(Derived())
"""


@pytest.mark.parametrize("formatter", ["", DERIVED])
@pytest.mark.parametrize("mode", MODES)
def test_where_the_program_has_used_up_its_stack_nothing_breaks(run, mode, formatter):
    """F54: a RecursionError may come at any call of ours; what has returned is delivered, and the next is, at once."""
    # Without queues the whole of a request is a part of the call.
    furthest, step = (200, 10) if mode == "without queues" else (60, 1)
    source = formatter + NEAR_THE_END.format(furthest=furthest, step=step)
    returned, output = run(source, **{**MODES[mode], "requests_per_second": None, "send_interval": 0.01})
    assert returned == 0, output


def test_data_too_deep_for_json_is_no_recursion_of_records(fake, run):
    """F54: also where a ``__str__`` logs it, so that it is logged while another record is."""
    source = """
    deep = []
    for _ in range(5000): deep = [deep]
    class M:
        def __str__(self): log.info(deep); return "m"
    log.info(M())
    """
    returned, output = run(source)
    assert (returned, output) == (0, "")
    inner, outer = sorted(fake.messages("g", "s"))
    assert inner.startswith("[[[[")
    assert outer == "m"
