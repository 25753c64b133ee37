"""A network in between, made in user space: it loses, delays and cuts what it is told.

`Wire` relays UDP between one peer connection's two sides. Neither side knows the other
but by the wire's address, so nothing gets past it. Every bad luck is of a seed.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Self, cast

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Weather:
    """What befalls each packet by itself, on either way.

    Packets may so overtake each other where `jitter_ms` is longer than between two.
    """

    loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0

    def __str__(self) -> str:
        return f"{self.loss:.0%} loss, {self.delay_ms:.0f}±{self.jitter_ms:.0f} ms"


class Wire(asyncio.DatagramProtocol):
    """From `open` to `close`; whoever is not the server is the one browser."""

    def __init__(self, server: Address, weather: Weather, seed: int) -> None:
        self.packets = self.lost = 0
        self.weather = weather
        self._server = server
        self._browser: Address | None = None
        self._random = random.Random(seed)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None
        self._cut_until = 0.0

    @classmethod
    async def open(
        cls, server: Address, weather: Weather | None = None, seed: int = 1
    ) -> Self:
        wire = cls(server, weather or Weather(), seed)
        await wire._loop.create_datagram_endpoint(
            lambda: wire, local_addr=("127.0.0.1", 0)
        )
        return wire

    @property
    def port(self) -> int:
        if self._transport is None:
            raise RuntimeError("The wire is not open.")
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def cut(self, seconds: float) -> None:
        """Lose everything for so long from now on."""
        self._cut_until = self._loop.time() + seconds

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The event loop's own class is one, and doesn't say so.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: Address) -> None:
        if address == self._server:
            target = self._browser
        else:
            self._browser, target = address, self._server
        if target is None:
            return
        self.packets += 1
        is_cut = self._loop.time() < self._cut_until
        if is_cut or self._random.random() < self.weather.loss:
            self.lost += 1
            return
        delay_s = self._delay_s()
        if delay_s:
            self._loop.call_later(delay_s, self._send, data, target)
        else:
            self._send(data, target)

    def error_received(self, error: Exception) -> None:
        """One of the two has closed its socket, and will be missed by nobody."""

    def _delay_s(self) -> float:
        spread_ms = self._random.uniform(-1, 1) * self.weather.jitter_ms
        return max(0.0, self.weather.delay_ms + spread_ms) / 1000

    def _send(self, data: bytes, target: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, target)


def of_server(sdp: str) -> Address:
    """Where an answer's first UDP candidate of IPv4 is met."""
    for line in sdp.splitlines():
        if line.startswith("a=candidate:"):
            _, _, transport, _, host, port, *_ = line.split()
            if transport.lower() == "udp" and "." in host:
                return host, int(port)
    raise ValueError("The answer has no address.")


def led_through(sdp: str, wire: Wire) -> str:
    """An answer whose only candidate is the wire."""
    lines, has_candidate = [], False
    for line in sdp.splitlines():
        if not line.startswith("a=candidate:"):
            lines.append(line)
        elif not has_candidate:
            has_candidate = True
            lines.append(
                f"a=candidate:1 1 udp 2130706431 127.0.0.1 {wire.port} typ host"
            )
    return "\r\n".join(lines) + "\r\n"


def without_candidates(sdp: str) -> str:
    """An offer whose sender is found out by what comes from it."""
    return "".join(
        line + "\r\n"
        for line in sdp.splitlines()
        if not line.startswith("a=candidate:")
    )
