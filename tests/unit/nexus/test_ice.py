"""Where this side of a peer connection can be reached, and whom it asks about it."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack

import pytest
from aiortc import RTCBundlePolicy

from apps.nexus import ice
from apps.nexus.ice import Reach

LOOPBACK = "127.0.0.1"


def test_no_stun_server_is_asked():
    # None, to aiortc, is a public server of Google's.
    assert ice.peer_configuration().iceServers == []


def test_all_media_share_one_transport():
    assert ice.peer_configuration().bundlePolicy == RTCBundlePolicy.MAX_BUNDLE


@pytest.mark.parametrize(
    ("found", "offered"),
    [
        (["192.0.2.7", "2001:db8::7"], ["192.0.2.7", "2001:db8::7"]),
        # A machine without a network can still show itself its own camera.
        ([], [LOOPBACK]),
    ],
)
def test_addresses_are_those_of_the_interfaces(
    monkeypatch: pytest.MonkeyPatch, found: list[str], offered: list[str]
):
    monkeypatch.setattr(ice, "_interface_addresses", lambda use_ipv4, use_ipv6: found)
    assert Reach().host_addresses() == offered


def test_addresses_that_are_named_are_the_only_ones(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ice, "_interface_addresses", lambda *_: ["192.0.2.7"])
    assert Reach(addresses=["::1", LOOPBACK]).host_addresses() == ["::1", LOOPBACK]


def free_ports(count: int) -> range:
    """Ports in a row that nobody uses, below those that systems lend out."""
    for first in range(21_000, 30_000, count):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    sock = socket.socket(type=socket.SOCK_DGRAM)
                    stack.enter_context(sock).bind((LOOPBACK, port))
            except OSError:
                continue
            return range(first, first + count)
    raise AssertionError("Every port is in use.")


def test_every_port_of_the_range_is_used_and_none_beside_it():
    ports = free_ports(8)
    reach = Reach(ports=ports)
    with ExitStack() as stack:
        socks = [stack.enter_context(reach.bind(LOOPBACK)) for _ in ports]
        assert {sock.getsockname()[1] for sock in socks} == set(ports)


def test_a_range_that_is_used_up_is_told_by_its_name():
    ports = free_ports(2)
    reach = Reach(ports=ports)
    sentence = f"every port of NEXUS_UDP_PORTS={ports[0]}-{ports[1]} is in use"
    with (
        reach.bind(LOOPBACK),
        reach.bind(LOOPBACK),
        pytest.raises(OSError, match=sentence) as refused,
    ):
        reach.bind(LOOPBACK)
    assert refused.value.errno == errno.EADDRINUSE
    reach.bind(LOOPBACK).close()


def test_without_a_range_the_kernel_chooses():
    with Reach().bind(LOOPBACK) as one, Reach().bind(LOOPBACK) as other:
        assert one.getsockname()[1] != other.getsockname()[1]


def test_an_address_of_another_machine_is_no_matter_of_ports():
    with pytest.raises(OSError, match="assign") as refused:
        Reach(ports=range(50_000, 50_200)).bind("192.0.2.1")
    assert refused.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize(
    ("public", "address", "translated"),
    [
        ("203.0.113.9", "10.0.0.5", True),
        ("203.0.113.9", "2001:db8::7", False),
        ("2001:db8::9", "fd00::7", True),
        ("", "10.0.0.5", False),
    ],
)
def test_a_public_address_stands_for_those_of_its_own_family(
    public: str, address: str, translated: bool
):
    assert Reach(public_ip=public).is_translated(address) is translated
