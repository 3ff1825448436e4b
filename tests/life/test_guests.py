"""Tools of other people in the same process, which watch what is asked of AWS and log, or make spans, of our calls."""

import textwrap

import pytest

pytestmark = pytest.mark.any_python

GUESTS = {
    "X-Ray": """
        from aws_xray_sdk.core import patch
        patch(["botocore", "httplib", "requests"])
        """,
    "X-Ray that raises": """
        os.environ["AWS_XRAY_CONTEXT_MISSING"] = "RUNTIME_ERROR"
        from aws_xray_sdk.core import patch
        patch(["botocore", "httplib", "requests"])
        """,
    "X-Ray, botocore alone": """
        from aws_xray_sdk.core import patch
        patch(["botocore"])
        """,
    "OpenTelemetry": """
        from opentelemetry import trace
        from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
        from opentelemetry.instrumentation.requests import RequestsInstrumentor
        from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
        from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
        class Telling(SpanProcessor):
            def on_end(self, span): logging.getLogger("spans").error("span %s", span.name)
        provider = TracerProvider()
        provider.add_span_processor(Telling())
        trace.set_tracer_provider(provider)
        for instrumentor in BotocoreInstrumentor, URLLib3Instrumentor, RequestsInstrumentor: instrumentor().instrument()
        """,
    "OpenTelemetry's logging": """
        from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
        BotocoreInstrumentor().instrument(request_hook=lambda *_: logging.getLogger("spans").error("hook"))
        """,
    "vcrpy": """
        import vcr
        recording = vcr.VCR(record_mode="all").use_cassette(os.devnull, persister=None)
        recording.__enter__()
        """,
    "sentry": """
        import sentry_sdk
        from sentry_sdk.transport import Transport
        class Told(Transport):
            def capture_envelope(self, envelope): logging.getLogger("sent").error("envelope")
        sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Told, traces_sample_rate=1.0, debug=False)
        """,
    "an audit hook": """
        def heard(event, arguments):
            if event in ("socket.connect", "socket.__new__", "import", "_thread.start_new_thread"):
                logging.getLogger("audit").error("%s", event)
        """,
    "hooks of the client": """
        import boto3
        client = boto3.client("logs")
        for event in "provide-client-params", "before-call", "before-send", "after-call", "needs-retry":
            client.meta.events.register(f"{event}.*.*", lambda event_name, **_: logging.error("a call: %s", event_name))
        options["boto3_client"] = client
        """,
    "http.client's debug output": """
        import http.client
        http.client.HTTPConnection.debuglevel = 1
        http.client.print = lambda *text: logging.getLogger("http.client").error(" ".join(map(str, text)))
        """,
    "stdout that is a log": """
        import contextlib, http.client
        http.client.HTTPConnection.debuglevel = 1
        class Log:
            def write(self, text): text.strip() and logging.getLogger("stdout").error(text)
            def flush(self): pass
        plain, sys.stdout = sys.stdout, Log()
        """,
    "a patched urllib3": """
        import urllib3.connectionpool
        pool = urllib3.connectionpool.HTTPConnectionPool
        def urlopen(self, *args, plain=pool.urlopen, **more):
            logging.critical("a request")
            return plain(self, *args, **more)
        pool.urlopen = urlopen
        """,
    "a profiler of the program's": """
        def profile(frame, event, argument):
            if frame.f_code.co_name == "_make_api_call": logging.error("%s", event)
        threading.setprofile(profile)
        sys.setprofile(profile)
        """,
    "a trace function": """
        def trace(frame, event, argument):
            if frame.f_code.co_name == "_make_api_call": logging.error("%s", event)
        sys.settrace(trace)
        """,
}
NEEDS = {
    "X-Ray": "aws_xray_sdk",
    "OpenTelemetry": "opentelemetry.instrumentation.botocore",
    "vcrpy": "vcr",
    "sentry": "sentry_sdk",
}

