"""Draws the foods that are no hot dog: banana, pizza, donut, carrot.

One function a food; the random source decides the design, the easel the pose.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np

from apps.inference.starter.colours import Colour, mix, ramp, vary
from apps.inference.starter.easel import Easel
from apps.inference.starter.shapes import Points, blob, ellipse, moved, outline


def banana(rng: Random, easel: Easel) -> None:
    peel = vary(rng, rng.choice(((248, 212, 60), (252, 224, 92), (226, 206, 70))))
    easel.ground(mix(peel, (70, 45, 0), 0.55))
    curve, girth = rng.uniform(0.16, 0.34), rng.uniform(0.075, 0.115)
    if rng.random() < 0.22:
        behind = _crescent(curve * 0.72, rise=-0.1)
        _one_banana(rng, easel, behind, girth * 0.95, peel)
    _one_banana(rng, easel, _crescent(curve, rise=0.04), girth, peel)


def _crescent(curve: float, rise: float) -> Points:
    turn = np.linspace(-1, 1, 22)
    x, y = 0.43 * np.sin(turn * 1.35), curve * (turn**2 - 0.45) + rise
    return np.stack([x, y], axis=1)


def _one_banana(
    rng: Random, easel: Easel, spine: Points, girth: float, peel: Colour
) -> None:
    along = np.linspace(-1, 1, len(spine))
    profile = girth * np.clip(1.02 - np.abs(along) ** 3.2, 0.16, 1)
    dark = mix(peel, (96, 66, 0), 0.45)
    easel.fill(outline(spine, profile), dark)
    for share in easel.steps(girth):
        ink = ramp(dark, peel, mix(peel, (255, 255, 225), 0.4), share)
        easel.fill(
            outline(spine, profile * (1 - 0.75 * share)), ink, 0.35 * girth * share
        )
    ridge = moved(spine, y=girth * 0.35)
    easel.stroke(ridge[2:-2], 0.008, mix(peel, (120, 84, 0), 0.4))
    stem: Colour = rng.choice(((110, 80, 20), (150, 150, 50)))
    easel.stroke(spine[-3:], 0.035, stem)
    easel.stroke(spine[:2], 0.035, (70, 50, 25))
    if rng.random() < 0.4:
        spots = [
            ellipse((x, y + rng.uniform(-0.4, 0.4) * girth), 0.012, 0.007, 0, 8)
            for x, y in rng.sample(list(spine[4:-4]), 6)
        ]
        easel.detail(spots, (120, 80, 20))


def pizza(rng: Random, easel: Easel) -> None:
    if rng.random() < 0.5:
        _whole_pizza(rng, easel)
    else:
        _pizza_slice(rng, easel)


def _whole_pizza(rng: Random, easel: Easel) -> None:
    crust = vary(rng, (212, 150, 78))
    easel.ground(mix(crust, (70, 35, 10), 0.5))
    edge = blob(rng, 0, 0, 0.48, 0.03)
    easel.shaded(edge, crust, depth=0.1)
    easel.fill(edge * 0.87, vary(rng, (190, 54, 28)))
    easel.fill(blob(rng, 0, 0, 0.4, 0.06), vary(rng, (248, 206, 104)))
    _melt(rng, easel, 0.34)
    _toppings(rng, easel, _spread(rng, rng.randint(7, 12), 0.33))
    if rng.random() < 0.6:
        cuts = rng.choice((3, 4))
        for turn in np.arange(cuts) * math.pi / cuts + rng.uniform(0, 1):
            arm = 0.44 * np.array([math.cos(turn), math.sin(turn)])
            easel.stroke(np.array([-arm, arm]), 0.01, (196, 130, 60))


def _pizza_slice(rng: Random, easel: Easel) -> None:
    crust = vary(rng, (212, 150, 78))
    easel.ground(mix(crust, (70, 35, 10), 0.5))
    half = rng.uniform(0.26, 0.42)
    turn = np.linspace(-half, half, 14)
    rim = np.stack([np.sin(turn) * 0.96, 0.48 - np.cos(turn) * 0.96], axis=1)
    tip = np.array([[0.0, 0.48]])
    easel.fill(np.concatenate([rim, tip]), vary(rng, (196, 84, 36)))
    inner = tip + (rim - tip) * 0.9
    easel.fill(np.concatenate([inner, moved(tip, y=-0.03)]), vary(rng, (248, 206, 104)))
    depths = [0.2, 0.36, 0.52, 0.62, 0.72] if rng.random() < 0.6 else [0.35, 0.6, 0.74]
    spots = [
        (tip[0] + (inner[rng.randint(3, 10)] - tip[0]) * depth).tolist()
        for depth in depths
    ]
    easel.tube(rim, rng.uniform(0.045, 0.065), crust)
    _toppings(rng, easel, [(x, y) for x, y in spots], 0.05)


def _melt(rng: Random, easel: Easel, reach: float) -> None:
    patches = [blob(rng, x, y, 0.05, 0.3) for x, y in _spread(rng, 7, reach)]
    easel.detail(patches, (254, 228, 150))


def _toppings(
    rng: Random, easel: Easel, spots: list[tuple[float, float]], size: float = 0.065
) -> None:
    pepperoni = vary(rng, (186, 46, 34))
    garnish: Colour = rng.choice(((70, 140, 50), (50, 46, 50), (236, 226, 200)))
    meat = rng.random() < 0.75
    for x, y in spots:
        if meat:
            radius = size * rng.uniform(0.85, 1.1)
            easel.fill(ellipse((x, y), radius * 1.12, radius * 1.12), (130, 50, 20))
            easel.fill(ellipse((x, y), radius, radius), pepperoni)
            bit = ellipse(
                (x - radius * 0.3, y - radius * 0.3), radius * 0.3, radius * 0.2
            )
            easel.detail([bit], mix(pepperoni, (255, 200, 170), 0.45))
    leaves = [
        ellipse(
            (
                x + rng.uniform(-0.09, 0.09) * 10 * size * 0.8,
                y + rng.uniform(-0.05, 0.05),
            ),
            size * 0.62,
            size * 0.3,
            rng.uniform(0, 3),
            12,
        )
        for x, y in spots[:: rng.choice((1, 2))]
    ]
    easel.detail(leaves, vary(rng, garnish))


def _spread(rng: Random, count: int, reach: float) -> list[tuple[float, float]]:
    """Points of a sunflower: even over a disc without a grid."""
    turn, golden = rng.uniform(0, 6), math.pi * (3 - math.sqrt(5))
    spots = []
    for index in range(count):
        radius = reach * math.sqrt((index + 0.5) / count)
        angle = turn + index * golden
        spots.append((radius * math.cos(angle), radius * math.sin(angle)))
    return spots


_GLAZES: tuple[Colour, ...] = (
    (240, 130, 170),
    (96, 54, 32),
    (250, 240, 230),
    (150, 210, 230),
    (250, 214, 110),
    (214, 150, 86),
)
_SPRINKLES: tuple[Colour, ...] = (
    (255, 255, 255),
    (250, 214, 60),
    (90, 190, 220),
    (236, 76, 92),
    (120, 200, 90),
)


def donut(rng: Random, easel: Easel) -> None:
    dough, glaze = vary(rng, (206, 146, 80)), vary(rng, rng.choice(_GLAZES))
    easel.ground(mix(dough, (70, 35, 10), 0.5))
    hole = rng.uniform(0.11, 0.17)
    middle, width = (0.48 + hole) / 2, 0.48 - hole
    _ring(easel, middle, width, dough)
    if rng.random() < 0.88:
        edge = blob(rng, 0, 0, 0.435, 0.06)
        easel.fill(moved(edge, y=0.012), mix(glaze, (40, 15, 10), 0.4))
        easel.fill(edge, mix(glaze, (40, 15, 10), 0.12), 0.006)
        _ring(easel, middle - 0.015, width * 0.72, glaze, depth=0.12)
        if rng.random() < 0.65:
            _sprinkles(rng, easel, middle, width)
    easel.detail(
        [ellipse((0, 0), hole * 1.14, hole * 1.14)], mix(dough, (50, 20, 5), 0.45)
    )
    easel.cut(ellipse((0, 0.012), hole, hole))


def _ring(
    easel: Easel, radius: float, width: float, colour: Colour, depth: float = 0.4
) -> None:
    """A round tube bent to a circle; `depth` is how dark its edges are."""
    circle = ellipse((0, 0), 1, 1, count=40)
    dark, bright = mix(colour, (40, 15, 10), depth), mix(colour, (255, 255, 245), 0.3)
    for share in [0.0, *easel.steps(width / 2)]:
        half = width / 2 * (1 - 0.92 * share)
        ink = ramp(dark, colour, bright, share)
        outer, inner = circle * (radius + half), circle * (radius - half)
        easel.fill(outer, ink, 0.22 * width * share, hole=inner)


def _sprinkles(rng: Random, easel: Easel, ring: float, width: float) -> None:
    for colour in rng.sample(_SPRINKLES, 4):
        bits = []
        for _ in range(7):
            turn, reach = rng.uniform(0, 6.28), ring + rng.uniform(-0.27, 0.27) * width
            x, y = reach * math.cos(turn), reach * math.sin(turn)
            bits.append(ellipse((x, y), 0.026, 0.01, rng.uniform(0, 3), 8))
        easel.detail(bits, colour)


def carrot(rng: Random, easel: Easel) -> None:
    root = vary(rng, rng.choice(((240, 124, 30), (232, 104, 24), (246, 146, 56))))
    easel.ground(mix(root, (90, 35, 0), 0.55))
    girth, bend = rng.uniform(0.075, 0.12), rng.uniform(-0.05, 0.05)
    if rng.random() < 0.8:
        _greens(rng, easel, -0.3, 0.0)
    share = np.linspace(0, 1, 14)
    spine = np.stack([-0.28 + 0.75 * share, bend * np.sin(share * 3.1)], axis=1)
    profile = girth * (1 - 0.9 * share**1.2)
    dark = mix(root, (120, 40, 0), 0.45)
    easel.fill(outline(spine, profile), dark)
    for step in easel.steps(girth):
        ink = ramp(dark, root, mix(root, (255, 240, 200), 0.35), step)
        easel.fill(outline(spine, profile * (1 - 0.8 * step)), ink, 0.4 * girth * step)
    for index in rng.sample(range(1, 11), rng.randint(4, 7)):
        x, y = spine[index]
        side, width = rng.choice((-1, 1)), profile[index]
        ring = np.array(
            [[x, y + side * width * 0.85], [x + 0.012, y + side * width * 0.1]]
        )
        easel.stroke(ring, 0.011, mix(root, (120, 40, 0), 0.5))


def _greens(rng: Random, easel: Easel, x: float, y: float) -> None:
    green = vary(rng, (74, 150, 52), 14)
    for _ in range(rng.randint(4, 7)):
        turn = math.pi + rng.uniform(-0.75, 0.75)
        reach = rng.uniform(0.14, 0.24)
        share = np.linspace(0, 1, 7)[:, None]
        sag = rng.uniform(-0.05, 0.05) * share**2
        stem = np.array([x, y]) + share * reach * np.array(
            [math.cos(turn), math.sin(turn)]
        )
        leaf = stem + np.concatenate([np.zeros_like(sag), sag], axis=1)
        easel.stroke(leaf, 0.034, mix(green, (20, 60, 10), 0.45))
        easel.stroke(leaf, 0.02, green)
