"""Draws what goes onto sausages and buns: sauces, salad, crumbs, seeds, grill marks."""

from __future__ import annotations

import math
from random import Random

import numpy as np

from apps.inference.starter.colours import Colour, mix, vary
from apps.inference.starter.easel import Easel
from apps.inference.starter.shapes import Points, band, ellipse, moved

_KETCHUP: Colour = (206, 26, 22)
_MUSTARD: Colour = (246, 196, 26)
_MAYONNAISE: Colour = (250, 242, 214)
_LEAF: Colour = (112, 178, 62)


def sauce(rng: Random, easel: Easel, spine: Points, radius: float) -> None:
    colours = rng.sample((_KETCHUP, _MUSTARD, _MAYONNAISE), 2)
    if rng.random() < 0.75:
        colours = rng.choice(([_MUSTARD], [_KETCHUP], [_MUSTARD, _KETCHUP]))
    width = rng.uniform(0.022, 0.04)
    waves = rng.randint(4, 9)
    swing = 0.0 if rng.random() < 0.25 else radius * rng.uniform(0.45, 0.95)
    sharp = rng.random() < 0.3
    for index, colour in enumerate(colours):
        phase = math.pi * index + rng.uniform(-0.3, 0.3)
        aside = (index - (len(colours) - 1) / 2) * radius * (0.9 if swing == 0 else 0.2)
        line = moved(_wave(spine, swing, waves, phase, sharp=sharp), y=aside)
        ink = vary(rng, colour, 8, 0.06)
        easel.stroke(line, width * 1.25, mix(ink, (70, 25, 0), 0.4))
        easel.stroke(line, width, ink)
        easel.stroke(
            moved(line, y=-width * 0.15), width * 0.3, mix(ink, (255, 255, 255), 0.5)
        )


def lettuce(rng: Random, easel: Easel, spine: Points, radius: float) -> None:
    """A frilly leaf along `spine`, which has 40 points."""
    wobble = 1 + 0.22 * np.sin(
        np.arange(40) * rng.uniform(0.9, 1.6) + rng.uniform(0, 6)
    )
    leaf = vary(rng, _LEAF, 14)
    easel.fill(band(spine, radius * 1.12 * wobble), mix(leaf, (20, 60, 10), 0.45))
    easel.fill(band(spine, radius * wobble), leaf, 0.01)
    easel.fill(
        band(spine, radius * 0.7 * wobble), mix(leaf, (230, 250, 170), 0.35), 0.015
    )


def crumbs(rng: Random, easel: Easel, spine: Points, radius: float) -> None:
    """Onion, relish or crispy bits strewn over the sausage."""
    colour = rng.choice(
        ((250, 244, 230), (96, 160, 54), (176, 108, 44), (206, 150, 190))
    )
    size = rng.uniform(0.012, 0.024)
    ink = vary(rng, colour)
    pieces = []
    for _ in range(rng.randint(14, 34)):
        x, y = spine[rng.randrange(1, len(spine) - 1)]
        pieces.append(
            ellipse(
                (x + rng.uniform(-0.03, 0.03), y + rng.uniform(-0.8, 0.8) * radius),
                size,
                size * rng.uniform(0.5, 1.0),
                rng.uniform(0, 3),
                10,
            )
        )
    easel.detail(
        [moved(piece, y=size * 0.4) for piece in pieces], mix(ink, (50, 30, 10), 0.5)
    )
    easel.detail(pieces[::2], ink)
    easel.detail(pieces[1::2], mix(ink, (255, 255, 255), 0.25))


def seeds(rng: Random, easel: Easel, spine: Points, reach: float) -> None:
    if rng.random() < 0.6:
        return
    colour: Colour = rng.choice(((252, 240, 206), (48, 40, 40)))
    grains = []
    for _ in range(rng.randint(10, 26)):
        x, y = spine[rng.randrange(len(spine))]
        x, y = x + rng.uniform(-0.03, 0.03), y + rng.uniform(-reach, reach)
        grains.append(ellipse((x, y), 0.013, 0.008, rng.uniform(0, 3), 8))
    easel.detail(grains, colour)


def slashes(rng: Random, spine: Points, reach: float) -> list[Points]:
    """Slanting lines across a body, such as a grill or a baker's knife leaves."""
    lean = rng.uniform(0.2, 0.9) * reach * rng.choice((-1, 1))
    marks = np.linspace(1, len(spine) - 2, rng.randint(4, 7)).astype(int)
    half = np.array([lean, reach])
    return [np.stack([spine[mark] - half, spine[mark] + half]) for mark in marks]


def _wave(
    spine: Points, swing: float, waves: int, phase: float, *, sharp: bool
) -> Points:
    count = waves * (2 if sharp else 9) + 1
    share = np.linspace(0.06, 0.94, count)
    knots = np.linspace(0, 1, len(spine))
    x, y = np.interp(share, knots, spine[:, 0]), np.interp(share, knots, spine[:, 1])
    turn = np.linspace(0, 2 * math.pi * waves, count) + phase
    sway = np.where(np.arange(count) % 2, 1.0, -1.0) if sharp else np.sin(turn)
    if sharp and phase > 1:
        sway = -sway
    return np.stack([x, y + swing * sway], axis=1)
