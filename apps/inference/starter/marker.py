"""A frame's own number, written into its bottom edge as black and white cells.

A test can so tell which frame came out of an encoder, a network or a page. Works on
pictures of any size, grey or coloured.
"""

from __future__ import annotations

import numpy as np

from apps.inference.starter.easel import Image

INDEX_BITS = 12
# White, black, the bits with the highest first, and two bits that must add up.
_CELLS = 2 + INDEX_BITS + 2
_HEIGHT_SHARE = 1 / 24
# What compression leaves of white and black is still this far apart, in grey levels.
_SMALLEST_CONTRAST = 60


def strip_height(height: int) -> int:
    return max(6, round(height * _HEIGHT_SHARE))


def draw_marker(picture: Image, index: int) -> None:
    """Write `index` modulo 4096 over the bottom edge."""
    height, width = picture.shape[:2]
    strip = picture[height - strip_height(height) :]
    edges = np.linspace(0, width, _CELLS + 1).round().astype(int)
    for bit, left, right in zip(
        _encode(index % (1 << INDEX_BITS)), edges[:-1], edges[1:], strict=True
    ):
        strip[:, left:right] = 255 * bit


def read_marker(image: Image) -> int | None:
    """The index, or None where there is no marker or too little is left of it."""
    grey = image.mean(axis=2) if image.ndim == 3 else image
    height, width = grey.shape
    strip = strip_height(height)
    rows = slice(height - strip + strip // 4, height - strip // 4)
    middles = (np.arange(_CELLS) + 0.5) * width / _CELLS
    reach = width / _CELLS / 4
    levels = np.array(
        [grey[rows, round(x - reach) : round(x + reach) + 1].mean() for x in middles]
    )
    if levels[0] - levels[1] < _SMALLEST_CONTRAST:
        return None
    bits = [int(level > (levels[0] + levels[1]) / 2) for level in levels]
    index = int("".join(map(str, bits[2 : 2 + INDEX_BITS])), 2)
    return index if bits == _encode(index) else None


def _encode(index: int) -> list[int]:
    bits = [index >> place & 1 for place in reversed(range(INDEX_BITS))]
    ones = sum(bits) % 4
    return [1, 0, *bits, ones >> 1, ones & 1]
