"""Where cameras are met: tried with real sockets on the loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from apps.nexus.doctor.findings import Outcome
from apps.nexus.doctor.reach import (
    count_free,
    examine_addresses,
    examine_ports,
    examine_public_address,
    listing,
)
from apps.nexus.ice import Reach
from tests.unit.nexus.doctor.sentences import expect
from tests.unit.nexus.test_ice import free_ports

HERE = "127.0.0.1"
NOWHERE = range(0)


@contextmanager
def taken(ports: range) -> Iterator[None]:
    with ExitStack() as stack:
        for port in ports:
            sock = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            sock.bind((HERE, port))
        yield


def test_an_address_of_another_machine_is_told():
    found = examine_addresses(Reach(addresses=["192.0.2.77"]))
    expect(found, Outcome.FAILED, "names 192.0.2.77", "`ip address`")


def test_the_loopback_alone_is_told():
    found = examine_addresses(Reach(addresses=[HERE, "::1"]))
    expect(found, Outcome.WARNING, "127.0.0.1 and ::1", "NEXUS_ADDRESSES")


def test_addresses_that_can_be_used_are_listed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("apps.nexus.doctor.reach.bind_problem", lambda address: "")
    found = examine_addresses(Reach(addresses=["10.0.0.5"]))
    expect(found, Outcome.OK, "met on 10.0.0.5")


@pytest.mark.parametrize(
    ("addresses", "public", "outcome", "cause", "cure"),
    [
        (["10.0.0.5"], "", Outcome.NOT_CONFIGURED, "10.0.0.5", "NEXUS_PUBLIC_IP"),
        (["10.0.0.5", "5.9.0.1"], "", Outcome.OK, "leads to 5.9.0.1", ""),
        (["10.0.0.5"], "5.9.0.1", Outcome.OK, "5.9.0.1, which leads to 10.0.0.5", ""),
        (["10.0.0.5"], "2a01::9", Outcome.FAILED, "no IPv6 address", "IPv6"),
        (["5.9.0.1"], "5.9.0.1", Outcome.WARNING, "machine itself", "empty"),
        (["10.0.0.5"], "10.9.0.1", Outcome.WARNING, "no address of the int", "world"),
        (
            ["10.0.0.5", "172.17.0.1"],
            "5.9.0.1",
            Outcome.WARNING,
            "10.0.0.5 and 172.17.0.1",
            "Name the one",
        ),
    ],
)
def test_the_public_address(
    addresses: list[str], public: str, outcome: Outcome, cause: str, cure: str
):
    found = examine_public_address(Reach(addresses, public))
    expect(found, outcome, cause, cure)


def test_without_a_range_the_firewall_is_thought_of():
    found = examine_ports(Reach([HERE]), NOWHERE)
    expect(found, Outcome.NOT_CONFIGURED, "kernel chooses", "50000-50199")


def test_ports_are_counted():
    ports = free_ports(30)
    with taken(ports[:2]):
        assert count_free(HERE, ports) == 28
        found = examine_ports(Reach([HERE], ports=ports), NOWHERE)
    expect(found, Outcome.OK, f"28 of the 30 UDP ports {ports[0]}-{ports[-1]}")


def test_ports_that_are_all_taken_are_told():
    ports = free_ports(3)
    with taken(ports):
        found = examine_ports(Reach([HERE], ports=ports), NOWHERE)
    named = f"NEXUS_UDP_PORTS={ports[0]}-{ports[-1]}"
    expect(found, Outcome.FAILED, f"No port of {named}", "ss -ulpn")


def test_few_free_ports_are_told():
    ports = free_ports(30)
    with taken(ports[:25]):
        found = examine_ports(Reach([HERE], ports=ports), NOWHERE)
    expect(found, Outcome.WARNING, "Only 5 of the 30", "widen")


def test_a_narrow_range_is_told():
    found = examine_ports(Reach([HERE], ports=free_ports(3)), NOWHERE)
    expect(found, Outcome.WARNING, "room for 3 cameras", "Widen")


def test_a_range_that_the_turn_server_lends_from_is_told():
    ports = free_ports(30)
    lent = range(ports[25], ports[25] + 200)
    found = examine_ports(Reach([HERE], ports=ports), lent)
    expect(found, Outcome.WARNING, "have 5 ports in common", "TURN_PORT_UDP_FROM")


def test_a_range_on_no_address_of_ours_is_told():
    found = examine_ports(Reach(["192.0.2.77"], ports=free_ports(3)), NOWHERE)
    assert found.outcome == Outcome.FAILED


def test_lists_are_read_as_people_write_them():
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"
