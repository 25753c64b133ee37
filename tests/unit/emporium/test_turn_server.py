"""The configuration that coturn is started with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_django import Settings

from emporium import turn_server


@pytest.fixture
def lines(settings: Settings) -> Callable[..., list[str]]:
    """The configuration with these settings, and else those of a plain server."""

    def read(**changed: object) -> list[str]:
        plain = {
            "TURN_IP": "10.0.0.5",
            "TURN_MOCK_IP": "10.0.0.5",
            "TURN_PEERS": ["10.0.0.21"],
            "TURN_SECRET": "a-secret-of-many-letters",
        }
        for name, value in (plain | changed).items():
            setattr(settings, name, value)
        return turn_server.configuration().splitlines()

    return read


def test_everything_is_denied_but_our_own_nodes(lines: Callable[..., list[str]]):
    written = lines(TURN_PEERS=["10.0.0.21", "2001:db8::21"])
    assert [line for line in written if "peer" in line] == [
        "denied-peer-ip=0.0.0.0-255.255.255.255",
        "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "allowed-peer-ip=10.0.0.21",
        "allowed-peer-ip=2001:db8::21",
    ]


def test_our_own_node_is_this_machine_unless_others_are_named(
    lines: Callable[..., list[str]],
):
    written = lines(TURN_PEERS=[], NEXUS_ADDRESSES=["10.0.0.7"])
    assert "allowed-peer-ip=10.0.0.7" in written


def test_the_loopback_is_relayed_to_only_where_it_is_a_node(
    lines: Callable[..., list[str]],
):
    assert "allow-loopback-peers" not in lines()
    assert "allow-loopback-peers" in lines(TURN_PEERS=["127.0.0.1"])
    assert "allow-loopback-peers" in lines(TURN_PEERS=["10.0.0.5", "::1"])


def test_only_keys_of_ours_open_it(lines: Callable[..., list[str]]):
    written = lines()
    assert "use-auth-secret" in written
    assert "static-auth-secret=a-secret-of-many-letters" in written
    assert "no-cli" in written


def test_a_public_address_is_told_beside_the_own_one(lines: Callable[..., list[str]]):
    assert not [line for line in lines() if line.startswith("external-ip")]
    written = lines(TURN_MOCK_IP="203.0.113.9")
    assert "external-ip=203.0.113.9/10.0.0.5" in written
    assert "listening-ip=10.0.0.5" in written
    assert "relay-ip=10.0.0.5" in written


def test_ports_are_those_of_the_settings(lines: Callable[..., list[str]]):
    written = lines(TURN_PORT_TCP=443, TURN_PORT_UDP_FROM=5000, TURN_PORT_UDP_TO=5009)
    assert "listening-port=443" in written
    assert "min-port=5000" in written
    assert "max-port=5009" in written
    assert "total-quota=10" in written


def test_without_a_certificate_there_is_no_tls(lines: Callable[..., list[str]]):
    written = lines()
    assert "no-tls" in written
    assert not [line for line in written if line.startswith(("cert", "pkey"))]


def test_a_certificate_opens_the_port_for_tls(lines: Callable[..., list[str]]):
    written = lines(TURN_CERT_TLS="/etc/turn.pem", TURN_PORT_TLS=5349)
    assert "no-tls" not in written
    assert {"cert=/etc/turn.pem", "pkey=/etc/turn.pem"} <= set(written)
    assert "tls-listening-port=5349" in written
    assert {"no-tlsv1", "no-tlsv1_1"} <= set(written)
