"""Encoded video as RTP packets, and the receiver that a test plays them to by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, cast

import aiortc.rtcrtpreceiver
import numpy as np
import pytest
from aiortc.codecs import get_encoder
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpDecodingParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
)
from aiortc.rtp import (
    AnyRtcpPacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpRtpfbPacket,
    RtpPacket,
    wrap_rtx,
)
from av import VideoFrame

from apps.nexus import peer  # noqa: F401 - importing it installs our receiver
from apps.nexus.receiver import LowLatencyReceiver, ReceivedTrack, rtp_timestamp

PAYLOAD_TYPE, RTX_PAYLOAD_TYPE = 97, 98
SSRC, RTX_SSRC, OUR_SSRC = 1001, 1002, 1003
# Thirty pictures a second, on the clock of RTP and on the wall.
INTERVAL = 3000
INTERVAL_S = 1 / 30


@dataclass(frozen=True)
class Picture:
    timestamp: int
    packets: tuple[RtpPacket, ...]


def stream(
    codec: str = "VP8",
    *,
    busy: bool = False,
    count: int = 30,
    number: int = 100,
    timestamp: int = 50_000,
) -> list[Picture]:
    """A stream from its keyframe on: one packet a picture, or several if it is `busy`.

    Args:
        number: of the first packet.
        timestamp: of the first picture.
    """
    pictures = []
    for payloads in _encoded(codec, busy)[:count]:
        packets = [
            packet(number + place, timestamp, payload)
            for place, payload in enumerate(payloads)
        ]
        packets[-1].marker = 1
        pictures.append(Picture(packets[0].timestamp, tuple(packets)))
        number, timestamp = number + len(packets), timestamp + INTERVAL
    return pictures


@cache
def _encoded(codec: str, busy: bool) -> list[list[bytes]]:
    """Thirty pictures, of which the first alone stands alone."""
    encoder = get_encoder(_parameters(codec))
    noise = np.random.default_rng(seed=1)
    pictures = []
    for number in range(30):
        pixels = np.full((96, 128, 3), 60, np.uint8)
        pixels[:, number : number + 8] = 220
        if busy:
            pixels = noise.integers(0, 255, pixels.shape, np.uint8)
        frame = VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 30)
        payloads, _ = encoder.encode(frame, force_keyframe=number == 0)
        pictures.append(payloads)
    return pictures


def packet(number: int, timestamp: int, payload: bytes = b"") -> RtpPacket:
    """A packet in the middle of a picture, or of padding."""
    return RtpPacket(
        payload_type=PAYLOAD_TYPE,
        sequence_number=number % (1 << 16),
        timestamp=timestamp % (1 << 32),
        ssrc=SSRC,
        payload=payload,
    )


def again(lost: RtpPacket) -> RtpPacket:
    """A packet as browsers send it when asked: in a stream beside the first."""
    return wrap_rtx(lost, RTX_PAYLOAD_TYPE, lost.sequence_number, RTX_SSRC)


def _parameters(codec: str) -> RTCRtpCodecParameters:
    return RTCRtpCodecParameters(f"video/{codec}", 90_000, payloadType=PAYLOAD_TYPE)


class Transport:
    """Keeps what a receiver tells the sender."""

    state = "connected"

    def __init__(self) -> None:
        self.told: list[AnyRtcpPacket] = []

    async def _send_rtp(self, data: bytes) -> None:
        self.told += RtcpPacket.parse(data)

    def _register_rtp_receiver(self, *_: object) -> None:
        """Nothing comes but what the test hands over."""

    _unregister_rtp_receiver = _register_rtp_receiver


class Replay:
    """A receiver whose clock, packets and decoder are in a test's hands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, codec: str = "VP8") -> None:
        self.now = 1000.0
        self.transport = Transport()
        self.receiver = LowLatencyReceiver(
            "video", cast(RTCDtlsTransport, self.transport), clock=lambda: self.now
        )
        self.track = ReceivedTrack("video")
        self.receiver._track = self.track
        self.receiver._set_rtcp_ssrc(OUR_SSRC)
        self._codec = codec
        # What the thread would look up.
        module: Any = aiortc.rtcrtpreceiver
        self.decoder = module.get_decoder(_parameters(codec))
        self._threads: list[tuple[Any, ...]] = []
        # The thread's work is left to `decode`.
        monkeypatch.setattr(
            aiortc.rtcrtpreceiver,
            "decoder_worker",
            lambda *arguments: self._threads.append(arguments),
        )

    async def start(self) -> None:
        rtx = RTCRtpCodecParameters(
            "video/rtx",
            90_000,
            payloadType=RTX_PAYLOAD_TYPE,
            parameters={"apt": PAYLOAD_TYPE},
        )
        await self.receiver.receive(
            RTCRtpReceiveParameters(
                codecs=[_parameters(self._codec), rtx],
                encodings=[
                    RTCRtpDecodingParameters(
                        SSRC, PAYLOAD_TYPE, RTCRtpRtxParameters(RTX_SSRC)
                    )
                ],
            )
        )

    def wait(self, seconds: float) -> None:
        """So long, and the little that keeps fractions from being rounded to less."""
        self.now += seconds + 1e-6

    async def arrive(self, *packets: RtpPacket) -> None:
        for each in packets:
            await self.receiver._handle_rtp_packet(each, int(self.now * 1000))

    async def play(self, *packets: RtpPacket) -> list[int]:
        """Let packets arrive; gives the timestamps of the frames that came of it."""
        await self.arrive(*packets)
        return [rtp_timestamp(frame) for frame in self.decode()]

    async def play_each(self, packets: Iterable[RtpPacket]) -> list[list[int]]:
        return [await self.play(each) for each in packets]

    def decode(self) -> list[VideoFrame]:
        """Do what the decoder's thread does, with all that has been handed to it."""
        queue = self.receiver._decoder_queue
        frames: list[Any] = []
        queue.put(None)
        while (task := queue.get()) is not None:
            frames += self.decoder.decode(task[1])
        return frames

    def report_decoder_error(self) -> None:
        (*_, decoder_error) = self._threads[0]
        decoder_error.set()

    @property
    def asked_again(self) -> list[list[int]]:
        """The packets that the sender was asked for, request by request."""
        return [
            told.lost
            for told in self.transport.told
            if isinstance(told, RtcpRtpfbPacket)
        ]

    @property
    def keyframes_asked(self) -> int:
        return sum(isinstance(told, RtcpPsfbPacket) for told in self.transport.told)
