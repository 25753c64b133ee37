"""A clip as the video track of a peer connection. Knows nothing of the product."""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction

import av
from aiortc import (
    MediaStreamTrack,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av.stream import Stream

from apps.nexus.ice import peer_configuration
from bench.clip import EncodedClip


class ClipTrack(MediaStreamTrack):
    """Plays a clip in a loop, at its own pace, as packets that aiortc only wraps."""

    kind = "video"

    def __init__(self, clip: EncodedClip) -> None:
        super().__init__()
        self._clip = clip
        # When each frame was sent; of time.monotonic.
        self.sent_at: list[float] = []

    def add_to(self, pc: RTCPeerConnection) -> None:
        """Have a connection send this track, in the clip's codec and no other."""
        transceiver = pc.addTransceiver(self, direction="sendonly")
        transceiver.setCodecPreferences(
            [
                codec
                for codec in RTCRtpSender.getCapabilities("video").codecs
                if codec.name.lower() in {self._clip.codec, "rtx"}
            ]
        )

    async def recv(self) -> av.Packet[Stream]:
        if self.readyState != "live":
            raise MediaStreamError
        number = len(self.sent_at)
        if number:
            due_at = self.sent_at[0] + number / self._clip.frames_per_second
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))
        packet = av.Packet(self._clip.packets[number % len(self._clip.packets)])
        packet.pts, packet.time_base = number, Fraction(1, self._clip.frames_per_second)
        self.sent_at.append(time.monotonic())
        return packet


class ClipStream:
    """One peer connection, and the clip that goes over it from its beginning.

    Args:
        clip: what is sent.
        first_seq: the number that the server gives to its first frame.
    """

    def __init__(self, clip: EncodedClip, *, first_seq: int) -> None:
        self.first_seq = first_seq
        self.track = ClipTrack(clip)
        self.pc = RTCPeerConnection(peer_configuration())

    async def offer(self) -> str:
        self.track.add_to(self.pc)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        sdp: str = self.pc.localDescription.sdp
        return sdp

    async def accept(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(
            RTCSessionDescription(sdp=sdp, type="answer")
        )
