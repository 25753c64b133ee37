"""What a camera and its encoder do to a picture: light, lens, sensor, compression.

Works on RGB pictures of any size; boxes stay where they are.
"""

from __future__ import annotations

import math
from functools import lru_cache
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray

from apps.inference.starter.easel import Image

_NOISE_TILE = 1024


def photograph(rng: Random, picture: Image) -> Image:
    """Give a picture the flaws of a random camera, many of them or none."""
    picture = _blur(rng, picture)
    if rng.random() < 0.6:
        picture = _falloff(rng, picture)
    if rng.random() < 0.85:
        picture = cv2.LUT(picture, _exposure(rng))
    if rng.random() < 0.5:
        picture = add_noise(rng, picture, rng.uniform(1.5, 14))
    return _encode(rng, picture)


def add_noise(rng: Random, picture: Image, sigma: float) -> Image:
    """Add sensor noise, `sigma` in grey levels."""
    height, width = picture.shape[:2]
    high, wide = min(height, _NOISE_TILE), min(width, _NOISE_TILE)
    y, x = rng.randint(0, _NOISE_TILE - high), rng.randint(0, _NOISE_TILE - wide)
    piece = _noise()[y : y + high, x : x + wide]
    if (high, wide) != (height, width):
        # A larger picture has the same noise again beside it.
        piece = np.pad(piece, ((0, height - high), (0, width - wide), (0, 0)), "wrap")
    return cv2.addWeighted(picture, 1.0, piece, sigma / 32, -128 * sigma / 32)


def _blur(rng: Random, picture: Image) -> Image:
    chance = rng.random()
    reach = picture.shape[1] / 320
    if chance < 0.2:
        return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.7) * reach)
    if chance < 0.4:
        return cv2.filter2D(picture, -1, _smear(rng, rng.uniform(2, 9) * reach))
    if chance < 0.55:
        height, width = picture.shape[:2]
        share = rng.uniform(0.4, 0.8)
        small = cv2.resize(picture, None, fx=share, fy=share)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return picture


def _smear(rng: Random, length: float) -> NDArray[np.float32]:
    """The kernel of a straight movement during the exposure."""
    side = 2 * math.ceil(length / 2) + 1
    kernel = np.zeros((side, side), np.float32)
    turn, middle = rng.uniform(0, math.pi), side // 2
    dx, dy = length / 2 * math.cos(turn), length / 2 * math.sin(turn)
    start = (round(middle - dx), round(middle - dy))
    cv2.line(kernel, start, (round(middle + dx), round(middle + dy)), (1.0,))
    kernel /= kernel.sum()
    return kernel


def _exposure(rng: Random) -> Image:
    """One curve a channel [256, 1, 3]: brightness, contrast, gamma and colour cast."""
    level = np.linspace(0, 1, 256)
    gain, gamma = math.exp(rng.uniform(-0.5, 0.35)), math.exp(rng.uniform(-0.35, 0.35))
    haze = rng.uniform(0, 0.16) if rng.random() < 0.4 else 0.0
    casts = [1 + rng.uniform(-0.16, 0.16) * rng.random() for _ in range(3)]
    curves = [haze + (1 - haze) * (gain * cast * level) ** gamma for cast in casts]
    table: Image = (255 * np.stack(curves, axis=1)).clip(0, 255).astype(np.uint8)
    return table[:, None]


def _falloff(rng: Random, picture: Image) -> Image:
    """Vignetting, or light that comes from one side."""
    height, width = picture.shape[:2]
    if rng.random() < 0.5:
        shade = _vignette(width, height, rng.randint(2, 8))
    else:
        corners = np.array(
            [[rng.uniform(110, 255) for _ in range(2)] for _ in range(2)]
        )
        small = corners.astype(np.uint8)
        shade = cv2.merge([cv2.resize(small, (width, height))] * 3)
    return cv2.multiply(picture, shade, scale=1 / 255)


@lru_cache(maxsize=64)
def _vignette(width: int, height: int, strength: int) -> Image:
    y = np.linspace(-1, 1, height)[:, None]
    x = np.linspace(-1, 1, width)[None, :]
    shade = 255 * (1 - strength / 10 * ((x * x + y * y) / 2) ** 1.2)
    grey: Image = shade.clip(0, 255).astype(np.uint8)
    return cv2.merge([grey] * 3)


@lru_cache(maxsize=1)
def _noise() -> Image:
    """Noise of 32 grey levels around 128; half of it is alike in all channels."""
    source = np.random.default_rng(19970925)
    size = (_NOISE_TILE, _NOISE_TILE)
    colour = source.normal(0, 22, (*size, 3)) + source.normal(0, 22, (*size, 1))
    tile: Image = (128 + colour).clip(0, 255).astype(np.uint8)
    return tile


def _encode(rng: Random, picture: Image) -> Image:
    if rng.random() < 0.55:
        return compress(picture, rng.randint(18, 92))
    return picture


def compress(picture: Image, quality: int) -> Image:
    """There and back through JPEG: blocks and ringing, as video shows them too."""
    # OpenCV takes the channels for BGR, both ways: what differs is their weight alone.
    _, code = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(code, cv2.IMREAD_COLOR)
    assert decoded is not None, "what was just encoded can be decoded"
    return decoded
