"""The way to the service through proxies, TLS and IPv6, against real servers on the loopback interface."""

import gc

import pytest
import urllib3
from packaging.version import Version

from cwlog_handler import composition
from cwlog_handler.core.outcomes import Accepted, Refused, Unavailable

from ...network import Authority, Front, Proxy, needs_ipv6, nobody_listening, running
from ...values import fields
from .subject import Subject

# Nobody knows this host: only a proxy can lead there.
FAR = "logs.far.example"
PASSWORD = "hunter2"

# What the oldest boto3 that is allowed brings along: it leaves the connection to a proxy open if nothing comes of it.
leaves_open = Version(urllib3.__version__) < Version("2.1")
pytestmark = [pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")] if leaves_open else []


@pytest.fixture(autouse=True)
def nothing_open_for_the_next_test():
    yield
    if leaves_open:
        gc.collect()


@pytest.fixture(autouse=True)
def no_proxies_of_the_machine(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def service(ready):
    with ready.serve() as url:
        yield url


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def secure(service, authority):
    """The service behind TLS, with a certificate of a CA that nobody knows."""
    with running(Front(service, tls=authority.server("localhost", "127.0.0.1", FAR))) as front:
        yield front


def subject(endpoint_url, **config):
    options = {"region_name": "us-east-1", "endpoint_url": endpoint_url, "boto3_config": config}
    return Subject(**fields(composition.access(**options)))


def refused(outcome, *words):
    assert isinstance(outcome, Refused), outcome
    assert outcome.renew, "who puts it right need not start the program again"
    for word in words:
        assert word in outcome.advice
    assert PASSWORD not in outcome.advice
    return outcome


# -- proxies


@pytest.mark.parametrize("scheme", ["http://", "//", ""])
def test_a_proxy_leads_to_an_endpoint_without_tls(ready, service, scheme):
    """As boto3 takes a proxy: with a scheme or without."""
    with running(Proxy(service)) as proxy:
        outcome = subject(f"http://{FAR}", proxies={"http": f"{scheme}127.0.0.1:{proxy.port}"}).put()
    assert outcome == Accepted(None)
    assert proxy.asked == [("POST", f"http://{FAR}/")]
    assert ready.messages("g", "s") == ["hello"]


def test_a_proxy_makes_a_tunnel_to_an_endpoint_with_tls(ready, secure, authority, monkeypatch):
    """The certificate is the endpoint's: the proxy sees nothing of what goes through."""
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
    with running(Proxy(f"//:{secure.port}")) as proxy:
        outcome = subject(f"https://{FAR}", proxies={"https": f"http://127.0.0.1:{proxy.port}"}).put()
    assert outcome == Accepted(None)
    assert proxy.asked == [("CONNECT", f"{FAR}:443")]
    assert ready.messages("g", "s") == ["hello"]


def test_a_proxy_itself_may_be_reached_by_tls(secure, authority, monkeypatch, tmp_path):
    """Its CA stands in proxies_config, if it is not the endpoint's."""
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    with running(Proxy(f"//:{secure.port}", tls=other.server("127.0.0.1"))) as proxy:
        settings = {"proxies": {"https": f"https://127.0.0.1:{proxy.port}"}}
        trusting = settings | {"proxies_config": {"proxy_ca_bundle": other.bundle}}
        assert subject(f"https://{FAR}", **trusting).put() == Accepted(None)
        outcome = subject(f"https://{FAR}", **settings).put()
    refused(outcome, "the certificate of the proxy is not trusted", "proxy_ca_bundle")


def test_the_environments_proxy_is_used_and_its_exceptions(service, monkeypatch):
    """HTTP_PROXY and NO_PROXY work as everywhere."""
    with running(Proxy(service)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert subject(f"http://{FAR}").put() == Accepted(None)
        assert len(proxy.asked) == 1
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert subject(service).put() == Accepted(None)
        assert len(proxy.asked) == 1
        monkeypatch.delenv("NO_PROXY")
        # An empty mapping means: no proxy, whatever the environment says.
        assert subject(service, proxies={}).put() == Accepted(None)
        assert len(proxy.asked) == 1


def test_a_proxys_certificate_for_another_name_is_told_as_the_proxys(secure, authority, monkeypatch):
    """endpoint_url is not what is wrong."""
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
    with running(Proxy(f"//:{secure.port}", tls=authority.server("proxy.example"))) as proxy:
        outcome = subject(f"https://{FAR}", proxies={"https": f"https://127.0.0.1:{proxy.port}"}).put()
    assert refused(outcome, "the certificate of the proxy is not trusted").code == "proxy-certificate"


@pytest.mark.parametrize("broken", ["missing", "a folder", "no certificate"])
@pytest.mark.parametrize("key", ["proxy_ca_bundle", "proxy_client_cert"])
def test_a_file_for_a_proxy_that_cannot_be_used_is_told(secure, authority, tmp_path, key, broken):
    """Nothing is sent, and nothing changes until somebody corrects the path."""
    with running(Proxy(f"//:{secure.port}", tls=authority.server("127.0.0.1"))) as proxy:
        files = {"proxy_ca_bundle": authority.bundle, key: unusable(tmp_path, broken)}
        proxies = {"https": f"https://127.0.0.1:{proxy.port}"}
        outcome = subject(f"https://{FAR}", proxies=proxies, proxies_config=files).put()
    refused(outcome, "a file with certificates or a key cannot be used", "proxies_config")


def unusable(folder, broken):
    """A path where files with certificates are expected."""
    path = folder / "unusable.pem"
    if broken == "a folder":
        path.mkdir()
    elif broken != "missing":
        path.write_text("no certificate\n")
    return str(path)


@pytest.mark.parametrize("tunnel", [False, True])
def test_a_proxy_that_wants_a_password_gets_it_or_says_so(service, secure, authority, monkeypatch, tunnel):
    """A person has to write it down: what passes by itself is tried again, this is told at once."""
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
    scheme, target = ("https", f"//:{secure.port}") if tunnel else ("http", service)
    with running(Proxy(target, user=f"user:{PASSWORD}")) as proxy:
        known = {scheme: f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"}
        assert subject(f"{scheme}://{FAR}", proxies=known).put() == Accepted(None)
        for wrong in (f"127.0.0.1:{proxy.port}", f"http://user:{PASSWORD}x@127.0.0.1:{proxy.port}"):
            outcome = subject(f"{scheme}://{FAR}", proxies={scheme: wrong}).put()
            refused(outcome, "the proxy wants a user and a password", "http://user:password@host:port")
            assert outcome.code == "proxy-407"


def test_a_proxy_that_refuses_the_way_says_so(secure):
    """Only its administrator can change that."""
    with running(Proxy(f"//:{secure.port}", answer="403 Forbidden")) as proxy:
        outcome = subject(f"https://{FAR}", proxies={"https": f"127.0.0.1:{proxy.port}"}).put()
    assert refused(outcome, "the proxy refuses the way", "403 Forbidden").code == "proxy-403"


@pytest.mark.parametrize("status", ["502 Bad Gateway", "504 Gateway Timeout"])
def test_a_proxy_that_cannot_reach_the_endpoint_is_weather(secure, status):
    """It passes by itself. Nothing was sent, so that nothing is in doubt."""
    with running(Proxy(f"//:{secure.port}", answer=status)) as proxy:
        outcome = subject(f"https://{FAR}", proxies={"https": f"127.0.0.1:{proxy.port}"}).put()
    assert isinstance(outcome, Unavailable)
    assert not outcome.ambiguous
    assert status in outcome.cause


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_down_is_named_as_the_cause(scheme):
    """Otherwise one would look for the fault at the endpoint. Its password is nobody's business."""
    with nobody_listening() as port:
        proxy = f"127.0.0.1:{port}"
        outcome = subject(f"{scheme}://{FAR}", proxies={scheme: f"http://user:{PASSWORD}@{proxy}"}).put()
    assert isinstance(outcome, Unavailable)
    assert not outcome.ambiguous
    assert outcome.cause.startswith("ProxyConnectionError: Failed to connect to proxy URL")
    assert proxy in outcome.cause
    assert "HTTPS_PROXY" in outcome.cause
    assert PASSWORD not in outcome.cause


@pytest.mark.parametrize("user", ["user", "http", "p", "127"])
def test_no_user_or_password_is_ever_shown(user):
    """botocore masks a user's name wherever it stands in the URL, the scheme included: that must not unmask it."""
    with nobody_listening() as port:
        outcome = subject(f"https://{FAR}", proxies={"https": f"http://{user}:{PASSWORD}@127.0.0.1:{port}"}).put()
    assert PASSWORD not in outcome.cause


# -- TLS


def test_a_certificate_of_a_ca_of_ones_own_is_trusted_if_it_is_named(ready, secure, authority, monkeypatch):
    """AWS_CA_BUNDLE, as for every program with boto3."""
    url = f"https://localhost:{secure.port}"
    refused(subject(url).put(), "the certificate of the endpoint is not trusted", "set AWS_CA_BUNDLE")
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
    assert subject(url).put() == Accepted(None)
    assert ready.messages("g", "s") == ["hello"]


def test_the_ca_may_stand_in_the_configuration_file(secure, authority, monkeypatch, tmp_path):
    """The profile's ca_bundle."""
    (tmp_path / "config").write_text(f"[default]\nca_bundle = {authority.bundle}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert subject(f"https://localhost:{secure.port}").put() == Accepted(None)


def test_what_is_put_right_while_the_program_runs_is_seen(secure, authority, monkeypatch):
    """The bundle is read again after a refusal, as credentials are."""
    one = subject(f"https://localhost:{secure.port}")
    refused(one.put())
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
    assert one.put() == Accepted(None)


def test_the_wrong_ca_is_told_with_the_way_out(secure, tmp_path, monkeypatch):
    """A company may have several."""
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("AWS_CA_BUNDLE", Authority(tmp_path / "other").bundle)
    outcome = refused(subject(f"https://localhost:{secure.port}").put(), "not trusted", "check the clock")
    assert outcome.code == "SSLError"


def test_a_certificate_for_another_name_is_told_as_that(service, authority, monkeypatch):
    """The way out is another one: the endpoint is wrong, not the CA."""
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
    with running(Front(service, tls=authority.server("logs.example"))) as front:
        outcome = subject(f"https://localhost:{front.port}").put()
    refused(outcome, "correct endpoint_url: the certificate there is for another name")


@pytest.mark.parametrize("broken", ["missing", "a folder", "no certificate"])
def test_a_bundle_that_cannot_be_used_is_told(secure, tmp_path, monkeypatch, broken):
    """Otherwise this would be tried again for ever, as if the network were at fault."""
    monkeypatch.setenv("AWS_CA_BUNDLE", unusable(tmp_path, broken))
    outcome = subject(f"https://localhost:{secure.port}").put()
    refused(outcome, "a file with certificates or a key cannot be used", "AWS_CA_BUNDLE")


def test_a_client_certificate_is_shown_to_who_asks_for_it(ready, service, authority, monkeypatch):
    """In boto3's form, certificate and key; JSON and YAML have a list."""
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
    with running(Front(service, tls=authority.server("localhost", wants_client=True))) as front:
        url = f"https://localhost:{front.port}"
        assert subject(url, client_cert=list(authority.client())).put() == Accepted(None)
        # Whoever has none is turned away in the middle of it: TLS 1.3 says so only when something has been sent.
        assert isinstance(subject(url).put(), Unavailable)
    assert ready.messages("g", "s") == ["hello"]


@pytest.mark.parametrize("broken", ["missing", "a folder", "no certificate"])
def test_a_client_certificate_that_cannot_be_used_is_told(secure, authority, monkeypatch, tmp_path, broken):
    """The path was probably misspelt."""
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
    outcome = subject(f"https://localhost:{secure.port}", client_cert=unusable(tmp_path, broken)).put()
    refused(outcome, "a file with certificates or a key cannot be used", "client_cert")


# -- connections


def test_a_connection_is_kept_also_through_a_tunnel(ready, secure, authority, monkeypatch):
    """A handshake for each request would be slow."""
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
    with running(Proxy(f"//:{secure.port}")) as proxy:
        one = subject(f"https://{FAR}", proxies={"https": f"127.0.0.1:{proxy.port}"}, tcp_keepalive=True)
        assert [one.put() for _ in range(5)] == [Accepted(None)] * 5
    assert proxy.connections == secure.connections == 1
    assert len(ready.messages("g", "s")) == 5


@needs_ipv6
@pytest.mark.parametrize("is_secure", [False, True])
def test_an_endpoint_may_be_an_address_of_ipv6(ready, service, authority, monkeypatch, is_secure):
    """In brackets, as in every URL."""
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
    with running(Front(service, host="::1", tls=authority.server("::1") if is_secure else None)) as front:
        assert subject(f"http{'s' * is_secure}://[::1]:{front.port}").put() == Accepted(None)
    assert ready.messages("g", "s") == ["hello"]


@needs_ipv6
@pytest.mark.parametrize("is_tunnel", [False, True])
def test_a_proxy_may_be_at_an_address_of_ipv6(service, secure, authority, monkeypatch, is_tunnel):
    """With a scheme or without, as any other."""
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
    scheme, target = ("https", f"//:{secure.port}") if is_tunnel else ("http", service)
    with running(Proxy(target, host="::1")) as proxy:
        for at in (f"http://[::1]:{proxy.port}", f"[::1]:{proxy.port}"):
            assert subject(f"{scheme}://{FAR}", proxies={scheme: at}).put() == Accepted(None)
    assert len(proxy.asked) == 2


def test_the_user_agent_names_this_package_and_then_what_the_program_says(ready, service):
    """For those who look at who makes the requests; a client that was passed in is left as it is."""
    from cwlog_handler import __version__

    assert subject(service).put() == Accepted(None)
    assert subject(service, user_agent_extra="shop/7").put() == Accepted(None)
    assert subject(service, user_agent="shop").put() == Accepted(None)
    theirs = ready.client()
    assert Subject(theirs).put() == Accepted(None)
    # Behind it there may be what another library, imported by other tests, adds to all clients.
    first, second, replaced, third = [request.user_agent.split() for request in ready.requests]
    ours = f"cwlog-handler/{__version__}"
    assert ours in first
    assert second[second.index(ours) + 1] == "shop/7"
    # botocore's keyword ``user_agent`` replaces all of its own, but not what is added.
    assert replaced[0] == "shop"
    assert ours in replaced
    assert not any("cwlog-handler" in word for word in third)
