"""Paints what is behind the objects: tables, cloths, walls, rooms, blurred clutter.

Each painter gives an RGB picture of the asked size, decided by its random source alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray

from apps.inference.starter.colours import Colour, mix, vary
from apps.inference.starter.easel import Image

_TILE = 1024
_LINEAR, _CUBIC = cv2.INTER_LINEAR, cv2.INTER_CUBIC
_WOODS: tuple[tuple[Colour, Colour], ...] = (
    ((112, 70, 38), (186, 130, 78)),
    ((150, 104, 62), (222, 180, 126)),
    ((60, 38, 26), (112, 72, 48)),
    ((176, 150, 120), (232, 214, 188)),
)
_CLOTHS: tuple[Colour, ...] = (
    (190, 40, 44),
    (52, 92, 150),
    (60, 120, 84),
    (226, 176, 60),
    (120, 120, 126),
)


def paint_background(rng: Random, width: int, height: int) -> Image:
    painter = rng.choice(_PAINTERS)
    return painter(rng, width, height)


@lru_cache(maxsize=1)
def clouds() -> Image:
    """Smooth noise of many scales [1024, 1024], the same on every machine."""
    source = np.random.default_rng(20230419)
    total = np.zeros((_TILE, _TILE), np.float32)
    for cells in (4, 8, 16, 32, 64, 128, 256):
        noise = source.random((cells, cells), dtype=np.float32) - 0.5
        noise /= math.sqrt(cells)
        cv2.add(total, cv2.resize(noise, total.shape, interpolation=_CUBIC), total)
    total -= total.min()
    tile: Image = np.rint(total * (255 / total.max())).astype(np.uint8)
    return tile


def patch(
    rng: Random, width: int, height: int, *, wide: int = 0, high: int = 0
) -> Image:
    """A random piece of the clouds: `wide` × `high` cells over the whole picture."""
    wide, high = wide or min(width, _TILE), high or min(height, _TILE)
    x, y = rng.randint(0, _TILE - wide), rng.randint(0, _TILE - high)
    piece = clouds()[y : y + high, x : x + wide]
    if (wide, high) == (width, height):
        return piece
    return cv2.resize(piece, (width, height), interpolation=_LINEAR)


def _between(values: Image, dark: Colour, bright: Colour) -> Image:
    """Colour a grey picture along the way from `dark` to `bright`."""
    share = np.linspace(0, 1, 256)[:, None]
    table = np.array(dark) + share * (np.array(bright) - np.array(dark))
    return cv2.applyColorMap(values, table.clip(0, 255).astype(np.uint8)[:, None])


def _soft_colour(rng: Random) -> Colour:
    grey = rng.uniform(30, 240)
    return vary(rng, (grey, grey, grey), rng.choice((6, 30, 70)))


def _plain(rng: Random, width: int, height: int) -> Image:
    colour = _soft_colour(rng)
    darker = mix(colour, (0, 0, 0), rng.uniform(0.0, 0.15))
    return _between(patch(rng, width, height), darker, colour)


def _gradient(rng: Random, width: int, height: int) -> Image:
    corners = np.array([[_soft_colour(rng) for _ in range(2)] for _ in range(2)])
    return cv2.resize(corners.astype(np.uint8), (width, height), interpolation=_CUBIC)


def _wood(rng: Random, width: int, height: int) -> Image:
    dark, bright = (vary(rng, colour) for colour in rng.choice(_WOODS))
    upright = rng.random() < 0.4
    across, along = (width, height) if upright else (height, width)
    fine = patch(rng, across, along, wide=min(across, 240), high=max(6, along // 24))
    rings = patch(rng, across, along, wide=60, high=14)
    grain = cv2.LUT(rings, _ring_table(rng.choice((5, 8, 12))))
    values = cv2.addWeighted(fine, 0.6, grain, 0.4, 0)
    plank = rng.choice((0, across // 3, across // 5))
    if plank:
        for edge in range(rng.randint(4, plank), across - 2, plank):
            gap = values[:, edge - 1 : edge + 1]
            gap[:] = gap // 4
            board = values[:, edge + 1 : edge + plank]
            board[:] = cv2.convertScaleAbs(board, beta=rng.randint(0, 30))
    if not upright:
        values = cv2.transpose(values)
    return _between(values, dark, bright)


@lru_cache(maxsize=8)
def _ring_table(rings: int) -> Image:
    turn = np.linspace(0, 2 * math.pi * rings, 256)
    table: Image = (127.5 + 127.5 * np.sin(turn)).astype(np.uint8)
    return table


def _stripes_of(rng: Random, length: int, pitch: int) -> NDArray[np.uint8]:
    offset = rng.randrange(pitch)
    bands: NDArray[np.uint8] = ((np.arange(length) + offset) // pitch % 2 * 255).astype(
        np.uint8
    )
    return bands


def _checks(rng: Random, width: int, height: int) -> Image:
    pitch = rng.randint(max(8, width // 30), width // 6)
    columns = _stripes_of(rng, width, pitch)
    rows = _stripes_of(rng, height, pitch)
    values = np.bitwise_xor(columns[None, :], rows[:, None])
    first = _soft_colour(rng)
    return _between(values, first, mix(first, _soft_colour(rng), rng.uniform(0.3, 1)))


def _gingham(rng: Random, width: int, height: int) -> Image:
    """A picnic cloth: stripes both ways, darkest where they cross."""
    pitch = rng.randint(max(6, width // 36), width // 9)
    columns = _stripes_of(rng, width, pitch) // 2
    rows = _stripes_of(rng, height, pitch) // 2
    cloth = vary(rng, rng.choice(_CLOTHS))
    return _between(columns[None, :] + rows[:, None], (246, 244, 238), cloth)


def _stripes(rng: Random, width: int, height: int) -> Image:
    bands = _stripes_of(rng, max(width, height), rng.randint(4, width // 5))
    values = bands[:width][None, :] if rng.random() < 0.5 else bands[:height][:, None]
    whole = np.ascontiguousarray(np.broadcast_to(values, (height, width)))
    return _between(whole, _soft_colour(rng), _soft_colour(rng))


def _dots(rng: Random, width: int, height: int) -> Image:
    picture = _plain(rng, width, height)
    colour, pitch = _soft_colour(rng), rng.randint(width // 16, width // 7)
    for row, y in enumerate(range(0, height + pitch, pitch)):
        for x in range(row % 2 * pitch // 2, width + pitch, pitch):
            cv2.circle(picture, (x, y), pitch // 5, colour, -1, cv2.LINE_AA)
    return picture


def _stone(rng: Random, width: int, height: int) -> Image:
    base = _soft_colour(rng)
    veins = cv2.LUT(patch(rng, width, height, wide=160, high=120), _ring_table(12))
    return _between(veins, mix(base, (60, 60, 64), rng.uniform(0.1, 0.5)), base)


def _grain(rng: Random, width: int, height: int) -> Image:
    source = np.random.default_rng(rng.randrange(2**32))
    cell = rng.randint(2, 24)
    small = source.integers(
        0, 256, (height // cell + 1, width // cell + 1, 3), np.uint8
    )
    noise = cv2.resize(small, (width, height), interpolation=_LINEAR)
    level = np.full_like(noise, np.array(_soft_colour(rng)).astype(np.uint8))
    return cv2.addWeighted(level, 0.6, noise, 0.4, 0)


def _clutter(rng: Random, width: int, height: int) -> Image:
    """Things out of focus: drawn tiny and enlarged, which blurs them for nothing."""
    shrink = rng.randint(5, 12)
    w, h = max(16, width // shrink), max(12, height // shrink)
    picture = np.full((h, w, 3), np.array(_soft_colour(rng)).astype(np.uint8))
    for _ in range(rng.randint(5, 18)):
        x, y, reach = rng.randint(0, w), rng.randint(0, h), rng.randint(2, w // 4)
        colour = vary(rng, (128, 128, 128), 120)
        if rng.random() < 0.5:
            cv2.circle(picture, (x, y), reach, colour, -1, cv2.LINE_AA)
        else:
            far = (x + reach, y + rng.randint(2, h // 2))
            cv2.rectangle(picture, (x, y), far, colour, -1)
    picture = cv2.GaussianBlur(picture, (3, 3), 0)
    return cv2.resize(picture, (width, height), interpolation=_CUBIC)


def _room(rng: Random, width: int, height: int) -> Image:
    """A wall, furniture, a window or lamp, and the edge of a table in front."""
    shrink = rng.randint(2, 5)
    w, h = width // shrink, height // shrink
    wall = mix(_soft_colour(rng), (235, 225, 205), 0.4)
    picture = np.full((h, w, 3), np.array(wall).astype(np.uint8))
    for _ in range(rng.randint(1, 4)):
        x, y = rng.randint(0, w), rng.randint(h // 8, h * 3 // 4)
        far = (x + rng.randint(w // 12, w // 3), h)
        colour = mix(_soft_colour(rng), rng.choice(_WOODS)[0], 0.6)
        cv2.rectangle(picture, (x, y), far, colour, -1)
        lines = mix(colour, (0, 0, 0), 0.25)
        cv2.rectangle(picture, (x, y), far, lines, 1)
    if rng.random() < 0.5:
        x, y = rng.randint(0, w * 3 // 4), rng.randint(0, h // 3)
        far = (x + w // 5, y + h // 3)
        cv2.rectangle(picture, (x, y), far, (250, 250, 246), -1)
        cv2.rectangle(picture, (x, y), far, mix(wall, (60, 40, 30), 0.6), 1)
    if rng.random() < 0.6:
        table = rng.randint(h // 2, h - 4)
        picture[table:] = np.array(rng.choice(_WOODS)[1]).astype(np.uint8)
        picture[table : table + 1] = np.array(rng.choice(_WOODS)[0]).astype(np.uint8)
    return cv2.resize(picture, (width, height), interpolation=_LINEAR)


_PAINTERS: tuple[Callable[[Random, int, int], Image], ...] = (
    _plain,
    _gradient,
    _wood,
    _wood,
    _checks,
    _gingham,
    _stripes,
    _dots,
    _stone,
    _grain,
    _clutter,
    _clutter,
    _room,
    _room,
    _room,
)
