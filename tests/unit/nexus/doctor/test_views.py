"""The doctor's page opens whatever is broken, and tells each what they may know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings

from apps.inference.models import Deployment
from apps.nexus.doctor import views
from apps.nexus.doctor.findings import Finding, Outcome, ok
from bench.processes import free_port
from tests.unit.nexus.doctor.sentences import expect
from tests.unit.sessions.test_views import Page


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture(autouse=True)
def no_redis(settings: Settings) -> None:
    settings.REDIS_URL = f"redis://:not-to-be-seen@127.0.0.1:{free_port()}/0"


@pytest.fixture
def examined_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "examine_server", lambda: {"Everything": ok("Well.")})


@contextmanager
def no_database() -> Iterator[None]:
    def refuse(*arguments: Any) -> None:
        raise OperationalError("unable to open database file")

    with connection.execute_wrapper(refuse):
        yield


def findings(client: Client) -> dict[str, Finding]:
    answer = client.get("/doctor/server/").json()
    return {
        each["name"]: Finding(Outcome(each["outcome"]), each["cause"], each["cure"])
        for each in answer["findings"]
    }


def test_the_page_asks_nobody_and_runs_nothing_but_its_own_files(client: Client):
    client.cookies["sessionid"] = "of somebody"
    # Without a database fixture, a question to the database would be an error.
    page = Page(client.get("/doctor/").content.decode())
    assert page.inline == []
    assert page.foreign == []
    assert page.data == {
        "page-config": {
            "websocket_path": "/ws/doctor/",
            "server_path": "/doctor/server/",
        }
    }


@pytest.mark.django_db
def test_pages_lead_to_it(client: Client):
    assert 'href="/doctor/"' in client.get("/").content.decode()
    assert 'href="/doctor/"' in client.get("/nowhere").content.decode()


@pytest.mark.parametrize("path", ["/doctor/", "/doctor/server/"])
def test_it_is_only_read(client: Client, path: str):
    assert client.post(path).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_a_visitor_reads_little_and_no_address(client: Client, deployment: Deployment):
    found = findings(client)
    assert list(found) == ["Model", "Worker"]
    expect(found["Model"], Outcome.OK, f"{deployment.active_version} is to answer")
    expect(found["Worker"], Outcome.FAILED, "Redis doesn’t answer", "manage.py doctor")
    assert "127.0.0.1" not in str(found)
    assert "not-to-be-seen" not in str(found)


@pytest.mark.django_db(transaction=True)
def test_a_visitor_is_told_that_nothing_is_served(client: Client):
    found = findings(client)["Model"]
    expect(found, Outcome.FAILED, "No model is served", "run this server")


@pytest.mark.django_db
@pytest.mark.usefixtures("examined_server")
def test_without_a_database_everybody_is_a_visitor(client: Client):
    client.force_login(User.objects.create_superuser("operator"))
    with no_database():
        answer = client.get("/doctor/server/").json()
    assert answer["is_staff"] is False


@pytest.mark.django_db
@pytest.mark.usefixtures("examined_server")
@pytest.mark.parametrize("is_staff", [True, False])
def test_operators_alone_read_all(client: Client, *, is_staff: bool):
    user = User.objects.create_user("somebody", is_staff=is_staff)
    client.force_login(user)
    response = client.get("/doctor/server/")
    assert response.json()["is_staff"] is is_staff
    names = [each["name"] for each in response.json()["findings"]]
    assert names == (["Everything"] if is_staff else ["Model", "Worker"])
    assert "no-store" in response.headers["Cache-Control"]
