"""Frames whose contents a test can reason about."""

from __future__ import annotations

import cv2
import numpy as np

from apps.inference.i420 import Image
from apps.inference.types import Box, Frame

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def plain(
    width: int, height: int, colour: tuple[int, int, int] = (90, 90, 90)
) -> Image:
    return np.full((height, width, 3), colour, dtype=np.uint8)


def noise(width: int, height: int, seed: int = 0) -> Image:
    """Blotches of several pixels, so that scaling them leaves something to see."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8)
    return np.asarray(
        cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8
    )


def with_rectangle(image: Image, box: Box, colour: tuple[int, int, int]) -> Image:
    painted = image.copy()
    painted[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = colour
    return painted


def frame_of(image: Image, *, rotation: int = 0, seq: int = 0) -> Frame:
    """The frame as a camera sends it that has to be turned to show `image` upright."""
    encoded = np.ascontiguousarray(np.rot90(image, rotation // 90))
    height, width = encoded.shape[:2]
    pixels = cv2.cvtColor(encoded, cv2.COLOR_RGB2YUV_I420).tobytes()
    return Frame("session", seq, width, height, pixels, rotation)
