"""What a page is told about the TURN server."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from pytest_django import Settings

from apps.nexus import turn


@pytest.fixture(autouse=True)
def configured(settings: Settings):
    settings.TURN_IP = "10.0.0.5"
    settings.TURN_MOCK_IP = "203.0.113.9"
    settings.TURN_PORT_TCP, settings.TURN_PORT_TLS = 3478, 5349
    settings.TURN_CERT_TLS = settings.TURN_HOST = ""


def test_without_an_address_there_is_none(settings: Settings):
    settings.TURN_IP = settings.TURN_MOCK_IP = ""
    assert turn.ice_servers("session") == []


def test_a_page_gets_addresses_and_a_key_of_its_own():
    (server,) = turn.ice_servers("session-1")
    (other,) = turn.ice_servers("session-2")
    assert server["urls"] == other["urls"] == turn.urls()
    assert server["username"].endswith(":session-1")
    assert server["credential"] != other["credential"]


def test_a_key_is_what_coturn_works_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    settings.TURN_SECRET = "north"
    monkeypatch.setattr(
        "apps.nexus.turn.time.time", lambda: 1767225600.7 - turn.LIFETIME_S
    )
    assert turn.mint("session-42") == turn.Credentials(
        "1767225600:session-42", "bT8bMNtOYrfYBguiE9IGCiTmZjo="
    )


def test_a_secret_that_was_not_set_follows_from_the_signing_key(settings: Settings):
    settings.TURN_SECRET = ""
    settings.SECRET_KEY = "one"
    of_one = turn.secret()
    settings.SECRET_KEY = "other"
    assert turn.secret() != of_one
    assert "one" not in of_one
    assert len(of_one) == 64


def test_what_a_page_gets_does_not_give_the_secret_away(settings: Settings):
    settings.TURN_SECRET = "a secret of many letters"
    (server,) = turn.ice_servers("session")
    assert settings.TURN_SECRET not in str(server)
    expected = hmac.new(
        settings.TURN_SECRET.encode(), server["username"].encode(), hashlib.sha1
    )
    assert base64.b64decode(server["credential"]) == expected.digest()


def test_browsers_are_sent_to_the_public_address_over_udp_and_tcp():
    assert turn.urls() == [
        "turn:203.0.113.9:3478?transport=udp",
        "turn:203.0.113.9:3478?transport=tcp",
    ]


def test_an_ipv6_address_is_written_as_urls_have_it(settings: Settings):
    settings.TURN_MOCK_IP = "2001:db8::9"
    assert turn.urls()[0] == "turn:[2001:db8::9]:3478?transport=udp"


@pytest.mark.parametrize(
    ("host", "named"), [("", "203.0.113.9"), ("turn.example.org", "turn.example.org")]
)
def test_tls_goes_to_the_name_in_the_certificate(
    settings: Settings, host: str, named: str
):
    settings.TURN_CERT_TLS, settings.TURN_HOST = "/etc/turn.pem", host
    assert turn.urls()[2:] == [f"turns:{named}:5349?transport=tcp"]
