"""Handlers with equal settings share a boto3 client. They do not if anything differs that can lead to credentials."""

import concurrent.futures
import contextlib
import gc
import os
import threading
import weakref
from unittest import mock

import boto3.session
import botocore.session
import pytest
from botocore.hooks import _PrefixTrie

from cwlog_handler.aws import hooks, maker, roles, sources
from cwlog_handler.aws.client import Client
from cwlog_handler.aws.creation import Group
from cwlog_handler.aws.making import Access
from cwlog_handler.core.outcomes import Accepted, Connected, Refused, Unavailable
from cwlog_handler.system.own_calls import thread_of_calls
from cwlog_handler.testing import expired_token

from ...programs import HANG_LIMIT
from .subject import Subject
from .test_threads import slow_credentials  # noqa: F401

OPTIONS = {"region_name": "us-east-1", "endpoint_url": "http://127.0.0.1:9", "shares": True}


@pytest.fixture
def ours():
    """Runs what it is given on threads that make nothing but our calls, as the handler's are."""

    def run(function, *arguments):
        with thread_of_calls():
            return function(*arguments)

    with concurrent.futures.ThreadPoolExecutor() as threads:
        yield lambda *call: threads.submit(run, *call)


def connected(**options):
    subject = Subject(**OPTIONS | options)
    assert isinstance(subject.client.connect(), Connected)
    return subject.client


def test_equal_settings_have_one_session_and_one_client(environment):
    """Thirty of them would take 300 MB otherwise."""
    with mock.patch.object(botocore.session, "get_session", wraps=botocore.session.get_session) as session:
        clients = [connected(config={"proxies": {"http": "http://p"}, "tcp_keepalive": True}) for _ in range(3)]
    assert session.call_count == 1
    assert len({id(client._maker.client) for client in clients}) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"region_name": "us-east-2"},
        {"endpoint_url": "http://127.0.0.1:10"},
        {"config": {"tcp_keepalive": True}},
        {"config": {"proxies": {"http": "http://p"}}},
        {"config": {"client_context_params": {"x": object()}}},
        {"shares": False},
    ],
    ids=["region", "endpoint", "flag", "proxies", "object", "no sharing"],
)
def test_other_settings_have_another_client(environment, other):
    """Each option decides where a request goes, or how."""
    first, second = connected(), connected(**other)
    assert first._maker.client is not second._maker.client


def test_clients_with_time_outs_that_nobody_needs_any_more_are_let_go(environment):
    """Of those that nobody uses, one is kept. Before each deadline a handler may need another one."""
    ours, made = connected(), []
    for patience in (15.0, 6.0, 2.5, 1.0, 0.4):
        assert isinstance(ours.connect(patience), Connected)
        made.append(weakref.ref(ours._maker.client))
    gc.collect()
    assert [client() is not None for client in made] == [False, False, True, True, True]


def test_what_is_equal_but_not_the_same_is_told_apart(environment):
    """1 equals True, and a mapping that has been changed is another one."""
    setting = {"max_pool_connections": 11}
    first = connected(config=setting)
    setting["max_pool_connections"] = 12
    assert connected(config=setting)._maker.client is not first._maker.client
    assert connected(config={"parameter_validation": True})._maker.client is not (
        connected(config={"parameter_validation": 1})._maker.client
    )


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_PROFILE_OF_A_PROGRAM", "https_proxy", "HOME"])
def test_another_environment_has_another_session(environment, variable):
    """A program may set credentials for one tenant after another; what a helper program reads, only it knows."""
    first = connected()
    environment.setenv(variable, "/another")
    assert connected()._maker.client is not first._maker.client


def test_another_working_directory_has_another_session(environment, tmp_path):
    """A program that prints credentials may be named by a relative path, or look at what is there."""
    first = connected()
    environment.chdir(tmp_path)
    second = connected()
    assert second._maker.client is not first._maker.client
    (tmp_path / "a file").touch()
    assert connected()._maker.client is second._maker.client


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="users have no numbers here")
def test_another_user_has_another_session(environment):
    """As where a server gives up its rights: what it may read is no longer the same."""
    first = connected()
    environment.setattr(os, "geteuid", lambda: 12345)
    assert connected()._maker.client is not first._maker.client


