"""A clip that is encoded once and knows what each of its frames shows.

Made so that it can be sent again and again: one packet a frame, nothing delayed, and
a keyframe at the start and every two seconds, where a receiver that lost something
recovers. Knows nothing of who sends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, cast

import av
from av.video.codeccontext import VideoCodecContext

from apps.inference.starter.clips import FRAMES_PER_SECOND, ClipFrame
from apps.inference.starter.composition import BoxXYXY

Codec = Literal["vp8", "h264"]

KEYFRAME_INTERVAL_S = 2
# What the page allows its own camera.
BITRATE = 1_500_000
_ENCODERS: dict[Codec, tuple[str, dict[str, str]]] = {
    "vp8": (
        "libvpx",
        {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0"}
        # A frame that is only referred to would be a packet without a picture.
        | {"auto-alt-ref": "0"},
    ),
    "h264": ("libx264", {"preset": "veryfast", "tune": "zerolatency", "level": "31"}),
}


@dataclass(frozen=True, slots=True)
class Truth:
    """What a frame shows: (label, box) pairs, and the labels too little in view."""

    objects: tuple[tuple[str, BoxXYXY], ...]
    partly: tuple[str, ...]

    def scaled(self, across: float, down: float) -> Truth:
        """The same in a picture of another size."""
        return Truth(
            tuple(
                (label, (x1 * across, y1 * down, x2 * across, y2 * down))
                for label, (x1, y1, x2, y2) in self.objects
            ),
            self.partly,
        )


@dataclass(frozen=True, slots=True)
class EncodedClip:
    """One packet and one truth a frame, its boxes in pixels of `width` × `height`."""

    codec: Codec
    width: int
    height: int
    packets: tuple[bytes, ...]
    truths: tuple[Truth, ...]
    frames_per_second: int = FRAMES_PER_SECOND


def encode(frames: Iterable[ClipFrame], codec: Codec = "vp8") -> EncodedClip:
    """Encode frames of one size, both sides even, as a camera's stream would be."""
    encoder: VideoCodecContext | None = None
    packets: list[bytes] = []
    truths: list[Truth] = []
    for frame in frames:
        rgb = av.VideoFrame.from_ndarray(frame.scene.image, format="rgb24")
        encoder = encoder or _encoder(codec, rgb.width, rgb.height)
        picture = rgb.reformat(format="yuv420p")
        picture.pts, picture.time_base = len(truths), Fraction(1, FRAMES_PER_SECOND)
        packets += (bytes(packet) for packet in encoder.encode(picture))
        truths.append(Truth(frame.scene.objects, frame.partly))
    if encoder is None:
        raise ValueError("A clip has at least one frame.")
    packets += (bytes(packet) for packet in encoder.encode(None))
    if len(packets) != len(truths):
        raise RuntimeError(f"{codec} made {len(packets)} of {len(truths)} frames.")
    return EncodedClip(
        codec, encoder.width, encoder.height, tuple(packets), tuple(truths)
    )


def _encoder(codec: Codec, width: int, height: int) -> VideoCodecContext:
    name, options = _ENCODERS[codec]
    encoder = cast(VideoCodecContext, av.CodecContext.create(name, "w"))
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuv420p"
    encoder.bit_rate = BITRATE
    encoder.framerate = Fraction(FRAMES_PER_SECOND)
    encoder.time_base = Fraction(1, FRAMES_PER_SECOND)
    encoder.gop_size = FRAMES_PER_SECOND * KEYFRAME_INTERVAL_S
    encoder.options = options
    # More threads wait for each other so busily that a frame costs 25 times as much.
    encoder.thread_count = 1
    if codec == "h264":
        encoder.profile = "Baseline"
    return encoder


def decode(clip: EncodedClip) -> Iterator[av.VideoFrame]:
    """The clip's pictures, as a receiver gets them."""
    decoder = av.CodecContext.create(clip.codec, "r")
    for packet in clip.packets:
        yield from decoder.decode(av.Packet(packet))