LOGGING = """
log.removeHandler(handler)
root = logging.getLogger()
root.setLevel({level})
handler = CloudWatchLogsHandler("g", "s", **options)
root.addHandler(handler)
if "heard" in globals(): sys.addaudithook(heard)
log.info("one")
while handler.stats.delivered < 1: time.sleep(0.01)
# Whatever feeds on itself has more to deliver by now.
assert handler.flush(30)
time.sleep(0.2)
assert handler.flush(30)
sys.__stdout__.write("delivered\\n"); sys.__stdout__.flush()
signal.pause()
"""


def given(guest):
    for name, module in NEEDS.items():
        if guest.startswith(name):
            pytest.importorskip(module)


def program_with(guest, options, rest):
    return "\n".join((f"options = {options!r}", textwrap.dedent(GUESTS[guest]), textwrap.dedent(rest)))


@pytest.mark.parametrize("use_queues", [True, False])
@pytest.mark.parametrize("level", ["logging.DEBUG", "logging.INFO"])
@pytest.mark.parametrize("guest", GUESTS)
def test_what_others_log_because_of_our_calls_is_not_shipped_and_an_idle_program_is_silent(
    fake, start, guest, level, use_queues
):
    """F52: at whatever level, at ``flush_level`` too, one record of the program's stays one record."""
    given(guest)
    options = {"send_interval": 0.05, "use_queues": use_queues}
    program = start(program_with(guest, options, LOGGING.format(level=level)), **options)
    program.wait_for("delivered")
    count = len(fake.requests)
    assert not fake.wait_for(lambda: len(fake.requests) > count, timeout=0.5)
    assert fake.messages("g", "s") == ["one"]


@pytest.mark.parametrize("use_queues", [True, False])
def test_our_calls_make_no_spans_of_opentelemetry_and_the_programs_own_calls_do(fake, run, use_queues):
    """F52: a span for each batch of records would be half of what is traced."""
    given("OpenTelemetry")
    rest = """
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    spans = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    logging.getLogger("spans").disabled = True
    import boto3
    with trace.get_tracer("program").start_as_current_span("program"):
        log.info("one")
        assert handler.flush(30)
        assert not spans.get_finished_spans(), spans.get_finished_spans()
        boto3.client("logs").create_log_group(logGroupName="mine")
    names = [span.name for span in spans.get_finished_spans()]
    assert names[-2:] == ["CloudWatch Logs.CreateLogGroup", "program"] and len(names) <= 3, names
    """
    returned, output = run(program_with("OpenTelemetry", {}, rest), use_queues=use_queues)
    assert (returned, output) == (0, "")
    assert fake.messages("g", "s") == ["one"]


@pytest.mark.parametrize("missing", ["LOG_ERROR", "RUNTIME_ERROR"])
@pytest.mark.parametrize("use_queues", [True, False])
def test_our_calls_make_no_subsegments_of_x_ray_and_the_programs_own_calls_do(fake, run, use_queues, missing):
    """F52: nor do they fail for want of a segment."""
    given("X-Ray")
    rest = f"""
    os.environ["AWS_XRAY_CONTEXT_MISSING"] = {missing!r}
    from aws_xray_sdk.core import patch, xray_recorder
    patch(["botocore", "httplib"])
    import boto3
    xray_recorder.configure(sampling=False)
    segment = xray_recorder.begin_segment("program")
    with xray_recorder.in_subsegment("part") as part:
        log.info("one")
        assert handler.flush(30)
        assert not part.subsegments, part.subsegments
        assert xray_recorder.current_subsegment() is part
        boto3.client("logs").create_log_group(logGroupName="mine")
    assert [each.name for each in part.subsegments][0] == "logs", part.subsegments
    assert [each.name for each in segment.subsegments] == ["part"], segment.subsegments
    segment.sampled = False
    xray_recorder.end_segment()
    log.info("two")
    assert handler.flush(30)
    """
    returned, output = run(textwrap.dedent(rest), use_queues=use_queues)
    assert (returned, output) == (0, "")
    assert fake.messages("g", "s") == ["one", "two"]
