"""Draws hot dogs, and the two halves that alone are none: a bun, a sausage.

Every function draws one design from the given random source onto an easel, so the
same seed gives the same hot dog in any pose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import numpy as np

from apps.inference.starter.colours import Colour, mix, vary
from apps.inference.starter.easel import Easel
from apps.inference.starter.shapes import Points, band, bow, ellipse, moved
from apps.inference.starter.toppings import crumbs, lettuce, sauce, seeds, slashes

_BUNS: tuple[Colour, ...] = (
    (226, 164, 86),
    (214, 145, 66),
    (236, 186, 116),
    (196, 122, 54),
    (240, 206, 150),
    (132, 72, 36),
)
_SAUSAGES: tuple[Colour, ...] = (
    (196, 82, 52),
    (176, 60, 42),
    (206, 104, 74),
    (150, 60, 38),
    (214, 120, 92),
    (186, 44, 40),
)
_CRUMB: Colour = (250, 228, 182)


@dataclass(frozen=True, slots=True)
class _Build:
    """The proportions that bun and sausage of one design share, in units."""

    bend: float
    bun: Colour
    bun_length: float
    bun_radius: float
    sausage: Colour
    sausage_length: float
    sausage_radius: float

    @classmethod
    def draw(cls, rng: Random) -> _Build:
        bun_length = rng.uniform(0.78, 0.96)
        bun_radius = rng.uniform(0.085, 0.14)
        overhang = rng.choice((rng.uniform(-0.08, 0.02), rng.uniform(0.02, 0.14)))
        return cls(
            bend=rng.choice((0.0, rng.uniform(-0.12, 0.12))),
            bun=vary(rng, rng.choice(_BUNS)),
            bun_length=bun_length,
            bun_radius=bun_radius,
            sausage=vary(rng, rng.choice(_SAUSAGES)),
            sausage_length=min(1.0, bun_length + overhang),
            sausage_radius=bun_radius * rng.uniform(0.5, 0.8),
        )

    def spine(self, length: float, radius: float, rise: float = 0.0) -> Points:
        """A bent line whose round ends, too, fit into `length`."""
        return moved(bow(length - 2 * radius, self.bend), y=rise)

    def leaf(self, rise: float) -> Points:
        """Where salad lies, finely enough divided for its frills."""
        return moved(bow(self.bun_length * 0.86, self.bend, 40), y=rise)


def hot_dog(rng: Random, easel: Easel) -> None:
    build = _Build.draw(rng)
    from_the_side = rng.random() < 0.4
    easel.ground(mix(build.bun, (60, 25, 10), 0.6))
    gap = build.sausage_radius * 0.5 + build.bun_radius * 0.55
    _half_bun(rng, easel, build, -gap)
    if from_the_side:
        _filling(rng, easel, build, rise=-gap * 0.45)
        _half_bun(rng, easel, build, gap * 0.7, crumb=False)
    else:
        _half_bun(rng, easel, build, gap)
        _filling(rng, easel, build, rise=0.0)


def bun(rng: Random, easel: Easel) -> None:
    """Bread alone: closed, slit, or open and empty."""
    build = _Build.draw(rng)
    easel.ground(mix(build.bun, (60, 25, 10), 0.6))
    radius = build.bun_radius
    kind = rng.random()
    if kind < 0.35:
        gap = radius * rng.uniform(0.55, 0.85)
        _half_bun(rng, easel, build, -gap)
        _half_bun(rng, easel, build, gap)
        inner = build.spine(build.bun_length * 0.94, radius * 0.3)
        easel.tube(inner, radius * rng.uniform(0.25, 0.5), mix(_CRUMB, build.bun, 0.25))
        return
    radius *= rng.uniform(1.1, 1.7)
    body = build.spine(build.bun_length, radius)
    easel.tube(body, radius, build.bun, gloss=0.35)
    if kind < 0.7:
        slit = build.spine(build.bun_length * 0.8, 0.02, rng.uniform(-0.03, 0.03))
        easel.stroke(slit, 0.03, mix(build.bun, (70, 30, 10), 0.55))
        easel.stroke(moved(slit, y=0.018), 0.014, _CRUMB)
    else:
        for cut in slashes(rng, body, radius * 0.6):
            easel.stroke(cut, 0.03, mix(build.bun, _CRUMB, 0.6))
    seeds(rng, easel, body, radius * 0.6)


def sausage(rng: Random, easel: Easel) -> None:
    """A sausage with no bun, grilled or with sauce."""
    build = _Build.draw(rng)
    easel.ground(mix(build.sausage, (40, 10, 5), 0.6))
    radius = rng.uniform(0.055, 0.11)
    spine = build.spine(rng.uniform(0.8, 1.0), radius)
    _sausage(rng, easel, build, spine, radius)
    if rng.random() < 0.35:
        sauce(rng, easel, spine, radius * 0.8)


def sandwich(rng: Random, easel: Easel) -> None:
    """A filled roll without a sausage: salad, tomato, cheese."""
    build = _Build.draw(rng)
    easel.ground(mix(build.bun, (60, 25, 10), 0.6))
    radius = build.bun_radius
    _half_bun(rng, easel, build, -radius * 0.7)
    lettuce(rng, easel, build.leaf(-radius * 0.1), radius * 0.8)
    if rng.random() < 0.6:
        slices = build.bun_length * 0.36
        for x in np.linspace(-slices, slices, rng.randint(3, 5)):
            tomato = ellipse((x, radius * 0.2), 0.1, radius * 0.75)
            easel.shaded(tomato, vary(rng, (214, 52, 40)), depth=0.04)
    else:
        cheese = build.spine(build.bun_length * 0.95, 0.03, radius * 0.2)
        easel.tube(cheese, radius * 0.4, vary(rng, (248, 200, 70)))
    _half_bun(rng, easel, build, radius * rng.uniform(0.7, 1.0), crumb=False)


def _half_bun(
    rng: Random, easel: Easel, build: _Build, rise: float, *, crumb: bool = True
) -> None:
    body = build.spine(build.bun_length, build.bun_radius, rise)
    easel.tube(body, build.bun_radius, build.bun, gloss=0.35)
    if crumb:
        towards_middle = -math.copysign(build.bun_radius * 0.5, rise)
        inner = build.spine(build.bun_length * 0.93, build.bun_radius * 0.5, rise)
        easel.fill(
            band(moved(inner, y=towards_middle), build.bun_radius * 0.36), _CRUMB
        )
    elif rng.random() < 0.4:
        seeds(rng, easel, body, build.bun_radius * 0.5)


def _filling(rng: Random, easel: Easel, build: _Build, rise: float) -> None:
    radius = build.sausage_radius
    if rng.random() < 0.25:
        lettuce(rng, easel, build.leaf(rise), radius * 1.25)
    spine = build.spine(build.sausage_length, radius, rise)
    shade = mix(build.bun, (60, 25, 10), 0.5)
    easel.fill(
        band(build.spine(build.bun_length * 0.9, radius, rise), radius * 1.14), shade
    )
    _sausage(rng, easel, build, spine, radius)
    if rng.random() < 0.22:
        crumbs(rng, easel, spine, radius)
    if rng.random() < 0.8:
        sauce(rng, easel, spine, radius)
    if rng.random() < 0.18:
        crumbs(rng, easel, spine, radius)


def _sausage(
    rng: Random, easel: Easel, build: _Build, spine: Points, radius: float
) -> None:
    easel.tube(spine, radius, build.sausage, gloss=rng.uniform(0.25, 0.6))
    if rng.random() < 0.3:
        char = mix(build.sausage, (45, 18, 10), rng.uniform(0.45, 0.8))
        for mark in slashes(rng, spine, radius * 0.7):
            easel.stroke(mark, 0.018, char)