@pytest.mark.parametrize(
    ("owner", "method"), [(boto3.session.Session, "client"), (botocore.session.Session, "create_client")]
)
def test_a_test_that_replaces_how_clients_are_made_gets_its_own(environment, owner, method):
    """Of the handlers of the test before, some are not gone yet."""
    first = connected()
    with mock.patch.object(owner, method, autospec=True, side_effect=getattr(owner, method)) as made:
        assert connected()._maker.client is not first._maker.client
    assert made.called


@pytest.mark.parametrize("named", ["{}/credentials", "$WHERE/credentials", "~/credentials", "credentials"])
def test_credentials_files_that_have_changed_are_read_again(environment, tmp_path, named):
    """Who has put new keys into the file expects a new handler to use them."""
    path = tmp_path / "credentials"
    path.write_text("[default]\naws_access_key_id = one\naws_secret_access_key = s\n")
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", named.format(tmp_path))
    environment.setenv("WHERE", str(tmp_path))
    environment.setenv("HOME", str(tmp_path))
    environment.chdir(tmp_path)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.delenv(variable, raising=False)
    first = connected()
    path.write_text("[default]\naws_access_key_id = other\naws_secret_access_key = s\n")
    second = connected()
    keys = [client._maker._lent.client._request_signer._credentials.access_key for client in (first, second)]
    assert keys == ["one", "other"]


def test_each_profile_and_each_role_has_its_own_credentials(environment, tmp_path):
    """The worst of all mistakes: a tenant's records signed with the keys of another one."""
    path = tmp_path / "credentials"
    path.write_text(
        "".join(f"[{name}]\naws_access_key_id = {name}\naws_secret_access_key = s\n" for name in ("default", "a", "b"))
    )
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.delenv(variable, raising=False)
    clients = {name: connected(profile_name=name) for name in ("a", "b")}
    for name, client in clients.items():
        assert client._maker.client._request_signer._credentials.access_key == name
    renewed = mock.patch.object(roles.AssumedRole, "renew", return_value=None)
    arns = [f"arn:aws:iam::123456789012:role/{name}" for name in "ab"]
    with renewed:
        made = [connected(role=roles.role(arn, *rest))._maker for arn in arns for rest in ((None, "me"), ("id", "me"))]
        again = connected(role=roles.role(arns[0], None, "me"))._maker
    assert len({id(maker._role) for maker in made}) == 4
    assert again._role is made[0]._role


def test_a_client_that_was_passed_in_is_neither_shared_nor_closed(ready):
    """It is its owner's."""
    mine = ready.client()
    with mock.patch.object(mine, "close") as close, mock.patch.object(botocore.session, "get_session") as session:
        for _ in range(2):
            client = Subject(mine, shares=True).client
            client.connect()
            client.let_go()
    assert not close.called
    assert not session.called


def test_all_sessions_share_what_botocore_has_read_of_the_service(environment):
    """That is nearly all that a session weighs, and no secret is in it."""
    loaders = [
        connected(region_name=region)._maker._source.made.session.core.get_component("data_loader")
        for region in ("us-east-1", "us-east-2")
    ]
    assert loaders[0] is loaders[1]
    assert "logs" in loaders[0].list_available_services("service-2")


def test_the_last_who_lets_go_closes_the_connections_and_nobody_before(ready, environment):
    """Closed handlers leave nothing, and take nothing from others."""
    with ready.serve() as url:
        one, other = (Subject(region_name="us-east-1", endpoint_url=url, shares=True) for _ in range(2))
        assert one.put() == other.put() == Accepted(None)
        boto3_client = one.client._maker.client
        with mock.patch.object(boto3_client, "close", wraps=boto3_client.close) as close:
            one.client.let_go()
            one.client.let_go()
            assert not close.called
            other.client.let_go()
            assert close.call_count == 1
            # What comes after close is delivered, too, over a new connection. It is closed in its turn.
            assert one.put() == Accepted(None)
            assert one.client._maker.client is boto3_client
            one.client.let_go()
            assert close.call_count == 2


