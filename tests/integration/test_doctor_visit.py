"""The WebSocket of the doctor's page, and what strangers could do to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from channels.testing import WebsocketCommunicator
from pytest_django import Settings

from apps.nexus import ice
from apps.nexus.doctor import consumer
from apps.nexus.doctor.echo_peer import LONGEST_MESSAGE, MOST_MESSAGES
from apps.nexus.ice import Reach, peer_configuration
from apps.nexus.protocol import TRY_AGAIN_LATER
from bench.processes import PATIENCE_S
from emporium.asgi import application
from tests.integration.camera import Camera
from tests.unit.nexus.test_ice import free_ports


@pytest.fixture(autouse=True)
def on_the_loopback():
    ice.be_reached(Reach(addresses=["127.0.0.1"]))
    yield
    ice.be_reached(Reach())


class Visit:
    """One page, which is greeted."""

    def __init__(self) -> None:
        headers = [(b"origin", b"http://localhost"), (b"cookie", b"sessionid=any")]
        self._socket = WebsocketCommunicator(application, "/ws/doctor/", headers)

    async def __aenter__(self) -> Self:
        assert (await self._socket.connect(PATIENCE_S))[0]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.disconnect(timeout=PATIENCE_S)

    async def say(self, **message: Any) -> None:
        await self._socket.send_to(text_data=json.dumps(message))

    async def send(self, text: str | None = None, content: bytes | None = None) -> None:
        await self._socket.send_to(text_data=text, bytes_data=content)

    async def hear(self) -> Any:
        return json.loads(await self._socket.receive_from(PATIENCE_S))

    async def is_closed(self) -> int:
        output = await self._socket.receive_output(PATIENCE_S)
        assert output["type"] == "websocket.close"
        return int(output["code"])


@asynccontextmanager
async def greeted() -> AsyncIterator[Visit]:
    async with Visit() as visit:
        assert (await visit.hear())["type"] == "hello"
        yield visit


class Browser:
    """A browser's end: a data channel, and what comes back over it."""

    def __init__(self) -> None:
        self.pc = RTCPeerConnection(peer_configuration())
        self.channel = self.pc.createDataChannel("doctor")
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self._open = asyncio.Event()
        self.channel.on("message", self.heard.put_nowait)
        self.channel.on("open", self._open.set)

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        sdp: str = self.pc.localDescription.sdp
        return sdp

    async def connect(self, visit: Visit, way: str = "direct") -> str:
        await visit.say(type="offer", way=way, sdp=await self.offer())
        answer = await visit.hear()
        assert (answer["type"], answer["way"]) == ("answer", way)
        sdp: str = answer["sdp"]
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        async with asyncio.timeout(PATIENCE_S):
            await self._open.wait()
        return sdp

    async def echo(self, message: str) -> str:
        self.channel.send(message)
        async with asyncio.timeout(PATIENCE_S):
            return await self.heard.get()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    browser = Browser()
    yield browser
    await browser.pc.close()


async def test_a_ping_comes_back_without_database_or_redis():
    async with greeted() as visit:
        await visit.say(type="ping", sent_at_ms=1.5)
        assert await visit.hear() == {"type": "pong", "sent_at_ms": 1.5}


async def test_a_page_is_lent_what_the_turn_server_offers(settings: Settings):
    settings.TURN_IP = settings.TURN_MOCK_IP = "203.0.113.9"
    async with Visit() as visit:
        (server,) = (await visit.hear())["ice_servers"]
    assert server["urls"][0].startswith("turn:203.0.113.9:")
    assert ":doctor-" in server["username"]


async def test_what_is_sent_over_the_way_comes_back(browser: Browser):
    ports = free_ports(4)
    ice.be_reached(Reach(addresses=["127.0.0.1"], ports=ports))
    async with greeted() as visit:
        answer = await browser.connect(visit)
        assert any(f" {port} typ host" in answer for port in ports)
        assert await browser.echo("mustard") == "mustard"


async def test_names_that_only_the_browser_s_network_knows_are_not_asked_for(
    browser: Browser,
):
    offer = browser.offer

    async def hidden() -> str:
        return (await offer()).replace(" 127.0.0.1 ", " 0b5c-mustard.local ")

    browser.offer = hidden  # type: ignore[method-assign]
    async with greeted() as visit:
        await browser.connect(visit)
        assert await browser.echo("mustard") == "mustard"


