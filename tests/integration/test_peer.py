"""One peer connection against another, over the loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import aioice.mdns
import pytest
from aiortc import MediaStreamTrack
from aiortc.codecs.vpx import Vp8Decoder
from aiortc.mediastreams import MediaStreamError
from dns.name import LabelTooLong

from apps.nexus.peer import Peer, check_offer
from apps.nexus.protocol import IceCandidate, ProtocolError
from tests.integration.camera import (
    Camera,
    MovingStripe,
    as_h264_high,
    as_vp9,
    without_candidates,
)
from tests.integration.conftest import decoder_threads
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("no_decoder_left")


class Receiver:
    """The server's end: a peer, and what it tells. Consumes the track as it must."""

    def __init__(self) -> None:
        self.tracks: list[MediaStreamTrack] = []
        self.sizes: list[tuple[int, int]] = []
        self.losses = 0
        self.peer = Peer(on_track=self._receive, on_lost=self._lose)
        self._pump: asyncio.Task[None] | None = None

    def _receive(self, track: MediaStreamTrack) -> None:
        self.tracks.append(track)
        self._pump = asyncio.create_task(self._consume(track))

    async def _consume(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame: Any = await track.recv()
                self.sizes.append((frame.width, frame.height))
        except MediaStreamError:
            pass

    def _lose(self) -> None:
        self.losses += 1

    async def has_frames(self, count: int) -> None:
        begun = len(self.sizes)
        await eventually(lambda: len(self.sizes) >= begun + count, f"{count} frames")

    @property
    def state(self) -> str:
        return self.peer._pc.connectionState

    def known_candidates(self) -> set[tuple[str, int]]:
        """The browser's addresses as far as ICE has been told them."""
        (transceiver, *_) = self.peer._pc.getTransceivers()
        transport = transceiver.receiver.transport.transport
        return {
            (each.ip, each.port)
            for each in transport.getRemoteCandidates()
            if each.type == "host"
        }

    async def close(self) -> None:
        await self.peer.close()
        if self._pump is not None:
            # The track of a connection that never came about doesn't end by itself.
            self._pump.cancel()
            await asyncio.wait([self._pump])


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    yield receiver
    await receiver.close()
    assert receiver.state == "closed"


@pytest.fixture
async def camera() -> AsyncIterator[Camera]:
    camera = Camera()
    yield camera
    await camera.close()


async def connect(camera: Camera, receiver: Receiver) -> str:
    answer = await receiver.peer.accept_offer(await camera.offer())
    await camera.accept(answer)
    return answer


def ice_candidate(candidate: dict[str, Any]) -> IceCandidate:
    return IceCandidate(
        candidate["candidate"], candidate["sdpMid"], candidate["sdpMLineIndex"]
    )


def addresses(candidates: list[dict[str, Any]]) -> set[tuple[str, int]]:
    parts = [candidate["candidate"].split() for candidate in candidates]
    return {(part[4], int(part[5])) for part in parts}


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_frames_arrive(receiver: Receiver, codec: str):
    camera = Camera(codec)
    try:
        answer = await connect(camera, receiver)
        await receiver.has_frames(5)
    finally:
        await camera.close()

    assert f"{codec}/90000" in answer
    assert set(receiver.sizes) == {(160, 120)}
    assert len(receiver.tracks) == 1


async def test_frames_may_change_their_size_in_mid_stream(
    camera: Camera, receiver: Receiver
):
    await connect(camera, receiver)
    await receiver.has_frames(2)
    camera.stripe.size = (96, 128)
    await eventually(lambda: (96, 128) in receiver.sizes, "the phone to be turned")
    await receiver.has_frames(2)
    assert receiver.losses == 0


async def test_candidates_may_come_before_the_offer_is_read(
    camera: Camera, receiver: Receiver
):
    offer, candidates = without_candidates(await camera.offer())
    assert candidates
    for candidate in candidates:
        await receiver.peer.add_candidate(ice_candidate(candidate))
    await receiver.peer.add_candidate(None)

    await camera.accept(await receiver.peer.accept_offer(offer))

    assert receiver.known_candidates() == addresses(candidates)
    await receiver.has_frames(2)


async def test_candidates_may_trickle(camera: Camera, receiver: Receiver):
    offer, candidates = without_candidates(await camera.offer())
    answer = await receiver.peer.accept_offer(offer)
    assert receiver.known_candidates() == set()

    for candidate in candidates:
        await receiver.peer.add_candidate(ice_candidate(candidate))
    await receiver.peer.add_candidate(None)
    await camera.accept(answer)

    assert receiver.known_candidates() == addresses(candidates)
    await receiver.has_frames(2)


async def test_the_answer_carries_every_candidate_of_this_side(
    camera: Camera, receiver: Receiver
):
    answer = await receiver.peer.accept_offer(await camera.offer())
    assert "a=candidate:" in answer
    assert "a=end-of-candidates" in answer
    # Nobody else is asked for an address.
    assert "typ srflx" not in answer


async def test_sound_is_refused(receiver: Receiver):
    camera = Camera(microphone=True)
    try:
        answer = await connect(camera, receiver)
        await receiver.has_frames(2)
    finally:
        await camera.close()

    assert section(answer, "audio") == "inactive"
    assert section(answer, "video") == "recvonly"
    assert [track.kind for track in receiver.tracks] == ["video"]
    assert "audio-decoder" not in decoder_threads()


async def test_a_second_camera_is_not_consumed(camera: Camera, receiver: Receiver):
    """Frames of a track that nobody reads would pile up without bound."""
    camera.add(MovingStripe((64, 48)), "VP8")
    answer = await connect(camera, receiver)
    await receiver.has_frames(5)

    directions = [part.split("\r\n")[0] for part in answer.split("a=")]
    assert directions.count("recvonly") == 1
    assert directions.count("inactive") == 1
    assert len(receiver.tracks) == 1
    assert set(receiver.sizes) == {(160, 120)}
    assert len(decoder_threads()) == 1


def section(sdp: str, kind: str) -> str:
    """The direction of the first media section of a kind."""
    lines = sdp.split(f"m={kind}")[1].split("m=")[0].splitlines()
    words = {"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"}
    (direction,) = words & set(lines)
    return direction[2:]


def only_sound(sdp: str) -> str:
    return sdp.replace("m=video", "m=audio").replace("VP8/90000", "PCMU/8000")


@pytest.mark.parametrize(
    ("rewrite", "code"),
    [
        (only_sound, "no_video"),
        (lambda sdp: sdp.split("m=video")[0], "no_video"),
        (lambda sdp: sdp.replace("a=sendonly", "a=recvonly"), "no_video"),
        (lambda sdp: sdp.replace("a=sendonly", "a=inactive"), "no_video"),
        (as_vp9, "unsupported_codec"),
    ],
)
async def test_an_offer_without_a_video_to_receive_is_refused(
    camera: Camera,
    receiver: Receiver,
    rewrite: Callable[[str], str],
    code: str,
):
    offer = rewrite(await camera.offer())
    # It can be told before a connection is given up for it.
    with pytest.raises(ProtocolError) as caught:
        check_offer(offer)
    assert caught.value.code == code

    assert await refusal(receiver, offer) == code
    assert receiver.tracks == []


async def test_a_profile_that_cannot_be_decoded_is_an_unsupported_codec(
    receiver: Receiver,
):
    camera = Camera("H264")
    try:
        offer = as_h264_high(await camera.offer())
    finally:
        await camera.close()
    assert await refusal(receiver, offer) == "unsupported_codec"
    assert receiver.tracks == []


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda sdp: "garbage",
        lambda sdp: "m=video",
        lambda sdp: "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly",
        lambda sdp: sdp.replace("m=video 9", "m=video nine"),
        lambda sdp: sdp.replace("a=rtpmap:97 VP8/90000", "a=rtpmap:97 VP8"),
        lambda sdp: sdp.replace("c=IN IP4", "c=IN IP9"),
        lambda sdp: sdp.replace("a=fingerprint:", "a=finger:"),
        lambda sdp: sdp.replace("a=ice-ufrag:", "a=ufrag:"),
        lambda sdp: sdp.replace("a=setup:actpass", "a=setup:actor"),
        lambda sdp: sdp.replace("a=candidate:", "a=candidate:\ud800 "),
        lambda sdp: sdp[: len(sdp) // 2],
    ],
)
async def test_garbage_is_refused_or_harmless(
    camera: Camera, receiver: Receiver, rewrite: Callable[[str], str]
):
    offer = rewrite(await camera.offer())
    # Nothing but a refusal in words may come of it.
    with suppress(ProtocolError):
        await receiver.peer.accept_offer(offer)


