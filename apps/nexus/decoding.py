"""`CopyingDecoder`: its frames are copies, so that nobody holds the decoder's memory.

A decoder of FFmpeg gives its frames out of a pool, which grows to as many pictures as
were ever held at once, a clump of them behind a stall, and ends with the decoder. The
memory of copies is used again, too, but no more of it is kept than is always needed.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any, cast

import aiortc.codecs
import numpy as np
import numpy.typing as npt
from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av import VideoFrame
from av.frame import Frame

# The next picture is decoded while the last one is on its way; they take turns.
KEPT = 1

Pixels = npt.NDArray[np.uint8]


class CopyingDecoder(Decoder):
    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._memory = PictureMemory()

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        return [
            copied(frame, self._memory) if isinstance(frame, VideoFrame) else frame
            for frame in self._decoder.decode(encoded_frame)
        ]


def copying_decoder(codec: RTCRtpCodecParameters) -> CopyingDecoder:
    return CopyingDecoder(aiortc.codecs.get_decoder(codec))


class PictureMemory:
    """Lends arrays; one whose borrower has dropped it is lent again.

    New memory for a picture costs more than to fill it: the system clears it first.
    """

    def __init__(self) -> None:
        self._free: deque[Pixels] = deque(maxlen=KEPT)

    def lend(self, rows: int, width: int) -> Pixels:
        """Of shape (rows, width); free again once the array is gone, views or not."""
        whole = self._free.pop() if self._free else None
        if whole is None or whole.size != rows * width:
            whole = np.empty(rows * width, np.uint8)
        lent = whole.reshape(rows, width)
        weakref.finalize(lent, self._free.append, whole).atexit = False
        return lent


def copied(frame: VideoFrame, memory: PictureMemory) -> VideoFrame:
    """The same picture; the frame itself, if its format isn't what browsers send."""
    if frame.format.name != "yuv420p" or frame.width % 2 or frame.height % 2:
        return frame
    if frame.height % 4:  # which `from_numpy_buffer` rounds down
        copy = VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p")
    else:
        pixels = memory.lend(frame.height * 3 // 2, frame.width)
        _fill(pixels.reshape(-1), frame)
        # Holds the array itself, and so has it for as long as it lives.
        copy = VideoFrame.from_numpy_buffer(pixels, format="yuv420p")
    copy.pts, copy.time_base = frame.pts, frame.time_base
    return copy


def _fill(pixels: Pixels, frame: VideoFrame) -> None:
    begin = 0
    for plane in frame.planes:
        end = begin + plane.height * plane.width
        padded = np.frombuffer(cast(Any, plane), np.uint8).reshape(plane.height, -1)
        pixels[begin:end] = padded[:, : plane.width].reshape(-1)
        begin = end