async def test_little_comes_back(browser: Browser):
    async with greeted() as visit:
        await browser.connect(visit)
        browser.channel.send("x" * (LONGEST_MESSAGE + 1))
        for _ in range(MOST_MESSAGES + 5):
            browser.channel.send("y")
        await visit.say(type="ping", sent_at_ms=1)
        await visit.hear()
        heard = [await browser.heard.get() for _ in range(MOST_MESSAGES - 1)]
    assert heard == ["y"] * (MOST_MESSAGES - 1)
    assert browser.heard.empty()


async def test_four_ways_at_once_and_each_but_once():
    browsers = {way: Browser() for way in consumer.WAYS}
    async with greeted() as visit:
        for way, browser in browsers.items():
            await browser.connect(visit, way)
        for browser in browsers.values():
            assert await browser.echo("mustard") == "mustard"
        await visit.say(type="offer", way="direct", sdp="again")
        await visit.say(type="offer", way="elsewhere", sdp="new")
        await visit.say(type="ping", sent_at_ms=1)
        assert (await visit.hear())["type"] == "pong"
    for browser in browsers.values():
        await browser.pc.close()


async def test_a_camera_is_refused_here():
    camera = Camera()
    async with greeted() as visit:
        await visit.say(type="offer", way="direct", sdp=await camera.offer())
        refused = await visit.hear()
    await camera.close()
    assert (refused["type"], refused["way"]) == ("refused", "direct")
    assert "data channel" in refused["sentence"]


@pytest.mark.parametrize("sdp", ["", "mustard", "v=0\r\n", "m=application x\r\n"])
async def test_nonsense_is_refused(sdp: str):
    async with greeted() as visit:
        await visit.say(type="offer", way="direct", sdp=sdp)
        assert (await visit.hear())["type"] == "refused"


async def test_no_free_port_is_told(browser: Browser):
    ice.be_reached(Reach(addresses=["192.0.2.77"]))
    async with greeted() as visit:
        offer = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
            "c=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:abcd\r\n"
            "a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
            "a=fingerprint:sha-256 " + ":".join(["AA"] * 32) + "\r\n"
            "a=setup:actpass\r\na=sctp-port:5000\r\n"
        )
        await visit.say(type="offer", way="direct", sdp=offer)
        refused = await visit.hear()
    assert (refused["type"], "no room" in refused["sentence"]) == ("refused", True)


@pytest.mark.parametrize("text", ["mustard", "[]", '{"type": "offer"}', "3", "{"])
async def test_what_it_doesn_t_know_changes_nothing(text: str):
    async with greeted() as visit:
        await visit.send(text)
        await visit.send(content=b"mustard")
        await visit.say(type="ping", sent_at_ms=1)
        assert (await visit.hear())["type"] == "pong"


async def test_who_talks_too_much_is_shown_out():
    async with greeted() as visit:
        for _ in range(consumer.MOST_MESSAGES + 1):
            await visit.say(type="mustard")
        assert await visit.is_closed() == consumer.VISIT_IS_OVER


async def test_a_message_without_end_is_shown_out():
    async with greeted() as visit:
        await visit.send("x" * 64_001)
        assert await visit.is_closed() == consumer.VISIT_IS_OVER


async def test_a_visit_ends_by_itself(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(consumer, "VISIT_S", 0)
    async with greeted() as visit:
        assert await visit.is_closed() == consumer.VISIT_IS_OVER


async def test_few_are_taken_at_once_and_the_next_one_then():
    visits = [Visit() for _ in range(consumer.VISITS_AT_ONCE)]
    for visit in visits:
        await visit.__aenter__()
    async with Visit() as late:
        busy = await late.hear()
        assert (busy["type"], busy["sentence"]) == ("busy", consumer.BUSY)
        assert await late.is_closed() == TRY_AGAIN_LATER
    for visit in visits:
        await visit.__aexit__()
    async with greeted():
        pass
    assert consumer._visits == set()


@pytest.mark.usefixtures("nexus")
async def test_the_origin_of_another_site_is_refused():
    socket = WebsocketCommunicator(
        application, "/ws/doctor/", [(b"origin", b"https://evil.example")]
    )
    assert (await socket.connect(PATIENCE_S))[0] is False