def test_connections_are_not_closed_under_who_is_just_about_to_use_them(ready, environment):
    """One handler is closed while another one is given its client."""
    with ready.serve() as url:
        one, other = (Subject(region_name="us-east-1", endpoint_url=url, shares=True) for _ in range(2))
        one.put()
        boto3_client = one.client._maker.client

        def let_go_meanwhile(client, install=hooks.install):
            one.client.let_go()
            install(client)

        with mock.patch.object(boto3_client, "close", wraps=boto3_client.close) as close:
            with mock.patch.object(hooks, "install", let_go_meanwhile):
                assert other.put() == Accepted(None)
            assert other.client._maker.client is boto3_client
            assert not close.called
            other.client.let_go()
            assert close.call_count == 1


@pytest.mark.parametrize("clients", [1, 3])
def test_connections_are_closed_although_another_client_was_being_made_when_the_last_let_go(environment, clients):
    """Also of a client that is forgotten for being one too many."""
    users, other = [Subject(**OPTIONS).client for _ in range(clients)], Subject(**OPTIONS).client
    for patience, user in enumerate(users):
        user.connect(15 / 4**patience)
    boto3_clients = [user._maker.client for user in users]
    assert len(set(map(id, boto3_clients))) == clients

    def let_go_meanwhile(source, *arguments, lend=sources.Source.lend):
        for user in users:
            user.let_go()
        return lend(source, *arguments)

    with contextlib.ExitStack() as closes:
        closed = [closes.enter_context(mock.patch.object(client, "close")) for client in boto3_clients]
        with mock.patch.object(sources.Source, "lend", let_go_meanwhile):
            other.connect(0.01)
        other.connect(0.5)
        assert [close.call_count for close in closed] == [1] * clients


@pytest.mark.parametrize("prepare", [maker.prepare, mock.Mock(side_effect=RuntimeError)], ids=["made", "failed"])
def test_a_session_lives_no_longer_than_its_handlers(environment, prepare):
    """Also where no garbage is collected: it has credentials, and who comes next must find out anew."""
    gc.collect()
    gc.disable()
    try:
        client = Client(Access(region_name="us-east-1"), Group("g"), say=lambda *_: None, shares=True)
        source = weakref.ref(client._maker._source_to_use())
        with mock.patch.object(maker, "prepare", prepare):
            client.connect()
        client.let_go()
        del client
        assert source() is None
    finally:
        gc.enable()


def test_a_client_that_is_in_use_gets_no_more_hooks(ready, environment):
    """A request under way may have looked its hooks up already, and would have botocore remember them for ever."""
    with ready.serve() as url:
        entity = {"keyAttributes": {"Type": "Service", "Name": "n"}}
        options = {"region_name": "us-east-1", "endpoint_url": url, "shares": True}
        one, other = Subject(**options), Subject(**options, entity=entity)
        one.put()
        events = one.client._maker.client.meta.events
        with mock.patch.object(events._emitter._handlers, "append_item") as added:
            assert isinstance(other.put(), Accepted)
        assert other.client._maker.client is one.client._maker.client
        assert not added.called


def test_a_client_that_two_handlers_are_given_is_hooked_once(ready, monkeypatch):
    """They may come at the same moment. What is added to a body twice makes it invalid."""
    monkeypatch.setattr(hooks, "MOST_WAIT", HANG_LIMIT)
    mine = ready.client()
    usual, others = _PrefixTrie.append_item, []

    def append_late(*arguments, **sections):
        if not others:
            others.append(threading.Thread(target=hooks.install, args=(mine,)))
            others[0].start()
            # Green in any case if it has to wait for the lock; red if it can come in between.
            others[0].join(0.3)
        usual(*arguments, **sections)

    with mock.patch.object(hooks, "_complete", return_value=None) as complete:
        with mock.patch.object(_PrefixTrie, "append_item", append_late):
            hooks.install(mine)
        others[0].join()
        Subject(mine).put()
    assert complete.call_count == 1


def test_hooks_are_registered_although_ctrl_c_has_left_their_lock_taken(ready, monkeypatch):
    """The next one waits once."""
    monkeypatch.setattr(hooks, "MOST_WAIT", 0.01)
    assert hooks._installing.acquire()
    subject = Subject(ready.client())
    assert subject.put() == Accepted(None)
    assert subject.started == 1
    assert not hooks._installing.locked()


def test_closed_handlers_that_are_gone_leave_no_session_behind(environment):
    """Sessions hold credentials. While one of the handlers is still there, a new one uses its session."""
    one, other = connected(), connected()
    boto3_client, source = one._maker.client, weakref.ref(one._maker._source)
    for client in (one, other):
        client.let_go()
    del client, other
    assert connected()._maker.client is boto3_client
    del one, boto3_client
    gc.collect()
    assert source() is None


