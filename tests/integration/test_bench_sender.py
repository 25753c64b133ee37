"""The headless sender against the real product: it must do as a page with a camera."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast, get_args

import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection
from av import VideoFrame

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.clips import Segment, render_clip
from apps.inference.starter.marker import read_marker
from apps.nexus.ice import peer_configuration
from bench.clip import Codec, EncodedClip, encode
from bench.processes import PATIENCE_S
from bench.product import Product
from bench.records import deploy
from bench.sender import Sender, sending
from bench.track import ClipTrack

# Larger than what the server sends on to inference, so that results speak of another
# size than the clip's.
CLIP_SIZE = (960, 720)
FRAME = {"width": 640, "height": 480, "rotation": 0}


def render(codec: Codec) -> EncodedClip:
    segments = [Segment(HOT_DOG, 1.0), Segment(None, 0.5)]
    return encode(render_clip(segments, size=CLIP_SIZE), codec)


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return render("vp8")


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Only the event loop may keep threads, which look up names."""
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    assert [thread.name for thread in left if "asyncio" not in thread.name] == []


async def receive(track: ClipTrack, count: int) -> list[VideoFrame]:
    """The first frames that come out of a peer connection which the track goes into."""
    sender = RTCPeerConnection(peer_configuration())
    receiver = RTCPeerConnection(peer_configuration())
    arriving: list[MediaStreamTrack] = []
    receiver.on("track", arriving.append)
    try:
        track.add_to(sender)
        await sender.setLocalDescription(await sender.createOffer())
        await receiver.setRemoteDescription(sender.localDescription)
        await receiver.setLocalDescription(await receiver.createAnswer())
        await sender.setRemoteDescription(receiver.localDescription)
        async with asyncio.timeout(PATIENCE_S):
            return [cast(VideoFrame, await arriving[0].recv()) for _ in range(count)]
    finally:
        await sender.close()
        await receiver.close()


@pytest.mark.usefixtures("no_thread_left")
@pytest.mark.parametrize("codec", get_args(Codec))
async def test_frames_arrive_in_order_and_go_on_after_the_end_of_the_clip(codec: Codec):
    clip = render(codec)
    count = len(clip.packets) + 15

    frames = await receive(ClipTrack(clip), count)

    assert [read_marker(frame.to_ndarray(format="rgb24")) for frame in frames] == [
        number % len(clip.packets) for number in range(count)
    ]


@pytest.mark.usefixtures("no_thread_left")
async def test_results_know_what_their_frame_shows(
    product: Product, scripted_model: Callable[..., Path], clip: EncodedClip
):
    product.inside(deploy, scripted_model(label=HOT_DOG), "scripted")
    product.start_all("web", "worker")

    async with sending(product.url, clip, sessions=2) as senders:
        for sender in senders:
            await sender.message("status", status="live")
            # Many more than the two which the server sends unless some are
            # acknowledged, and beyond the end of the clip.
            results = await sender.results(50)

            for result in results:
                truth = clip.truths[result.seq % len(clip.truths)]
                assert result.message["frame"] == FRAME
                assert result.truth == truth.scaled(640 / 960, 480 / 720)
                way_ms = (result.arrived_at - result.sent_at) * 1000
                assert way_ms >= result.timings["age_ms"]
            seqs = [result.seq for result in results]
            assert seqs == sorted(set(seqs))
            assert seqs[-1] >= len(clip.packets)

    ids = {sender.messages[0]["session_id"] for sender in senders}
    assert len(ids) == 2


@pytest.mark.usefixtures("no_thread_left")
async def test_a_refusal_is_told_in_the_servers_words(
    product: Product, clip: EncodedClip
):
    product.start("web")

    with pytest.raises(ConnectionError, match="Nothing is served here yet"):
        async with Sender(product.url, clip):
            pass
