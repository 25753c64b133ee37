"""Draws cups: mugs with a handle, paper cups with a lid."""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

import numpy as np

from apps.inference.starter.colours import Colour, mix, ramp, vary
from apps.inference.starter.easel import Easel
from apps.inference.starter.shapes import Points, blob, ellipse, rectangle

_CUPS: tuple[Colour, ...] = (
    (240, 240, 236),
    (196, 54, 54),
    (60, 110, 170),
    (70, 150, 120),
    (236, 190, 90),
    (70, 70, 78),
    (226, 160, 170),
)


class _Vessel(NamedTuple):
    """Half a cup's width above and below, half its height, and its lip, in units."""

    half: float
    foot: float
    height: float
    lip: float


def cup(rng: Random, easel: Easel) -> None:
    paint = vary(rng, rng.choice(_CUPS))
    easel.ground(mix(paint, (20, 20, 25), 0.55))
    if rng.random() < 0.72:
        _mug(rng, easel, paint)
    else:
        _paper_cup(rng, easel, paint)


def _mug(rng: Random, easel: Easel, paint: Colour) -> None:
    half, height = rng.uniform(0.25, 0.31), rng.uniform(0.26, 0.36)
    lip = half * rng.uniform(0.25, 0.4)
    foot = half * rng.uniform(0.72, 0.98)
    side = rng.choice((-1, 1))
    turn = np.linspace(-1.9, 1.9, 20)
    handle = np.stack(
        [side * (half * 0.92 + 0.15 * np.cos(turn)), 0.02 + 0.17 * np.sin(turn)], axis=1
    )
    easel.stroke(handle, 0.075, mix(paint, (20, 20, 25), 0.5))
    easel.stroke(handle, 0.05, mix(paint, (20, 20, 25), 0.12))
    _wall(easel, _Vessel(half, foot, height, lip), paint)
    motif = rng.random()
    if motif < 0.3:
        band = rectangle(-half * 0.94, -0.02, half * 0.94, 0.06)
        easel.detail([band], vary(rng, rng.choice(_CUPS)))
    elif motif < 0.5:
        easel.detail([blob(rng, 0, 0.08, 0.08, 0.1)], vary(rng, rng.choice(_CUPS)))
    easel.fill(ellipse((0, -height), half, lip), mix(paint, (255, 255, 255), 0.35))
    easel.fill(
        ellipse((0, -height), half * 0.9, lip * 0.86), mix(paint, (20, 20, 25), 0.4)
    )
    drink: Colour = rng.choice(((84, 48, 26), (150, 100, 60), (180, 110, 40), paint))
    easel.fill(ellipse((0, -height + lip * 0.16), half * 0.86, lip * 0.7), drink)


def _paper_cup(rng: Random, easel: Easel, paint: Colour) -> None:
    height = 0.42
    half, foot, lip = 0.26, 0.18, 0.055
    vessel = _Vessel(half, foot, height, lip)
    _wall(easel, vessel, mix(paint, (255, 255, 255), 0.5))
    sleeve = np.array([[-0.236, -0.12], [0.236, -0.12], [0.212, 0.17], [-0.212, 0.17]])
    easel.detail([sleeve], vary(rng, rng.choice((*_CUPS, (176, 128, 84)))))
    cap = mix((250, 250, 250), paint, rng.choice((0.0, 0.8)))
    easel.shaded(ellipse((0, -height), half * 1.06, lip * 1.2), cap, depth=0.05)
    easel.fill(ellipse((0, -height - 0.03), half * 0.86, lip), cap)


def _wall(easel: Easel, vessel: _Vessel, paint: Colour) -> None:
    """The body of a cup: brighter left of its middle, darker to the right edge."""

    def body(left: float, right: float) -> Points:
        turn = np.linspace(math.acos(left), math.acos(right), 14)
        cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
        low = vessel.height + 0.75 * vessel.lip * sin
        high = -vessel.height + vessel.lip * sin
        base = np.concatenate([vessel.foot * cos, low], axis=1)
        rim = np.concatenate([vessel.half * cos, high], axis=1)
        return np.concatenate([base, rim[::-1]])

    dark = mix(paint, (20, 20, 25), 0.45)
    easel.fill(body(-1, 1), dark)
    for share in easel.steps(vessel.half):
        ink = ramp(dark, paint, mix(paint, (255, 255, 255), 0.3), share)
        easel.fill(body(-1 + 0.55 * share, 1 - 1.3 * share), ink)