def test_refused_credentials_of_one_are_not_held_against_the_others(ready, environment):
    """Each finds out for itself. Who is refused later takes the newer client instead of a third one."""
    with ready.serve() as url:
        one, other, third = (Subject(region_name="us-east-1", endpoint_url=url, shares=True) for _ in range(3))
        for subject in (one, other, third):
            subject.put()
        first = one.client._maker.client
        ready.fail(expired_token(), times=1)
        assert one.put().renew
        assert one.put() == other.put() == Accepted(None)
        assert one.client._maker.client is not first
        assert other.client._maker.client is first
        ready.fail(expired_token(), times=1)
        assert other.put().renew
        assert other.put() == Accepted(None)
        assert other.client._maker.client is one.client._maker.client
        assert third.client._maker.client is first


def test_a_refusal_that_comes_late_is_not_held_against_newer_credentials(ready, environment):
    """When credentials expire, each stream's request is refused: one look-up of new ones is enough."""
    with ready.serve() as url:
        subject = Subject(region_name="us-east-1", endpoint_url=url, shares=True)
        subject.put()
        ready.fail(expired_token(), times=2)

        def refused_meanwhile():
            assert subject.put().renew
            return subject.client.connect()

        with concurrent.futures.ThreadPoolExecutor() as threads:
            # Called when a request goes out, and again when it is out.
            calls = [lambda: None] * 3 + [lambda: threads.submit(refused_meanwhile).result(HANG_LIMIT)]
            subject.start = lambda: calls.pop()()
            assert subject.put().renew
        subject.start = lambda: None
        newer = subject.client._maker.client
        assert subject.put() == Accepted(None)
        assert subject.client._maker.client is newer


def test_errors_of_one_setting_are_told_to_those_with_the_same_only(environment):
    """A profile that does not exist is the trouble of those who named it."""
    wrong = Subject(**OPTIONS | {"profile_name": "nobody"}).client.connect()
    assert isinstance(wrong, Refused)
    assert wrong.code == "ProfileNotFound"
    connected()


def test_threads_of_ours_wait_for_one_look_up_and_share_it(slow_credentials, ours):  # noqa: F811
    """A metadata service that thirty handlers ask at once answers slower than to one."""
    clients = [Subject(profile_name="slow", shares=True).client for _ in range(3)]
    first = ours(clients[0].connect)
    slow_credentials.wait_until_asked()
    others = [ours(client.connect) for client in clients[1:]]
    slow_credentials.give()
    assert all(isinstance(call.result(), Connected) for call in (first, *others))
    assert len({id(client._maker.client) for client in clients}) == 1


def test_a_caller_does_not_wait_for_the_look_up_of_another_handler(slow_credentials, ours):  # noqa: F811
    """Its own may be as slow, but does not come behind another one."""
    clients = [Subject(profile_name="slow", shares=True).client for _ in range(2)]
    other = ours(clients[0].connect)
    slow_credentials.wait_until_asked()
    with concurrent.futures.ThreadPoolExecutor() as threads:
        caller = threads.submit(clients[1].connect)
        slow_credentials.wait_until_asked()
        slow_credentials.give()
        assert isinstance(caller.result(), Connected)
    assert isinstance(other.result(), Connected)
    assert clients[0]._maker.client is not clients[1]._maker.client


def test_who_has_waited_for_a_look_up_that_failed_does_not_try_the_same_again(environment, ours):
    """Thirty handlers that try in turn, each for seconds, would take minutes to say what is wrong."""
    tried, go_on = concurrent.futures.Future(), concurrent.futures.Future()

    def fail(*_, **__):
        tried.set_result(None)
        go_on.result()
        raise RuntimeError("no credentials here")

    with mock.patch.object(botocore.session.Session, "create_client", fail):
        clients = [Subject(**OPTIONS).client for _ in range(3)]
        first = ours(clients[0].connect)
        tried.result()
        shared = clients[0]._maker._source
        waiting = mock.Mock(wraps=shared.lock)
        entered = [concurrent.futures.Future() for _ in clients[1:]]
        left = iter(entered)
        waiting.acquire = lambda **how: (next(left).set_result(None), shared_lock.acquire(**how))[1]
        shared_lock, shared.lock = shared.lock, waiting
        others = [ours(client.connect) for client in clients[1:]]
        for future in entered:
            future.result()
        go_on.set_result(None)
        outcomes = [call.result() for call in (first, *others)]
    assert all(isinstance(outcome, Unavailable) and "no credentials here" in outcome.cause for outcome in outcomes)
    # It would keep alive what those who were told of it had on their stacks.
    assert shared.error.__traceback__ is None


