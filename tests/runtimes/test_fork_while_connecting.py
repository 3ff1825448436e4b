"""A server's master logs for the first time and forks its workers at once, while its own thread makes the client."""

from ..programs import python, started

PROGRAM = """
import logging, os, sys, threading, time
import botocore.httpsession
from cwlog_handler import CloudWatchLogsHandler

# A lock as OpenSSL has them below ssl.SSLContext(): nobody unlocks it in a child that is forked meanwhile.
below = threading.Lock()
locked = threading.Event()
make_context = botocore.httpsession.create_urllib3_context

def make_context_slowly(*arguments, **options):
    with below:
        locked.set()
        time.sleep(0.2)
        return make_context(*arguments, **options)

botocore.httpsession.create_urllib3_context = make_context_slowly
handler = CloudWatchLogsHandler("g", "{process_id}", close_timeout=40.0)
log = logging.getLogger("program")
log.setLevel(logging.INFO)
log.addHandler(handler)
log.info("master")
locked.wait()
if os.fork() == 0:
    log.info("worker")
    sys.exit()
os.wait()
"""


def test_a_child_forked_while_the_client_is_made_delivers(fake):
    """F27: seen with gunicorn --preload, about one start in twenty: a worker that was mute for all its life."""
    # Python 3.12 and newer warn of any fork beside a thread, ours or not.
    command = python("-W", "ignore::DeprecationWarning", "-c", PROGRAM)
    with fake.serve() as url, started(command, url=url) as program:
        assert program.wait() == 0, program.output
    assert sorted(fake.messages("g")) == ["master", "worker"], program.output
    assert program.output == ""
