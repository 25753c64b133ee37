"""The browser's end of a peer connection: a camera that films a moving stripe."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.mediastreams import AudioStreamTrack
from av import VideoFrame

from apps.nexus.ice import peer_configuration


class MovingStripe(VideoStreamTrack):
    """30 frames a second, which `size` gives another size from the next frame on."""

    def __init__(self, size: tuple[int, int] = (160, 120)) -> None:
        super().__init__()
        self.size = size
        self._count = 0
        self._may_move = asyncio.Event()
        self._may_move.set()

    def stand_still(self) -> None:
        """Give no more frames."""
        self._may_move.clear()

    async def recv(self) -> VideoFrame:
        await self._may_move.wait()
        pts, time_base = await self.next_timestamp()
        width, height = self.size
        picture = np.full((height, width, 3), 60, np.uint8)
        picture[:, self._count % width] = 220
        self._count += 1
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Camera:
    """Offers as a page does, and streams once it is answered."""

    def __init__(self, codec: str = "VP8", *, microphone: bool = False) -> None:
        self.pc = RTCPeerConnection(peer_configuration())
        self.stripe = MovingStripe()
        if microphone:
            self.pc.addTransceiver(AudioStreamTrack(), direction="sendonly")
        self.add(self.stripe, codec)

    def add(self, track: MediaStreamTrack, codec: str) -> None:
        """Have one more picture to send."""
        transceiver = self.pc.addTransceiver(track, direction="sendonly")
        transceiver.setCodecPreferences(
            [
                each
                for each in RTCRtpSender.getCapabilities("video").codecs
                if each.name in {codec, "rtx"}
            ]
        )

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        sdp: str = self.pc.localDescription.sdp
        return sdp

    async def accept(self, answer: str) -> None:
        await self.pc.setRemoteDescription(
            RTCSessionDescription(sdp=answer, type="answer")
        )

    async def close(self) -> None:
        await self.pc.close()


def without_candidates(sdp: str) -> tuple[str, list[dict[str, Any]]]:
    """An offer as a browser that trickles sends it, and what it trickles after."""
    lines = sdp.splitlines(keepends=True)
    candidates = [
        {"candidate": line[2:].strip(), "sdpMid": "0", "sdpMLineIndex": 0}
        for line in lines
        if line.startswith("a=candidate:")
    ]
    kept = [line for line in lines if not re.match("a=(candidate:|end-of)", line)]
    return "".join(kept), candidates


def as_vp9(sdp: str) -> str:
    return sdp.replace("VP8/90000", "VP9/90000")


def as_h264_high(sdp: str) -> str:
    return re.sub(r"profile-level-id=42\w{4}", "profile-level-id=640032", sdp)
