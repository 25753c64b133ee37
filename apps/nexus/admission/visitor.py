"""Who asks for a slot: a session, from an address, perhaps of somebody known."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings

# What one subscriber is given: whoever has one address of it has them all.
IPV6_PREFIX = 64


@dataclass(frozen=True, slots=True)
class Visitor:
    """`address` and `user` are empty where they can't be told apart from others."""

    session_id: str
    address: str = ""
    user: str = ""

    @classmethod
    def from_scope(cls, session_id: str, scope: dict[str, Any]) -> Visitor:
        user = scope.get("user")
        return cls(
            session_id,
            address=client_network(scope),
            user=str(user.pk) if user is not None and user.is_authenticated else "",
        )


def client_network(scope: dict[str, Any]) -> str:
    """The IPv4 address or the IPv6 network that a visitor comes from.

    Empty for this machine itself, which is also what a proxy looks like whose headers
    are not trusted: all its visitors would be one.
    """
    address = _client_address(scope)
    if address is None or address.is_loopback:
        return ""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)


def _client_address(scope: dict[str, Any]) -> IPv4Address | IPv6Address | None:
    if settings.TRUST_PROXY_HEADERS:
        said = [
            value
            for name, value in scope["headers"]
            if name.lower() == b"x-forwarded-for"
        ]
        # Only the last one is our proxy's: anyone may send it the others.
        last = b",".join(said).decode("latin-1").rpartition(",")[2]
        if (forwarded := _read(last)) is not None:
            return forwarded
    client = scope.get("client")
    return _read(client[0]) if client else None


def _read(said: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(said.strip().partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