def test_where_a_connection_works_on_one_thread_only_nobody_shares(environment, monkeypatch):
    """gevent patches after this package was imported: each handler has its own thread, and needs its own client."""
    one, other = connected(), connected()
    assert one._maker.client is other._maker.client
    monkeypatch.setattr(maker, "are_greenlets_late", lambda: True)
    for client in (one, other):
        client.connect()
    assert one._maker.client is not other._maker.client
    assert connected()._maker.client not in (one._maker.client, other._maker.client)


def test_a_child_shares_nothing_with_its_parent(environment):
    """The connections are the parent's."""
    parents = connected()
    boto3_client = parents._maker.client
    parents.start_over()
    assert connected()._maker.client is not boto3_client
    parents.connect()
    assert parents._maker.client is not boto3_client


def test_an_environment_that_changes_while_it_is_read_leads_to_a_client_of_ones_own(environment):
    """Better one client more than the wrong one."""
    first = connected()
    with mock.patch.object(os, "environ") as changing:
        changing.copy.side_effect = RuntimeError("dictionary changed size during iteration")
        maker_of_its_own = maker.Maker(first._maker._access, "g", lambda *_: None, mock.MagicMock(), shares=True)
        source = maker_of_its_own._source_to_use()
    assert not source.is_shared


def test_credentials_of_another_environment_than_was_asked_for_are_not_shared(environment, monkeypatch):
    """As where a program sets those of one tenant after another, and a session is made meanwhile."""

    def prepare_late(access, prepare=maker.prepare):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
        return prepare(access)

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "one")
    waits = Subject(**OPTIONS).client
    waits._maker._source_to_use()
    with mock.patch.object(maker, "prepare", prepare_late):
        first = connected()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "one")
    # Whoever has come before, and has not got a client yet, gets none of these either.
    assert isinstance(waits.connect(), Connected)
    keys = [key_of(client) for client in (first, connected(), waits)]
    assert keys == ["another", "one", "one"]


def test_credentials_that_assumed_a_role_are_those_that_were_asked_for(environment):
    """They are looked up when the role is assumed, which is later than a session is made."""
    role = roles.role("arn:aws:iam::123456789012:role/a", None, "me")

    def renew_late(role, *_):
        environment.setenv("AWS_ACCESS_KEY_ID", "another")

    environment.setenv("AWS_ACCESS_KEY_ID", "one")
    with mock.patch.object(roles.AssumedRole, "renew", renew_late):
        first = connected(role=role)
    environment.setenv("AWS_ACCESS_KEY_ID", "one")
    with mock.patch.object(roles.AssumedRole, "renew", return_value=None):
        assert connected(role=role)._maker._role is not first._maker._role


def key_of(client):
    return client._maker.client._request_signer._credentials.access_key


@pytest.mark.parametrize("event", ["first", "refused"])
def test_several_threads_of_a_handler_that_shares_nothing_make_one_client(environment, event):
    """Where callers make the requests, several may come at once."""
    subject = Subject(**OPTIONS | {"shares": False})
    if event == "refused":
        subject.client.connect()
        subject.client._maker.outdate(subject.client._maker.client)
    makers, made = subject.client._maker, []
    together = threading.Barrier(3)
    chosen = makers._source_to_use

    def choose_together():
        source = chosen()
        together.wait(HANG_LIMIT)
        return source

    def client_of(*arguments, make=maker.client_of):
        made.append(make(*arguments))
        return made[-1]

    at_once = mock.patch.object(makers, "_source_to_use", choose_together)
    counted = mock.patch.object(maker, "client_of", client_of)
    with at_once, counted, concurrent.futures.ThreadPoolExecutor() as threads:
        connections = [threads.submit(subject.client.connect) for _ in range(3)]
        assert all(isinstance(connection.result(), Connected) for connection in connections)
    assert len(made) == 1
