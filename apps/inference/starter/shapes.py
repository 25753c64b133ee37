"""Outlines of simple bodies as points [n, 2], in the unit coordinates of an easel."""

from __future__ import annotations

import math
from random import Random
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]

_CAP = np.linspace(-math.pi / 2, math.pi / 2, 9)[1:-1]


def bow(length: float, bend: float = 0.0, count: int = 12) -> Points:
    """A spine along x, centred; its ends hang down by `bend`."""
    x = np.linspace(-length / 2, length / 2, count)
    y = bend * ((2 * x / length) ** 2 - 0.5)
    return np.stack([x, y], axis=1)


def outline(spine: Points, radius: float | Points) -> Points:
    """The closed outline of a round-ended tube, `radius` one number or one a point."""
    along = np.gradient(spine, axis=0)
    along /= np.hypot(along[:, 0], along[:, 1])[:, None]
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    radii = np.broadcast_to(np.asarray(radius, np.float64), (len(spine),))[:, None]
    cos, sin = np.cos(_CAP)[:, None], np.sin(_CAP)[:, None]
    head = spine[-1] + radii[-1] * (cos * along[-1] - sin * normal[-1])
    tail = spine[0] + radii[0] * (-cos * along[0] + sin * normal[0])
    right, left = spine + radii * normal, spine - radii * normal
    return np.concatenate([right, head, left[::-1], tail])


def band(spine: Points, radius: float | Points) -> Points:
    """Like a tube's outline, with flat ends and vertical sides."""
    aside = np.zeros_like(spine)
    aside[:, 1] = radius
    return np.concatenate([spine - aside, (spine + aside)[::-1]])


def ellipse(
    centre: tuple[float, float],
    rx: float,
    ry: float,
    angle: float = 0.0,
    count: int = 28,
) -> Points:
    turn = np.linspace(0, 2 * math.pi, count, endpoint=False)
    cos, sin = math.cos(angle), math.sin(angle)
    dx, dy = rx * np.cos(turn), ry * np.sin(turn)
    turned = np.stack([dx * cos - dy * sin, dx * sin + dy * cos], axis=1)
    return turned + centre


def blob(
    rng: Random, x: float, y: float, radius: float, wobble: float = 0.15
) -> Points:
    """A closed, gently uneven round shape."""
    turn = np.linspace(0, 2 * math.pi, 36, endpoint=False)
    reach = np.ones(36)
    for wave in (2, 3, 5):
        reach += (
            wobble
            / wave
            * math.sqrt(2)
            * rng.uniform(-1, 1)
            * np.sin(wave * turn + rng.uniform(0, 2 * math.pi))
        )
    return np.stack(
        [x + radius * reach * np.cos(turn), y + radius * reach * np.sin(turn)], axis=1
    )


def moved(points: Points, x: float = 0.0, y: float = 0.0) -> Points:
    return np.add(points, (x, y))


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Points:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
