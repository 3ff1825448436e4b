"""What the sessions of all handlers keep of what botocore reads, and that their clients ask the same endpoints."""

import itertools
import json
import os
import sys
from unittest import mock

import boto3.session
import botocore.loaders
import botocore.session
import pytest
from botocore.exceptions import UnknownServiceError
from botocore.regions import EndpointResolver

from cwlog_handler.aws import sessions
from cwlog_handler.aws.making import Access, client_of, prepare
from cwlog_handler.aws.sessions import Session

# All that our requests need, and that botocore asks for credentials.
ASKED = ("logs", "sts", "portal.sso", "oidc", "signin")


def of_session(session):
    return session.get_component("data_loader").load_data("endpoints")


@pytest.fixture
def kept():
    """What a session has kept of the endpoints after a client was made of it."""
    made = prepare(Access(region_name="us-east-1"))
    client_of(made, Access(region_name="us-east-1"), 5.0)
    return of_session(made.session.core)


def test_a_session_forgets_the_endpoints_of_services_that_are_never_asked(kept):
    assert {name for partition in kept["partitions"] for name in partition["services"]} <= {*ASKED}


def test_the_programs_own_sessions_know_all_services(kept):
    services = of_session(botocore.session.get_session())["partitions"][0]["services"]
    assert {*services} > {"logs", "sts", "s3", "monitoring"}


@pytest.mark.parametrize("service", ASKED)
def test_what_is_asked_has_the_same_endpoint_as_with_all_services_known(kept, service):
    all_known = of_session(botocore.session.get_session())
    regions = [region for partition in all_known["partitions"] for region in partition["regions"]]
    assert len(regions) > 30
    ours, botocores = EndpointResolver(kept), EndpointResolver(all_known)
    for region in [*regions, "us-newhere-7", "aws-global"]:
        assert said(ours.get_partition_for_region, region) == said(botocores.get_partition_for_region, region)
        for dual, fips in itertools.product((False, True), repeat=2):
            asked = {"use_dualstack_endpoint": dual, "use_fips_endpoint": fips}
            expected = said(botocores.construct_endpoint, service, region, **asked)
            assert said(ours.construct_endpoint, service, region, **asked) == expected


def test_a_client_is_made_without_looking_at_each_service_that_there_is(monkeypatch):
    """Each look lets go of the interpreter's lock: beside a thread that computes, a client took half a minute."""
    looks = []

    def counted(look):
        return lambda path, *more: looks.append(path) or look(path, *more)

    monkeypatch.setattr(sessions, "_loaders", {})
    for look in ("listdir", "stat"):
        monkeypatch.setattr(os, look, counted(getattr(os, look)))
    access = Access(region_name="us-east-1")
    client_of(prepare(access), access, 5.0)
    assert 0 < len(looks) < 200, f"{len(looks)} looks"


def test_all_services_of_botocore_are_known():
    ours, botocores = Session().core, botocore.session.get_session()
    assert {*ours.get_available_services()} >= {*botocores.get_available_services()}
    with pytest.raises(UnknownServiceError):
        Session().client("no-such-service", region_name="us-east-1")


def test_a_model_of_the_programs_own_is_used(monkeypatch, tmp_path):
    """botocore looks there first; a service may be there that its own data does not have."""
    model = botocore.session.get_session().get_component("data_loader").load_service_model("logs", "service-2")
    for name in ("logs", "of-our-own"):
        folder = tmp_path / name / "2014-03-28"
        folder.mkdir(parents=True)
        own = {**model, "metadata": {**model["metadata"], "serviceFullName": f"Own {name}"}}
        (folder / "service-2.json").write_text(json.dumps(own))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    for name in ("logs", "of-our-own"):
        client = Session().client(name, region_name="us-east-1", endpoint_url="http://127.0.0.1:1")
        assert client.meta.service_model.metadata["serviceFullName"] == f"Own {name}"


def test_files_are_read_as_the_programs_own_loader_reads_them(monkeypatch):
    """Where botocore is in an archive, for example."""
    reads = []

    class Reader(botocore.loaders.JSONFileLoader):
        def load_file(self, file_path):
            reads.append(file_path)
            return super().load_file(file_path)

    monkeypatch.setattr(sessions, "_loaders", {})
    monkeypatch.setattr(botocore.loaders.Loader, "FILE_LOADER_CLASS", Reader)
    own = botocore.loaders.create_loader()
    monkeypatch.setattr(botocore.loaders.Loader, "FILE_LOADER_CLASS", botocore.loaders.JSONFileLoader)
    monkeypatch.setattr(botocore.session, "create_loader", lambda _paths: own)
    Session().client("logs", region_name="us-east-1")
    assert any("logs" in read for read in reads)


@pytest.mark.parametrize("is_loaded", [True, False])
def test_further_sessions_add_nothing_to_what_all_share(monkeypatch, is_loaded):
    """boto3 adds its own directory to the search path of each session's loader."""
    if not is_loaded:
        monkeypatch.delitem(sys.modules, "boto3.session")
    loader = Session().core.get_component("data_loader")
    before = list(loader.search_paths)
    assert Session().core.get_component("data_loader") is loader
    assert loader.search_paths == before


def test_a_programs_own_kind_of_boto3_session_gets_the_profile(monkeypatch):
    asked = mock.Mock()
    monkeypatch.setattr(boto3.session, "Session", asked)
    session = Session("shop")
    assert session.client("logs", region_name="eu-west-1") is asked.return_value.client.return_value
    asked.assert_called_once_with(profile_name="shop", botocore_session=session.core)


def said(ask, *question, **options):
    """What somebody answers, or the error that is raised."""
    try:
        return ask(*question, **options)
    except Exception as error:
        return repr(error)
