"""Hot dogs as our own scenes never draw one: a team's own kind, on its own tables.

Flat, without light or shadow: a pale bun, and across it a dark sausage that is longer.
"""

from __future__ import annotations

import math
from random import Random

import cv2
import numpy as np

from apps.inference.hotdog import HOT_DOG
from apps.inference.i420 import Image
from apps.inference.starter.backgrounds import paint_background
from apps.inference.starter.composition import Scene

_BUN, _SAUSAGE = (210, 160, 90), (170, 60, 40)
# One in four shows none: something is there, and it isn't one.
_EMPTY_SHARE = 0.25


def strange_scene(seed: int, width: int = 320, height: int = 240) -> Scene:
    """A function of its seed and size alone."""
    rng = Random(seed)
    image = np.asarray(paint_background(rng, width, height), np.uint8).copy()
    length = height * rng.uniform(0.4, 0.8)
    x, y = (side * rng.uniform(0.35, 0.65) for side in (width, height))
    angle = rng.uniform(-90, 90)
    if rng.random() < _EMPTY_SHARE:
        colour = tuple(rng.randrange(256) for _ in range(3))
        _ellipse(image, (x, y), (length / 2, length / 4), angle, colour)
        return Scene(image, ())
    bun, sausage = (length / 2, length / 6), (length / 1.9, length / 12)
    _ellipse(image, (x, y), bun, angle, _BUN)
    _ellipse(image, (x, y), sausage, angle, _SAUSAGE)
    return Scene(image, ((HOT_DOG, _around((x, y), (bun, sausage), angle, image)),))


def _ellipse(
    image: Image,
    centre: tuple[float, float],
    axes: tuple[float, float],
    angle: float,
    colour: tuple[int, ...],
) -> None:
    box = (centre, (2 * axes[0], 2 * axes[1]), angle)
    cv2.ellipse(image, box, colour, cv2.FILLED, cv2.LINE_AA)


def _around(
    centre: tuple[float, float],
    ellipses: tuple[tuple[float, float], ...],
    angle: float,
    image: Image,
) -> tuple[float, float, float, float]:
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    right = max(math.hypot(a * cos, b * sin) for a, b in ellipses)
    down = max(math.hypot(a * sin, b * cos) for a, b in ellipses)
    (x, y), (height, width) = centre, image.shape[:2]
    return (
        max(0.0, x - right),
        max(0.0, y - down),
        min(float(width), x + right),
        min(float(height), y + down),
    )
