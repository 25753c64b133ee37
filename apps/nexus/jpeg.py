"""`JpegTrack`: a track of pictures that come one by one over the WebSocket.

For networks that let no WebRTC through. It is read as a peer connection's track is, so
that all that follows is the same; it knows neither the socket nor the page.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
from aiortc import MediaStreamTrack
from av import VideoFrame

from apps.nexus.frames import LatestFrame
from apps.nexus.protocol import ProtocolError

# When it was taken, in ticks of RTP's 90 kHz; what follows is the JPEG.
HEADER = struct.Struct(">I")
CLOCK_RATE = 90_000
# A camera's picture of 1280×960 in the best quality is half of it.
MAX_PICTURE_BYTES = 1_000_000
# Far more than a page sends; a JPEG of a few kB can claim to have 4 billion.
MAX_PIXELS = 4096 * 2304
# A progressive JPEG has some ten. Each costs a walk through the whole picture, whatever
# its length, and 25 bytes are enough for one.
MAX_SCANS = 16
START_OF_SCAN = b"\xff\xda"


@dataclass(frozen=True, slots=True)
class Picture:
    rtp_timestamp: int
    jpeg: bytes


class JpegTrack(MediaStreamTrack):
    """Decodes the newest picture; those that came before it meanwhile are left out.

    Args:
        on_taken: told the timestamp of each picture that is not waited for any more:
            the page may send another one.
        on_refused: told why a picture could not be decoded.
    """

    kind = "video"

    def __init__(
        self,
        *,
        on_taken: Callable[[int], None],
        on_refused: Callable[[ProtocolError], None],
    ) -> None:
        super().__init__()
        self._on_taken = on_taken
        self._on_refused = on_refused
        self._latest: LatestFrame[Picture] = LatestFrame()

    def put(self, picture: Picture) -> None:
        for replaced in self._latest.put(picture):
            self._on_taken(replaced.rtp_timestamp)

    async def recv(self) -> VideoFrame:
        """The next picture, as a receiver of RTP would give it."""
        while True:
            picture = await self._latest.take()
            try:
                return await asyncio.to_thread(decode, picture)
            except ProtocolError as error:
                self._on_refused(error)
            finally:
                self._on_taken(picture.rtp_timestamp)


def read_picture(message: bytes) -> Picture:
    """Read one binary message of the page.

    Raises:
        ProtocolError: it is too large or has no header.
    """
    if len(message) > MAX_PICTURE_BYTES:
        raise ProtocolError(
            "too_large", f"A picture may have {MAX_PICTURE_BYTES} bytes."
        )
    if len(message) <= HEADER.size:
        raise ProtocolError("malformed", "A picture is a timestamp and a JPEG.")
    (rtp_timestamp,) = HEADER.unpack_from(message)
    return Picture(rtp_timestamp, message[HEADER.size :])


def decode(picture: Picture) -> VideoFrame:
    """Decode a JPEG to I420 in the range of a video. Blocking, a few milliseconds.

    Raises:
        ProtocolError: it isn't a JPEG, or one of more than `MAX_PIXELS` or `MAX_SCANS`.
    """
    if picture.jpeg.count(START_OF_SCAN) > MAX_SCANS:
        raise ProtocolError("invalid", "The picture has too many scans.")
    # A new one for each: an error leaves a decoder without use.
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(MAX_PIXELS)}
    try:
        (decoded,) = decoder.decode(av.Packet(picture.jpeg))
        frame = decoded.reformat(
            width=decoded.width + decoded.width % 2,
            height=decoded.height + decoded.height % 2,
            format="yuv420p",
            src_color_range="JPEG",
            dst_color_range="MPEG",
            threads=1,
        )
    except (av.FFmpegError, ValueError) as error:
        raise ProtocolError("invalid", "The picture is not a JPEG.") from error
    frame.pts = picture.rtp_timestamp
    frame.time_base = Fraction(1, CLOCK_RATE)
    return frame
