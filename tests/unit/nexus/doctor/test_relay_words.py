"""Every way in which the TURN server can refuse, in words with a cure."""

from __future__ import annotations

import socket
import ssl

import pytest
from aioice import stun
from pytest_django import Settings

from apps.nexus.doctor import relay_words
from apps.nexus.doctor.findings import Outcome
from apps.nexus.doctor.relays import Way, ways
from tests.unit.nexus.doctor.sentences import expect

WHERE = "203.0.113.9:3478"


def answer(code: int) -> stun.TransactionFailed:
    message = stun.Message(stun.Method.ALLOCATE, stun.Class.ERROR)
    message.attributes["ERROR-CODE"] = (code, "No")
    return stun.TransactionFailed(message)


def mistrust(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


@pytest.mark.parametrize(
    ("error", "cause", "cure"),
    [
        (answer(401), "refuses our key", "TURN_SECRET"),
        (answer(486), "lent all", "TURN_PORT_UDP_TO"),
        (answer(508), "lent all", "TURN_PORT_UDP_TO"),
        (answer(437), "lends no relay", "turnserver.log"),
        (mistrust(10, "certificate has expired"), "has expired", "Renew"),
        (mistrust(62, "Hostname mismatch"), "mismatch", "TURN_HOST"),
        (mistrust(18, "self-signed certificate"), "self-signed", "authority"),
        (ssl.SSLError(1, "wrong version number"), "doesn't speak TLS", "TURN_CERT_TLS"),
        (ConnectionRefusedError(111, "refused"), "Nothing listens", "`turn` process"),
        (socket.gaierror(-2, "unknown"), "has no address", "DNS"),
        (TimeoutError(), "doesn't answer over UDP", "let UDP through"),
        (stun.TransactionTimeout(), "doesn't answer over UDP", "let UDP through"),
        (OSError(101, "Network is unreachable"), "is unreachable", "network"),
        (ConnectionError("LIFETIME is missing"), "LIFETIME is missing", "TURN_IP"),
    ],
)
def test_why_no_relay_is_lent(
    error: OSError | stun.TransactionError, cause: str, cure: str
):
    found = relay_words.not_lent(error, "udp", WHERE)
    expect(found, Outcome.FAILED, cause, cure)
    assert WHERE in found.cause


def test_silence_over_tls_is_about_tcp():
    found = relay_words.not_lent(TimeoutError(), "tls", WHERE)
    expect(found, Outcome.FAILED, "over TCP", "let TCP through")


def test_a_relay_that_leads_nowhere():
    nodes = ["10.0.0.5", "10.0.0.6"]
    refused = relay_words.refused(WHERE, nodes)
    expect(refused, Outcome.FAILED, "not to 10.0.0.5 and 10.0.0.6", "TURN_PEERS")
    expect(relay_words.unheard(WHERE, nodes), Outcome.FAILED, "arrive", "UDP")
    expect(relay_words.other_family(WHERE), Outcome.FAILED, "family", "IPv6")


def test_a_relay_that_leads_to_us():
    expect(relay_words.good(WHERE, 1.6), Outcome.OK, "come back in 2 ms")


def test_a_server_that_only_its_own_network_finds():
    found = relay_words.only_within("10.0.0.5:3478", WHERE)
    expect(found, Outcome.WARNING, f"not at {WHERE}", "elsewhere")


def test_it_is_looked_for_where_browsers_do_and_then_within(settings: Settings):
    settings.TURN_IP, settings.TURN_MOCK_IP = "10.0.0.5", "203.0.113.9"
    settings.TURN_HOST = "turn.example.org"
    settings.TURN_PORT_TCP, settings.TURN_PORT_TLS = 3478, 443
    assert ways("udp") == [
        Way("udp", "203.0.113.9", 3478),
        Way("udp", "10.0.0.5", 3478),
    ]
    assert [str(way) for way in ways("tls")] == ["turn.example.org:443", "10.0.0.5:443"]
    settings.TURN_IP = settings.TURN_MOCK_IP = "2001:db8::7"
    assert [str(way) for way in ways("tcp")] == ["[2001:db8::7]:3478"]
