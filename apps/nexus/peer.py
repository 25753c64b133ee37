"""`Peer`: one peer connection that receives one video track.

It turns an offer into an answer, takes candidates in any order, and says once when the
connection is over. It knows nothing of Channels, sessions or inference.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiortc import (
    MediaStreamTrack,
    RTCIceCandidate,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError
from aiortc.sdp import SessionDescription, candidate_from_sdp

from apps.nexus import receiver
from apps.nexus.ice import UnreachableError, peer_configuration
from apps.nexus.protocol import IceCandidate, ProtocolError

receiver.install()
logger = logging.getLogger(__name__)

SUPPORTED_CODECS = {"video/vp8", "video/h264"}
CLOSE_TIMEOUT_S = 5.0


class Peer:
    """One peer connection, from its offer to `close`.

    Args:
        on_track: called once with the video track; whoever is called must consume it.
        on_lost: called when the connection fails or the other side goes away.
    """

    def __init__(
        self,
        *,
        on_track: Callable[[MediaStreamTrack], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._pc = RTCPeerConnection(peer_configuration())
        self._on_track = on_track
        self._on_lost = on_lost
        self._described = False
        self._track: MediaStreamTrack | None = None
        self._closing = False
        # Candidates that overtake the offer would be dropped by aiortc.
        self._early_candidates: list[RTCIceCandidate | None] = []
        self._passing_on = asyncio.Lock()
        self._pc.on("track", self._receive_track)
        self._pc.on("connectionstatechange", self._follow_state)

    async def accept_offer(self, sdp: str) -> str:
        """Answer an offer; the answer carries every candidate of this side.

        aiortc gathers before it answers, so there is nothing to trickle afterwards.

        Raises:
            ProtocolError: the offer can't be understood or has nothing we can receive.
        """
        check_offer(sdp)
        try:
            await self._pc.setRemoteDescription(
                RTCSessionDescription(sdp=sdp, type="offer")
            )
            for transceiver in self._pc.getTransceivers():
                if transceiver.receiver.track is not self._track:
                    transceiver.direction = "inactive"
            await self._pc.setLocalDescription(await self._pc.createAnswer())
        except OperationError as error:
            raise _unsupported_codec() from error
        except UnreachableError as error:
            raise ProtocolError("unavailable", str(error)) from error
        except Exception as error:
            # SDP is text from a stranger: aiortc meets it with any kind of exception.
            raise ProtocolError("invalid", "The offer can't be used.") from error
        while self._early_candidates:
            await self._pass_on(self._early_candidates.pop(0))
        self._described = True
        return self._pc.localDescription.sdp

    async def add_candidate(self, candidate: IceCandidate | None) -> None:
        """Take one of the browser's candidates, or the news that there are no more.

        Raises:
            ProtocolError: it isn't written as a candidate is.
        """
        parsed = None if candidate is None else _parse_candidate(candidate)
        if not self._described:
            self._early_candidates.append(parsed)
            return
        # One after the other: none may come behind the news that there are no more.
        async with self._passing_on:
            await self._pass_on(parsed)

    @property
    def decode_lag_ms(self) -> float:
        """How far decoding is behind what has arrived; `receiver.py` bounds it."""
        return max(
            (each.decode_lag_ms for each in receiver.of_connection(self._pc)),
            default=0.0,
        )

    async def close(self) -> None:
        """End the connection and its threads. May be called more than once."""
        self._closing = True
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._pc.close()
        except TimeoutError:
            logger.error("A peer connection did not close in %s s", CLOSE_TIMEOUT_S)

    async def _pass_on(self, candidate: RTCIceCandidate | None) -> None:
        try:
            await self._pc.addIceCandidate(candidate)
        except Exception:
            # A name that can't be asked for, or is none: the other candidates may do.
            logger.debug("A candidate was left out", exc_info=True)

    def _receive_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "video" and self._track is None:
            self._track = track
            self._on_track(track)

    def _follow_state(self) -> None:
        if self._pc.connectionState in {"failed", "closed"} and not self._closing:
            self._closing = True
            self._on_lost()


def check_offer(sdp: str) -> None:
    """Refuse an offer without a video that we can decode, before it changes anything.

    Raises:
        ProtocolError: with the reason.
    """
    try:
        description = SessionDescription.parse(sdp)
    except Exception as error:
        # The parser has no error of its own.
        raise ProtocolError("invalid", "The offer is not an SDP.") from error
    videos = [media for media in description.media if media.kind == "video"]
    if not any(media.direction in {"sendonly", "sendrecv"} for media in videos):
        raise ProtocolError("no_video", "The offer sends no video.")
    codecs = {codec.mimeType.lower() for media in videos for codec in media.rtp.codecs}
    if not codecs & SUPPORTED_CODECS:
        raise _unsupported_codec()


def _unsupported_codec() -> ProtocolError:
    return ProtocolError(
        "unsupported_codec",
        "The video must be offered as VP8 or as H264 in a baseline profile.",
    )


def _parse_candidate(candidate: IceCandidate) -> RTCIceCandidate:
    try:
        parsed = candidate_from_sdp(candidate.candidate.removeprefix("candidate:"))
    except (AssertionError, IndexError, ValueError) as error:
        raise ProtocolError("invalid", "The candidate can't be read.") from error
    parsed.sdpMid = candidate.sdp_mid
    parsed.sdpMLineIndex = candidate.sdp_mline_index
    return parsed
