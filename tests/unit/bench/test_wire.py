"""A network made in user space does what it is told, and the same every time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest

from bench.wire import Weather, Wire, led_through, of_server, without_candidates
from tests.waiting import eventually

CANDIDATE = "a=candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host"
V6 = "a=candidate:2 1 udp 2130706431 2001:db8::7 50001 typ host"
ANSWER = "\r\n".join(["v=0", V6, CANDIDATE, "a=end-of-candidates", ""])

Open = Callable[..., Awaitable["Ends"]]


class Side(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.heard.append(data)
        self.address = address


class Ends:
    """A browser and a server, and the wire between them."""

    def __init__(self, browser: Side, server: Side, wire: Wire) -> None:
        self.browser, self.server, self.wire = browser, server, wire

    async def send(self, *packets: bytes) -> None:
        for packet in packets:
            before = self.wire.packets
            self.browser.transport.sendto(packet, ("127.0.0.1", self.wire.port))
            await eventually(lambda: self.wire.packets > before, "a packet")  # noqa: B023


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    made: list[Ends] = []

    async def open_ends(weather: Weather | None = None, seed: int = 1) -> Ends:
        loop = asyncio.get_running_loop()
        browser, server = Side(), Side()
        for side in (browser, server):
            await loop.create_datagram_endpoint(
                lambda side=side: side,  # type: ignore[misc]
                local_addr=("127.0.0.1", 0),
            )
        address = cast(tuple[str, int], server.transport.get_extra_info("sockname"))
        made.append(Ends(browser, server, await Wire.open(address, weather, seed)))
        return made[-1]

    yield open_ends
    for ends in made:
        ends.wire.close()
        ends.browser.transport.close()
        ends.server.transport.close()


async def test_what_one_side_sends_the_other_hears_and_can_answer(opened: Open):
    ends = await opened()
    await ends.send(b"question")
    await eventually(lambda: ends.server.heard == [b"question"], "the question")
    ends.server.transport.sendto(b"answer", ends.server.address)
    await eventually(lambda: ends.browser.heard == [b"answer"], "the answer")


async def test_the_same_packets_are_lost_every_time(opened: Open):
    packets = [bytes([number]) for number in range(100)]
    heard = []
    for seed in (7, 7, 8):
        ends = await opened(Weather(loss=0.3), seed)
        await ends.send(*packets)
        left = len(packets) - ends.wire.lost
        await eventually(lambda: len(ends.server.heard) == left, "the rest")  # noqa: B023
        heard.append(ends.server.heard)
    assert heard[0] == heard[1] != heard[2]
    assert 50 <= len(heard[0]) <= 90


async def test_what_is_delayed_arrives(opened: Open):
    ends = await opened(Weather(delay_ms=5, jitter_ms=5))
    await ends.send(*(bytes([number]) for number in range(20)))
    await eventually(lambda: len(ends.server.heard) == 20, "every packet")


async def test_nothing_gets_through_a_cut(opened: Open):
    ends = await opened()
    ends.wire.cut(60)
    await ends.send(b"lost")
    ends.wire.cut(0)
    await ends.send(b"heard")
    await eventually(lambda: ends.server.heard == [b"heard"], "what came after")


async def test_descriptions_leave_no_way_but_the_wire(opened: Open):
    wire = (await opened()).wire
    assert of_server(ANSWER) == ("192.0.2.7", 50000)
    led = led_through(ANSWER, wire)
    assert of_server(led) == ("127.0.0.1", wire.port)
    assert led.count("a=candidate:") == 1
    assert without_candidates(ANSWER) == "v=0\r\na=end-of-candidates\r\n"
    with pytest.raises(ValueError, match="no address"):
        of_server("v=0\r\n")
