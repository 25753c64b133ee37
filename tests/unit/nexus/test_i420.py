"""From a decoded frame to the mailbox's planes: size, proportions and colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from av import VideoFrame

from apps.inference.types import Frame
from apps.nexus.pipeline import ReceivedFrame, to_i420


def planar(frame: VideoFrame, max_side: int = 640) -> Frame:
    return to_i420(ReceivedFrame(7, frame, 0.0), "a session", max_side)


def picture(
    size: tuple[int, int], bgr: tuple[int, int, int] = (60, 120, 180)
) -> np.ndarray:
    width, height = size
    return np.full((height, width, 3), bgr, np.uint8)


def decoded(pixels: np.ndarray, format_: str = "yuv420p") -> VideoFrame:
    return VideoFrame.from_ndarray(pixels, format="bgr24").reformat(format=format_)


def as_bgr(frame: Frame) -> np.ndarray:
    planes = np.frombuffer(frame.pixels, np.uint8)
    return cv2.cvtColor(
        planes.reshape(frame.height * 3 // 2, frame.width), cv2.COLOR_YUV2BGR_I420
    )


@pytest.mark.parametrize(
    ("source", "max_side", "expected"),
    [
        ((640, 480), 640, (640, 480)),
        ((320, 240), 640, (320, 240)),
        ((1280, 720), 640, (640, 360)),
        ((720, 1280), 640, (360, 640)),
        ((1920, 1080), 640, (640, 360)),
        ((641, 481), 640, (640, 480)),
        ((639, 479), 640, (640, 480)),
        ((101, 99), 640, (100, 100)),
        ((642, 360), 640, (640, 358)),
        ((4000, 30), 640, (640, 4)),
        ((3, 2000), 640, (2, 640)),
        ((2, 2), 640, (2, 2)),
        ((640, 480), 64, (64, 48)),
    ],
)
def test_frames_have_even_sides_and_keep_their_proportions(source, max_side, expected):
    frame = planar(decoded(picture(source)), max_side)

    assert (frame.width, frame.height) == expected
    assert len(frame.pixels) == frame.width * frame.height * 3 // 2
    assert (frame.session_id, frame.seq, frame.rotation) == ("a session", 7, 0)


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (722, 406), (98, 66)])
@pytest.mark.parametrize("format_", ["yuv420p", "yuvj420p", "yuv444p", "nv12"])
@pytest.mark.parametrize("bgr", [(30, 40, 200), (200, 40, 30), (250, 250, 250)])
def test_colours_stay(size, format_, bgr):
    seen = as_bgr(planar(decoded(picture(size, bgr), format_)))
    assert np.abs(seen.astype(int) - bgr).max() <= 6


def test_what_is_left_stays_left_and_what_is_up_stays_up():
    pixels = picture((1280, 720), (0, 0, 0))
    pixels[:360, :640] = (0, 0, 255)
    pixels[:360, 640:] = (0, 255, 0)
    pixels[360:, :640] = (255, 0, 0)

    seen = as_bgr(planar(decoded(pixels)))

    corners = [seen[90, 160], seen[90, 480], seen[270, 160], seen[270, 480]]
    assert [int(corner.argmax()) for corner in corners[:3]] == [2, 1, 0]
    assert max(corners[3]) < 20


def test_rows_that_a_decoder_has_padded_lie_without_gaps():
    # A width that no decoder's row length is a multiple of.
    pixels = np.random.default_rng(5).integers(0, 255, (66, 98, 3), np.uint8)
    frame = decoded(cv2.blur(pixels, (9, 9)))
    assert frame.planes[0].line_size > frame.width

    seen = as_bgr(planar(frame))

    assert np.abs(seen.astype(int) - frame.to_ndarray(format="bgr24")).mean() < 3
