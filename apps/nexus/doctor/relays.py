"""Whether the TURN server lends a relay over UDP, TCP and TLS, and lets it reach us.

Does what a browser does with the key that a page gets: asks for a relay and sends
through it to sockets of this machine, which send it back.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

from aioice.stun import TransactionError
from aioice.turn import TurnTransport, create_turn_endpoint
from django.conf import settings

from apps.nexus import turn
from apps.nexus.doctor import relay_words
from apps.nexus.doctor.findings import Finding
from apps.nexus.ice import Reach

LEND_S = 3.0
CARRY_S = 1.5

Transport = Literal["udp", "tcp", "tls"]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the TURN server."""

    transport: Transport
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def ways(transport: Transport) -> list[Way]:
    """As browsers know it first, then as this network does, where the two differ."""
    port = settings.TURN_PORT_TLS if transport == "tls" else settings.TURN_PORT_TCP
    named = settings.TURN_HOST if transport == "tls" else ""
    hosts = [named or settings.TURN_MOCK_IP]
    if settings.TURN_IP != settings.TURN_MOCK_IP:
        hosts.append(settings.TURN_IP)
    return [Way(transport, host, port) for host in hosts]


async def examine_relay(transport: Transport, reach: Reach) -> Finding:
    public, *within = ways(transport)
    try:
        return await _try(public, reach)
    except (OSError, TransactionError) as error:
        finding = relay_words.not_lent(error, transport, str(public))
    for way in within:
        try:
            await _try(way, reach)
        except (OSError, TransactionError):
            continue
        return relay_words.only_within(str(way), str(public))
    return finding


async def _try(way: Way, reach: Reach) -> Finding:
    """Raises: OSError or TransactionError, where no relay is lent."""
    addresses = [
        each
        for each in reach.host_addresses()
        if (":" in each) == (":" in settings.TURN_IP)
    ]
    if not addresses:
        return relay_words.other_family(str(way))
    async with _relay(way) as (lent, end):
        try:
            return relay_words.good(str(way), await _carry(lent, end, reach, addresses))
        except TransactionError:
            return relay_words.refused(str(way), addresses)
        except OSError:
            return relay_words.unheard(str(way), addresses)


class End(asyncio.DatagramProtocol):
    """The relay's end: hears what comes back, and what is refused."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self.closed = asyncio.Event()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        self.heard.put_nowait(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


class Echo(asyncio.DatagramProtocol):
    """Our end: sends back what comes."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


@asynccontextmanager
async def _relay(way: Way) -> AsyncIterator[tuple[TurnTransport, End]]:
    key = turn.mint("doctor")
    async with asyncio.timeout(LEND_S):
        lent, end = await create_turn_endpoint(
            End,
            (way.host, way.port),
            key.username,
            key.password,
            # As browsers do: held against the authorities that this machine knows.
            ssl=ssl.create_default_context() if way.transport == "tls" else None,
            transport="udp" if way.transport == "udp" else "tcp",
        )
    try:
        yield lent, end
    finally:
        lent.close()
        async with asyncio.timeout(CARRY_S):
            await end.closed.wait()


async def _carry(
    lent: TurnTransport, end: End, reach: Reach, addresses: list[str]
) -> float:
    """The milliseconds from the relay to the nearest of our addresses, and back.

    Raises:
        TransactionError: nothing is relayed to any of them.
        OSError: none can be bound, or nothing arrives in time.
    """
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        places = []
        for address in addresses:
            socket = reach.bind(address)
            transport, _ = await loop.create_datagram_endpoint(Echo, sock=socket)
            stack.callback(transport.close)
            places.append(socket.getsockname()[:2])
        begun = time.perf_counter()
        for place in places:
            lent.sendto(b"doctor", place)
        async with asyncio.timeout(CARRY_S):
            refusals: list[Exception] = []
            while len(refusals) < len(places):
                heard = await end.heard.get()
                if not isinstance(heard, Exception):
                    return (time.perf_counter() - begun) * 1000
                refusals.append(heard)
        raise refusals[0]
