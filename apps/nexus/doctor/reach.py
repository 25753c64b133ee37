"""Whether cameras can be met where the settings say: addresses and UDP ports.

Tries it with sockets of its own. What lies between the machine and the browser only the
doctor's page can tell.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from ipaddress import ip_address

from apps.nexus.doctor.findings import Finding, failed, not_configured, ok, warning
from apps.nexus.ice import ANY_PORT, Reach

# Fewer ports than this are used up by a handful of people.
NARROW = 20


def examine_addresses(reach: Reach) -> Finding:
    addresses = reach.host_addresses()
    for address in addresses:
        if problem := bind_problem(address):
            return failed(
                f"NEXUS_ADDRESSES names {address}, which can't be used here: "
                f"{problem}.",
                "Name addresses of this machine, as `ip address` shows them, or leave "
                "NEXUS_ADDRESSES empty for all of them.",
            )
    if all(ip_address(address).is_loopback for address in addresses):
        return warning(
            f"Cameras are met on {listing(addresses)}, so by browsers of this machine "
            "alone.",
            "For others, connect the machine to a network, and have NEXUS_ADDRESSES "
            "empty or name its address there.",
        )
    return ok(f"Cameras are met on {listing(addresses)}.")


def examine_public_address(reach: Reach) -> Finding:
    addresses = reach.host_addresses()
    if not reach.public_ip:
        return _without_public_address(addresses)
    setting = f"NEXUS_PUBLIC_IP={reach.public_ip}"
    translated = [each for each in addresses if reach.is_translated(each)]
    if not translated:
        family = f"IPv{ip_address(reach.public_ip).version}"
        return failed(
            f"{setting} is {family}, but cameras are met on no {family} address.",
            f"Name the {family} address that it leads to in NEXUS_ADDRESSES.",
        )
    if reach.public_ip in addresses:
        return warning(
            f"{setting} is an address of this machine itself.",
            "Leave NEXUS_PUBLIC_IP empty: it is for networks that translate addresses.",
        )
    if len(translated) > 1:
        return warning(
            f"{setting} leads to one address, but stands for {listing(translated)}.",
            "Name the one that it leads to in NEXUS_ADDRESSES.",
        )
    if not ip_address(reach.public_ip).is_global:
        return warning(
            f"{setting} is no address of the internet, so only a network that leads "
            "there finds the server.",
            "Unless that is meant, set it to the address that the world sees.",
        )
    return ok(
        f"Browsers are told of {reach.public_ip}, which leads to {translated[0]}."
    )


def _without_public_address(addresses: list[str]) -> Finding:
    reached = [each for each in addresses if ip_address(each).is_global]
    if reached:
        return ok(f"The internet leads to {listing(reached)} without a translation.")
    return not_configured(
        f"Browsers are told of {listing(addresses)}, which no other network leads to.",
        "For browsers elsewhere set NEXUS_PUBLIC_IP to the address under which the "
        "world sees this machine, or run a TURN server.",
    )


def examine_ports(reach: Reach, lent_by_turn: range) -> Finding:
    """`lent_by_turn`: the ports of a TURN server on this machine; none without one."""
    ports = reach.ports
    if ports == ANY_PORT:
        return not_configured(
            "The kernel chooses the UDP ports of cameras, so a firewall would have to "
            "let all of them through.",
            "With a firewall in between, set NEXUS_UDP_PORTS to a range such as "
            "50000-50199 and let UDP through to it.",
        )
    named = f"NEXUS_UDP_PORTS={ports[0]}-{ports[-1]}"
    usable = [each for each in reach.host_addresses() if not bind_problem(each)]
    free = min((count_free(each, ports) for each in usable), default=0)
    if not free:
        return failed(
            f"No port of {named} is free on every address.",
            "Stop what else uses them (`ss -ulpn` shows it), or name another range.",
        )
    if common := range(
        max(ports[0], lent_by_turn.start), min(ports.stop, lent_by_turn.stop)
    ):
        return warning(
            f"{named} and the TURN server's own range have {len(common)} ports in "
            "common, and take them from each other.",
            "Move one of them: TURN_PORT_UDP_FROM and TURN_PORT_UDP_TO name the other.",
        )
    if free < len(ports) / 4 and len(ports) >= NARROW:
        return warning(
            f"Only {free} of the {len(ports)} ports of {named} are free.",
            "Stop what else uses them (`ss -ulpn` shows it), or widen the range.",
        )
    if len(ports) < NARROW:
        return warning(
            f"{named} is room for {len(ports)} cameras at the most.",
            "Widen it: a session takes a port, and one more while it connects anew.",
        )
    return ok(f"{free} of the {len(ports)} UDP ports {ports[0]}-{ports[-1]} are free.")


def bind_problem(address: str) -> str:
    """Why nothing can be bound to an address, in the system's words; else nothing."""
    try:
        Reach().bind(address).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def count_free(address: str, ports: range) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    free = 0
    for port in ports:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                free += 1
    return free


def listing(words: Iterable[str]) -> str:
    """As people enumerate: a, b and c."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
