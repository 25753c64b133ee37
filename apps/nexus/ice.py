"""Where this side of a peer connection can be reached: addresses and UDP ports.

The only file that touches aioice's insides, and what aiortc makes of them. No STUN
server is asked behind anybody's back: settings say what a server can't know by itself.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Self

import aioice.ice
import aiortc.rtcicetransport
from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import StunProtocol
from aioice.turn import UDP_SOCKET_BUFFER_SIZE
from aiortc import RTCBundlePolicy, RTCConfiguration
from django.conf import settings

logger = logging.getLogger(__name__)

# Port 0 leaves the choice to the kernel.
ANY_PORT = range(1)

_interface_addresses = aioice.ice.get_host_addresses


class UnreachableError(Exception):
    """No port could be opened to be reached on. The text is for the visitor."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where peer connections of this process are met.

    Args:
        addresses: of this machine; none for all that its interfaces have.
        public_ip: under which a network that translates addresses and keeps ports shows
            this machine; empty where there is none.
        ports: for the UDP sockets.
    """

    addresses: Sequence[str] = ()
    public_ip: str = ""
    ports: range = ANY_PORT

    @classmethod
    def from_settings(cls) -> Self:
        return cls(
            settings.NEXUS_ADDRESSES, settings.NEXUS_PUBLIC_IP, settings.NEXUS_UDP_PORTS
        )

    def host_addresses(self) -> list[str]:
        """Addresses to bind to; a machine without a network still reaches itself."""
        return list(self.addresses) or _interface_addresses(True, True) or ["127.0.0.1"]

    def bind(self, address: str) -> socket.socket:
        """Bind to a free port of the range.

        It starts anywhere in the range: from its beginning, every session would try the
        ports of all those before it.

        Raises:
            OSError: EADDRINUSE if every port is in use, else why the address can't be.
        """
        start = random.randrange(len(self.ports))
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            for port in (*self.ports[start:], *self.ports[:start]):
                try:
                    sock.bind((address, port))
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:
                        raise
                else:
                    return sock
            every = f"NEXUS_UDP_PORTS={self.ports[0]}-{self.ports[-1]}"
            raise OSError(errno.EADDRINUSE, f"every port of {every} is in use")
        except OSError:
            sock.close()
            raise

    def is_translated(self, address: str) -> bool:
        """Whether the public address leads to this one: both are of one family."""
        return bool(self.public_ip) and (
            ip_address(self.public_ip).version == ip_address(address).version
        )


_reach = Reach()


def be_reached(reach: Reach) -> None:
    """Have all peer connections that begin from now on be met there."""
    global _reach
    _reach = reach


class ReachableConnection(aioice.ice.Connection):
    """Binds to the ports of our range, and knows its public address without asking."""

    async def get_component_candidates(
        self,
        component: int,
        addresses: list[str],
        timeout: int = 5,  # noqa: ASYNC109 - aioice's
    ) -> list[Candidate]:
        """What this side can be reached by on each of `addresses`.

        Raises:
            UnreachableError: none of them has a port for us.
        """
        hosts = []
        for address in addresses:
            try:
                sock = _reach.bind(address)
            except OSError as error:
                logger.error("Cameras can't be met on %s: %s.", address, error.strerror)
            else:
                hosts.append(await self._listen(component, sock))
        if addresses and not hosts:
            raise UnreachableError(
                "The server has no room for one more camera. Try again in a moment."
            )
        public = [
            _seen_from_outside(host)
            for host in hosts
            if _reach.is_translated(host.host)
        ]
        # Without addresses aioice adds what a TURN server lends, if it was given one.
        lent = await super().get_component_candidates(component, [], timeout)
        return hosts + public + lent

    async def _listen(self, component: int, sock: socket.socket) -> Candidate:
        """Do with a socket of ours what aioice does with its own.

        Raises:
            UnreachableError: the connection has been closed meanwhile.
        """
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_SOCKET_BUFFER_SIZE)
        address, port = sock.getsockname()[:2]
        _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: StunProtocol(self), sock=sock
        )
        if self._closing:
            # Nobody would close it any more.
            await protocol.close()
            raise UnreachableError("The connection was closed before it began.")
        protocol.local_candidate = Candidate(
            foundation=candidate_foundation("host", "udp", address),
            component=component,
            transport="udp",
            priority=candidate_priority(component, "host"),
            host=address,
            port=port,
            type="host",
        )
        self._protocols.append(protocol)
        return protocol.local_candidate


def _seen_from_outside(host: Candidate) -> Candidate:
    """What a STUN server would have told about `host`."""
    return Candidate(
        foundation=candidate_foundation("srflx", "udp", host.host),
        component=host.component,
        transport="udp",
        priority=candidate_priority(host.component, "srflx"),
        host=_reach.public_ip,
        port=host.port,
        type="srflx",
        related_address=host.host,
        related_port=host.port,
    )


def _addresses_of_reach(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    return _reach.host_addresses()


def _install() -> None:
    """Have aioice and aiortc, which offer no settings for it, use what is ours."""
    ice: Any = aioice.ice
    transport: Any = aiortc.rtcicetransport
    ice.get_host_addresses = _addresses_of_reach
    transport.Connection = ReachableConnection


_install()


def peer_configuration() -> RTCConfiguration:
    # An empty list, because None means Google's public STUN server to aiortc.
    return RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
