"""Decoded pictures: as the decoder gave them, in memory that is used again."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from av import AudioFrame, VideoFrame
from av.frame import Frame

from apps.nexus.decoding import (
    KEPT,
    CopyingDecoder,
    PictureMemory,
    copied,
)
from apps.nexus.receiver import rtp_timestamp
from tests.unit.nexus.rtp import Replay, stream

NOISE = np.random.default_rng(seed=1)


def decoded(width: int, height: int, format_: str = "yuv420p") -> VideoFrame:
    pixels = NOISE.integers(0, 255, (height, width, 3), np.uint8)
    frame = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=format_)
    frame.pts, frame.time_base = 0xFFFF_FFFE, Fraction(1, 90_000)
    return frame


def address(frame: Frame) -> int:
    assert isinstance(frame, VideoFrame)
    return frame.planes[0].buffer_ptr


class PoolOfFour:
    """Gives the same four frames again and again, as a decoder does."""

    def __init__(self) -> None:
        self.frames = [decoded(64, 48) for _ in range(4)]
        self._given = 0

    def decode(self, picture: Any) -> list[Frame]:
        self._given += 1
        return [self.frames[self._given % 4]]


# The rows of the last two are longer than the picture is wide.
@pytest.mark.parametrize(("width", "height"), [(64, 48), (50, 24), (50, 22)])
def test_a_copy_shows_what_the_decoder_gave(width: int, height: int):
    frame = decoded(width, height)
    copy = copied(frame, PictureMemory())
    assert (copy.width, copy.height) == (width, height)
    assert (copy.to_ndarray() == frame.to_ndarray()).all()
    assert rtp_timestamp(copy) == 0xFFFF_FFFE
    assert copy.time_base == frame.time_base
    assert address(copy) != address(frame)


@pytest.mark.parametrize(
    "frame", [decoded(65, 48), decoded(64, 47), decoded(64, 48, "yuv444p")]
)
def test_a_picture_of_an_unusual_kind_is_passed_on(frame: VideoFrame):
    assert copied(frame, PictureMemory()) is frame


def test_what_is_no_picture_is_passed_on():
    sound = AudioFrame()
    decoder: Any = SimpleNamespace(decode=lambda picture: [sound])
    picture: Any = None
    (passed,) = CopyingDecoder(decoder).decode(picture)
    assert passed is sound


def test_held_pictures_stay_as_they_are():
    pool: Any = PoolOfFour()
    decoder = CopyingDecoder(pool)
    expected = [frame.to_ndarray() for frame in pool.frames]
    picture: Any = None
    held = [decoder.decode(picture)[0] for _ in range(8)]
    assert len({address(frame) for frame in held}) == 8
    for number, frame in enumerate(held, 1):
        assert isinstance(frame, VideoFrame)
        assert (frame.to_ndarray() == expected[number % 4]).all()


def test_memory_is_used_again_once_its_picture_is_gone():
    memory = PictureMemory()
    frame = decoded(64, 48)
    first = copied(frame, memory)
    first_address = address(first)
    second = copied(frame, memory)
    del first
    third = copied(frame, memory)
    assert address(third) == first_address != address(second)


def test_a_part_of_a_picture_keeps_its_memory():
    memory = PictureMemory()
    frame = decoded(64, 48)
    rows = memoryview(copied(frame, memory).planes[0])
    before = bytes(rows)
    copied(decoded(64, 48), memory)
    assert bytes(rows) == before


def test_no_more_memory_is_kept_than_pictures_are_held_all_the_time():
    memory = PictureMemory()
    held = [copied(decoded(64, 48), memory) for _ in range(KEPT + 5)]
    addresses = {address(frame) for frame in held}
    held.clear()
    assert len(memory._free) == KEPT
    again = [copied(decoded(64, 48), memory) for _ in range(KEPT)]
    assert {address(frame) for frame in again} <= addresses


def test_memory_follows_the_size_of_the_picture():
    memory = PictureMemory()
    for width, height in ((64, 48), (128, 96), (48, 64), (32, 16)):
        frame = decoded(width, height)
        assert (copied(frame, memory).to_ndarray() == frame.to_ndarray()).all()


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_the_pool_of_a_receivers_decoder_stays_small(
    codec: str, monkeypatch: pytest.MonkeyPatch
):
    replay = Replay(monkeypatch, codec)
    await replay.start()
    assert isinstance(replay.decoder, CopyingDecoder)
    upstream = replay.decoder._decoder
    given: set[int] = set()

    def decode(picture: Any) -> list[Frame]:
        frames = upstream.decode(picture)
        given.update(map(address, frames))
        return frames

    replay.decoder._decoder = SimpleNamespace(decode=decode)  # type: ignore[assignment]
    held: list[VideoFrame] = []
    for picture in stream(codec):
        await replay.arrive(*picture.packets)
        held += replay.decode()
    await replay.receiver.stop()
    assert len(held) >= 20 > 4 * len(given)
