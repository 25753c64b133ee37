"""How aiortc receives a video: without its delays, in threads that don't outlive us.

The only file that touches the insides of aiortc's receiver, which releases a picture
when the next one begins and after a loss one a packet, asks once for what is missing,
waits for it without end, and counts RTP timestamps from 0. `install` has another take
its place. What this relies on is listed in tests/unit/nexus/test_aiortc_contract.py.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import aiortc.rtcpeerconnection
import aiortc.rtcrtpreceiver
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpReceiver
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtp import RtpPacket
from av import VideoFrame

from apps.nexus.assembly import CAPACITY, EncodedPicture, Fragment, PictureAssembly
from apps.nexus.decoding import copying_decoder
from apps.nexus.payloads import begins_picture, stands_alone

# As long as a browser's encoder takes no second request.
KEYFRAME_PATIENCE_S = 0.3
MAX_DECODE_LAG_S = 0.5

Clock = Callable[[], float]


def install() -> None:
    """Have every peer connection of this process receive as this module does."""
    peer_connection: Any = aiortc.rtcpeerconnection
    peer_connection.RTCRtpReceiver = LowLatencyReceiver
    peer_connection.RemoteStreamTrack = ReceivedTrack
    receiver: Any = aiortc.rtcrtpreceiver
    receiver.get_decoder = copying_decoder
    receiver.threading = SimpleNamespace(Thread=DecoderThread, Event=threading.Event)


def of_connection(connection: RTCPeerConnection) -> list[LowLatencyReceiver]:
    return [
        each
        for each in connection.getReceivers()
        if isinstance(each, LowLatencyReceiver)
    ]


def rtp_timestamp(frame: VideoFrame) -> int:
    """The 32 bits that the sender's clock of 90 kHz gave to a received frame."""
    if frame.pts is None:
        raise ValueError("The frame was not received.")
    return frame.pts & 0xFFFF_FFFF


def arrived_at(track: MediaStreamTrack, frame: VideoFrame) -> float | None:
    """When a frame's picture was complete here, of `time.monotonic`.

    To be asked once for each frame, in their order. None if nobody has noted it.
    """
    return track.arrival(frame.pts) if isinstance(track, ReceivedTrack) else None


class ReceivedTrack(RemoteStreamTrack):
    """A track that knows when each picture came that no frame was taken of yet."""

    def __init__(self, kind: str, id: str | None = None) -> None:
        super().__init__(kind, id)
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=CAPACITY)

    def note_arrival(self, timestamp: int, at: float) -> None:
        self._arrivals.append((timestamp, at))

    def arrival(self, timestamp: int | None) -> float | None:
        """What was noted of a picture; forgets it, with all that came before it."""
        while self._arrivals:
            noted, at = self._arrivals.popleft()
            if noted == timestamp:
                return at
        return None


class DecoderThread(threading.Thread):
    """A process waits for its threads before it ends, but not for this one.

    One connection that a stopping server had no time to close would keep it for ever.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, daemon=True)


class DecoderQueue:
    """The way to a decoder's thread, which tells how far that one is behind.

    aiortc puts `(codec, picture)` in, and None at the end. It has no bound of its own.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: SimpleQueue[tuple[RTCRtpCodecParameters, Any] | None] = (
            SimpleQueue()
        )
        # When each picture that is not decoded yet was put in.
        self._put_at: deque[float] = deque()
        self._is_decoding = False

    def put(self, task: tuple[RTCRtpCodecParameters, Any] | None) -> None:
        if task is not None:
            self._put_at.append(self._clock())
        self._tasks.put(task)

    def get(self) -> tuple[RTCRtpCodecParameters, Any] | None:
        """The next task, for the thread; who asks for it is done with the last."""
        if self._is_decoding:
            self._put_at.popleft()
        task = self._tasks.get()
        self._is_decoding = task is not None
        return task

    def lag_s(self) -> float:
        """For how long the oldest picture that is not decoded yet has been here."""
        try:
            return self._clock() - self._put_at[0]
        except IndexError:
            return 0.0


class LowLatencyReceiver(RTCRtpReceiver):
    """Receives a video; of a sound, nothing is changed.

    A picture goes to the decoder with its last packet, and so does every one that
    waited for it. Frames carry the sender's timestamps, see `rtp_timestamp`. The queue
    to the decoder is bounded by time: once it is `MAX_DECODE_LAG_S` behind, pictures
    are left out up to the next one that stands alone.
    """

    _RTCRtpReceiver__codecs: dict[int, RTCRtpCodecParameters]

    def __init__(
        self,
        kind: str,
        transport: RTCDtlsTransport,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(kind, transport)
        self._clock = clock
        self._assembly = PictureAssembly()
        self._ssrc: int | None = None
        self._keyframe_asked_at = -math.inf
        self._decoder_queue = DecoderQueue(clock)
        self._leaves_out = False
        if kind == "video":
            self._RTCRtpReceiver__jitter_buffer = SimpleNamespace(add=self._take)
            self._RTCRtpReceiver__nack_generator = None
            self._RTCRtpReceiver__decoder_queue = self._decoder_queue

    @property
    def decode_lag_ms(self) -> float:
        """How long ago the oldest picture that is not decoded yet was complete."""
        return self._decoder_queue.lag_s() * 1000

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        """What aiortc does on a packet, and ask for what is missing by now."""
        await super()._handle_rtp_packet(packet, arrival_time_ms)
        if self._ssrc is None:
            return
        now = self._clock()
        if missing := self._assembly.missing(now):
            await self._send_rtcp_nack(self._ssrc, missing)
        patience_is_over = now - self._keyframe_asked_at >= KEYFRAME_PATIENCE_S
        if self._assembly.is_damaged and patience_is_over:
            self._keyframe_asked_at = now
            await super()._send_rtcp_pli(self._ssrc)

    async def _send_rtcp_pli(self, media_ssrc: int) -> None:
        """What aiortc does on a decoder's error: here it is asked for in due course."""
        self._assembly.is_damaged = True

    def _take(self, packet: RtpPacket) -> tuple[bool, None]:
        """Stand in for aiortc's jitter buffer, with nothing left to do for who asks."""
        if packet.ssrc != self._ssrc:
            self._ssrc, self._assembly = packet.ssrc, PictureAssembly()
        codec = self._RTCRtpReceiver__codecs[packet.payload_type]
        fragment = Fragment(
            number=packet.sequence_number,
            timestamp=packet.timestamp,
            is_first=begins_picture(codec.name, packet.payload),
            is_last=bool(packet.marker),
            data=packet._data,  # type: ignore[attr-defined]
        )
        for picture in self._assembly.add(fragment, self._clock()):
            self._decode(codec, picture)
        return False, None

    def _decode(self, codec: RTCRtpCodecParameters, picture: EncodedPicture) -> None:
        is_behind = self._decoder_queue.lag_s() > MAX_DECODE_LAG_S
        if stands_alone(codec.name, picture.data):
            self._leaves_out = is_behind
            self._assembly.is_damaged = is_behind
        elif is_behind:
            self._leaves_out = self._assembly.is_damaged = True
        if self._leaves_out:
            return
        if isinstance(self._track, ReceivedTrack):
            self._track.note_arrival(picture.timestamp, self._clock())
        self._decoder_queue.put((codec, picture))
