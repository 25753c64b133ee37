"""Pictures over the WebSocket: read as a track is, bounded in every direction."""

from __future__ import annotations

import asyncio

import cv2
import numpy as np
import pytest
from av import VideoFrame

from apps.nexus.jpeg import MAX_PICTURE_BYTES, JpegTrack, Picture, decode, read_picture
from apps.nexus.protocol import ProtocolError
from apps.nexus.receiver import rtp_timestamp
from tests.waiting import eventually


def jpeg(width: int = 64, height: int = 48, grey: int = 128) -> bytes:
    picture = np.full((height, width, 3), grey, np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def recorded_track() -> tuple[JpegTrack, list[int], list[str]]:
    taken: list[int] = []
    refused: list[str] = []
    track = JpegTrack(
        on_taken=taken.append, on_refused=lambda error: refused.append(error.code)
    )
    return track, taken, refused


def test_a_message_is_a_timestamp_and_a_jpeg():
    assert read_picture(b"\xff\x00\x00\x02rest") == Picture(0xFF00_0002, b"rest")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", "malformed"),
        (b"\x00\x00\x00\x01", "malformed"),
        (bytes(MAX_PICTURE_BYTES + 1), "too_large"),
    ],
)
def test_what_is_no_picture_is_refused(message: bytes, code: str):
    with pytest.raises(ProtocolError) as refusal:
        read_picture(message)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 99, 200)]
)
def test_a_jpeg_has_the_same_pixels_as_a_video_of_it(colour: tuple[int, int, int]):
    """JPEG spreads brightness over 0..255, a video over 16..235."""
    picture = np.full((48, 64, 3), colour, np.uint8)
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 98])[1]

    frame = decode(Picture(0, encoded.tobytes()))

    video = VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
    assert frame.format.name == "yuv420p"
    np.testing.assert_allclose(frame.to_ndarray(), video.to_ndarray(), atol=3)


def test_a_frame_keeps_the_pages_timestamp():
    assert rtp_timestamp(decode(Picture(0xFFFF_FFFF, jpeg()))) == 0xFFFF_FFFF


def test_an_odd_side_becomes_even():
    frame = decode(Picture(0, jpeg(63, 47)))
    assert (frame.width, frame.height) == (64, 48)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"hello", id="text"),
        pytest.param(jpeg()[:300], id="cut off"),
        pytest.param(
            cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes(), id="PNG"
        ),
        pytest.param(
            cv2.imencode(".jpg", np.zeros((5000, 5000), np.uint8))[1].tobytes(),
            id="far too many pixels",
        ),
    ],
)
def test_what_is_no_jpeg_is_refused(content: bytes):
    with pytest.raises(ProtocolError) as refusal:
        decode(Picture(0, content))
    assert refusal.value.code == "invalid"


def test_a_picture_of_many_scans_is_refused_before_it_costs_anything():
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    progressive = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    scans = cv2.imencode(".jpg", picture, progressive)[1].tobytes()
    assert decode(Picture(0, scans)).width == 64
    last = scans[scans.rindex(b"\xff\xda") : -2]

    with pytest.raises(ProtocolError, match="scans"):
        decode(Picture(0, scans[:-2] + 30 * last + scans[-2:]))


async def test_the_track_gives_the_newest_and_lets_the_page_send_more():
    track, taken, _ = recorded_track()
    for number in range(3):
        track.put(Picture(number, jpeg()))
    assert taken == [0, 1]

    assert rtp_timestamp(await track.recv()) == 2

    assert taken == [0, 1, 2]


async def test_a_bad_picture_is_told_and_the_next_one_read():
    track, taken, refused = recorded_track()
    track.put(Picture(1, b"hello"))
    receiving = asyncio.create_task(track.recv())
    await eventually(lambda: bool(refused), "a refusal")
    track.put(Picture(2, jpeg()))

    assert rtp_timestamp(await receiving) == 2
    assert (taken, refused) == ([1, 2], ["invalid"])