async def refusal(receiver: Receiver, offer: str) -> str:
    with pytest.raises(ProtocolError) as caught:
        await receiver.peer.accept_offer(offer)
    return caught.value.code


@pytest.mark.parametrize(
    "line",
    [
        "",
        "candidate:",
        "candidate:1 1 udp",
        "candidate:1 one udp 1 192.0.2.7 5000 typ host",
        "candidate:1 1 udp 1 192.0.2.7 port typ host",
        f"candidate:1 1 udp {'9' * 5000} 192.0.2.7 5000 typ host",
    ],
    ids=lambda line: line[:40],
)
async def test_a_candidate_that_is_none_is_refused(
    camera: Camera, receiver: Receiver, line: str
):
    await receiver.peer.accept_offer(await camera.offer())
    with pytest.raises(ProtocolError) as caught:
        await receiver.peer.add_candidate(IceCandidate(line, "0", 0))
    assert caught.value.code == "invalid"


@pytest.mark.parametrize(
    "host",
    [
        "999.1.1.1",
        "not-an-address",
        f"{'a' * 70}.local",
        "..local",
        "0.0.0.0",
        "224.0.0.1",
        "2001:db8::1",
        "\ud800",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("early", [True, False])
async def test_a_candidate_of_no_use_spoils_nothing(
    camera: Camera, receiver: Receiver, host: str, early: bool
):
    strange = IceCandidate(f"candidate:1 1 udp 1 {host} 5000 typ host", "0", 0)
    if early:
        await receiver.peer.add_candidate(strange)
    answer = await receiver.peer.accept_offer(await trickling_offer(camera))
    if not early:
        await receiver.peer.add_candidate(strange)
    await camera.accept(answer)
    await receiver.has_frames(1)


async def test_candidates_after_the_last_one_are_ignored(
    camera: Camera, receiver: Receiver
):
    offer, candidates = without_candidates(await camera.offer())
    answer = await receiver.peer.accept_offer(offer)
    for candidate in [*candidates, None, None, *candidates]:
        await receiver.peer.add_candidate(
            None if candidate is None else ice_candidate(candidate)
        )
    await camera.accept(answer)
    await receiver.has_frames(1)


async def test_the_browsers_close_is_noticed_once(camera: Camera, receiver: Receiver):
    await connect(camera, receiver)
    await receiver.has_frames(1)

    await camera.close()

    await eventually(lambda: receiver.losses, "the loss to be noticed")
    await eventually(lambda: receiver.state == "closed", "the connection to be closed")
    assert receiver.losses == 1


async def test_a_browser_that_cannot_be_reached_is_noticed(
    camera: Camera, receiver: Receiver
):
    """It never hears the answer, and has no address to be asked at."""
    offer, _ = without_candidates(await camera.offer())
    await receiver.peer.accept_offer(offer)
    await receiver.peer.add_candidate(None)
    await eventually(lambda: receiver.losses, "the loss to be noticed")


async def test_our_own_close_is_no_loss(camera: Camera, receiver: Receiver):
    await connect(camera, receiver)
    await receiver.has_frames(1)
    assert len(decoder_threads()) == 1

    await receiver.close()
    await receiver.close()

    assert receiver.losses == 0
    assert decoder_threads() == []


async def test_a_process_does_not_wait_for_its_decoders(
    camera: Camera, receiver: Receiver
):
    await connect(camera, receiver)
    await receiver.has_frames(1)
    (decoder,) = [each for each in threading.enumerate() if "-decoder" in each.name]
    assert decoder.daemon


async def test_a_decoder_that_does_not_come_along_is_told_by_its_lag(
    camera: Camera, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    stuck = threading.Event()
    decode = Vp8Decoder.decode

    def wait_and_decode(decoder: Vp8Decoder, picture: Any) -> Any:
        stuck.wait()
        return decode(decoder, picture)

    monkeypatch.setattr(Vp8Decoder, "decode", wait_and_decode)
    assert receiver.peer.decode_lag_ms == 0
    try:
        await connect(camera, receiver)
        await eventually(lambda: receiver.peer.decode_lag_ms > 50, "a lag")
    finally:
        stuck.set()
    await eventually(lambda: receiver.peer.decode_lag_ms < 50, "no lag")
    await receiver.has_frames(1)


async def test_closing_at_once_is_clean(receiver: Receiver):
    await receiver.close()
    assert receiver.losses == 0


@pytest.fixture
def resolve_names(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Decide what comes of it when the network is asked for a name."""

    def set_answer(answer: Callable[[], Awaitable[str | None]]) -> None:
        async def resolve(protocol: object, name: str) -> str | None:
            return await answer()

        monkeypatch.setattr(aioice.mdns.MDnsProtocol, "resolve", resolve)

    return set_answer


NAMED = "candidate:9 1 udp 1 5f2c.local 5000 typ host"


async def test_a_peer_that_is_closed_while_it_answers_starts_nothing(
    camera: Camera,
    receiver: Receiver,
    resolve_names: Callable[[Callable[[], Awaitable[None]]], None],
):
    asked, answered = asyncio.Event(), asyncio.Event()

    async def answer_late() -> None:
        asked.set()
        await answered.wait()

    resolve_names(answer_late)
    offer = (await camera.offer()).replace("a=end-of", f"a={NAMED}\r\na=end-of")
    answering = asyncio.create_task(receiver.peer.accept_offer(offer))
    await asked.wait()

    await receiver.close()
    answered.set()

    with pytest.raises(ProtocolError):
        await answering
    assert receiver.tracks == []


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("error", [OSError, ValueError, LabelTooLong])
async def test_a_name_that_cannot_be_asked_for_spoils_nothing(
    camera: Camera,
    receiver: Receiver,
    resolve_names: Callable[[Callable[[], Awaitable[None]]], None],
    error: type[Exception],
    early: bool,
):
    async def fail() -> None:
        raise error

    resolve_names(fail)
    named = IceCandidate(NAMED, "0", 0)
    if early:
        await receiver.peer.add_candidate(named)
    answer = await receiver.peer.accept_offer(await trickling_offer(camera))
    if not early:
        await receiver.peer.add_candidate(named)
    await camera.accept(answer)
    await receiver.has_frames(1)


async def trickling_offer(camera: Camera) -> str:
    """An offer after which further candidates may come."""
    return (await camera.offer()).replace("a=end-of-candidates\r\n", "")
