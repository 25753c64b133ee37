"""The session page, and the policy under which its browser runs it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from apps.inference.models import Deployment


@dataclass
class Page(HTMLParser):
    """What of a page the policy is about."""

    html: str
    inline: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    _script: dict[str, str | None] | None = None

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "style" or "style" in attributes:
            self.inline.append(self.get_starttag_text() or tag)
        self.inline += [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "action"):
            address = attributes.get(name) or ""
            if "//" in address or address.startswith(("javascript:", "data:")):
                self.foreign.append(address)
        self._script = attributes if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._script is None or not data.strip():
            return
        if self._script.get("type") == "application/json":
            self.data[self._script["id"] or ""] = json.loads(data)
        else:
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._script = None


# The usual page asks what it is called.
pytestmark = pytest.mark.django_db


def policy(response: Any) -> dict[str, set[str]]:
    directives = response.headers["Content-Security-Policy"].split(";")
    return {name: set(sources) for name, *sources in map(str.split, directives)}


def test_the_page_needs_neither_a_login_nor_a_deployment(client: Client):
    response = client.get("/")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


def test_each_deployment_has_a_page_that_is_called_as_it_is(
    client: Client, deployment: Deployment
):
    for name, title in (("fruit", "Fruit & <nuts>"), ("bread", "")):
        Deployment.objects.create(
            name=name, title=title, active_version=deployment.active_version
        )
    for name, title in (("fruit", "Fruit &amp; &lt;nuts&gt;"), ("bread", "bread")):
        html = client.get(f"/s/{name}").content.decode()
        assert f"<title>{title} · Hot Dog Emporium</title>" in html
        assert f"<h1>{title}</h1>" in html
        assert Page(html).data == {
            "page-config": {"websocket_path": f"/ws/session/{name}/"}
        }


@pytest.mark.parametrize("path", ["/", "/s/default"])
def test_the_usual_page_is_that_of_the_usual_deployment(
    client: Client, deployment: Deployment, path: str
):
    html = client.get(path).content.decode()
    assert "<title>Hot Dog Emporium</title>" in html
    assert Page(html).data == {"page-config": {"websocket_path": "/ws/session/"}}

    deployment.title = "Sausages"
    deployment.save()

    html = client.get(path).content.decode()
    assert "<title>Sausages · Hot Dog Emporium</title>" in html


def test_a_deployment_that_is_none_says_what_there_is(
    client: Client, deployment: Deployment
):
    Deployment.objects.create(
        name="fruit", title="Fruit", active_version=deployment.active_version
    )
    response = client.get("/s/nuts")
    html = response.content.decode()
    assert response.status_code == 404
    assert "Nothing called “nuts” is served here" in html
    assert '<a href="/s/fruit">Fruit</a>' in html
    assert '<a href="/">default</a>' in html


def test_without_a_database_a_page_tries_again_by_itself(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog
):
    def refuse(*_: object) -> None:
        raise OperationalError("the disk is gone")

    monkeypatch.setattr(Deployment.objects, "values_list", refuse)
    for path, websocket in (("/", ""), ("/s/fruit", "fruit/")):
        response = client.get(path)
        assert response.status_code == 200
        assert Page(response.content.decode()).data == {
            "page-config": {"websocket_path": f"/ws/session/{websocket}"}
        }
    assert "the disk is gone" in caplog.text


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_page_is_only_read(client: Client, method: str):
    assert getattr(client, method)("/").status_code == 405


def test_the_page_runs_nothing_but_its_own_files(client: Client):
    response = client.get("/")
    page = Page(response.content.decode())

    assert page.inline == []
    assert page.foreign == []
    assert page.data == {"page-config": {"websocket_path": "/ws/session/"}}
    rules = policy(response)
    assert rules["default-src"] == {"'self'"}
    assert rules["object-src"] == {"'none'"}
    assert rules["frame-ancestors"] == {"'none'"}
    assert not any(
        source.startswith(("'unsafe", "http", "*"))
        for sources in rules.values()
        for source in sources
    )


@pytest.mark.parametrize("path", ["/healthz", "/admin/login/", "/no-such-page"])
def test_every_answer_has_the_policy(client: Client, db: None, path: str):
    assert policy(client.get(path))["default-src"] == {"'self'"}


def test_the_camera_is_for_this_origin_alone(client: Client):
    headers = client.get("/").headers
    assert headers["Permissions-Policy"] == "camera=(self)"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_an_unknown_host_is_refused(client: Client):
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


def test_an_unknown_page_says_so_without_details(client: Client):
    response = client.get("/no-such-page")
    assert response.status_code == 404
    # None of what Django tells developers.
    assert "readyz" not in response.content.decode()
