"""Draws what lies about in a picture and has no label: tableware, pens, hands, people.

Each function draws one design onto an easel, as the foods do.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np

from apps.inference.starter.colours import Colour, mix, vary
from apps.inference.starter.easel import Easel
from apps.inference.starter.shapes import blob, bow, ellipse, moved, rectangle

_STEEL: Colour = (176, 182, 190)
_SKINS: tuple[Colour, ...] = (
    (242, 206, 178),
    (224, 172, 134),
    (190, 130, 92),
    (140, 92, 64),
    (96, 64, 48),
)


def any_colour(rng: Random) -> Colour:
    return (rng.uniform(20, 250), rng.uniform(20, 250), rng.uniform(20, 250))


def plate(rng: Random, easel: Easel) -> None:
    glaze = vary(rng, rng.choice(((244, 244, 240), (190, 214, 226), (70, 84, 110))))
    easel.ground(mix(glaze, (40, 40, 50), 0.4))
    easel.shaded(ellipse((0, 0), 0.49, 0.49, count=44), glaze, depth=0.06, gloss=0.1)
    easel.fill(ellipse((0, 0), 0.345, 0.345, count=36), mix(glaze, (40, 40, 50), 0.16))
    easel.fill(ellipse((0, 0), 0.33, 0.33, count=36), mix(glaze, (255, 255, 255), 0.1))
    if rng.random() < 0.4:
        rim = ellipse((0, 0), 0.45, 0.45, count=44)
        easel.stroke(np.concatenate([rim, rim[:1]]), 0.014, any_colour(rng))


def cutlery(rng: Random, easel: Easel) -> None:
    steel = vary(rng, rng.choice((_STEEL, (222, 186, 110), (90, 92, 98))))
    easel.ground(mix(steel, (20, 20, 30), 0.5))
    dark, bright = mix(steel, (20, 20, 30), 0.4), mix(steel, (255, 255, 255), 0.55)
    kind = rng.choice(("fork", "knife", "spoon"))
    easel.tube(moved(bow(0.68), 0.14), 0.024, steel, gloss=0.6)
    if kind == "fork":
        easel.fill(rectangle(-0.3, -0.055, -0.2, 0.055), steel)
        for y in (-0.045, -0.015, 0.015, 0.045):
            easel.stroke(np.array([[-0.28, y], [-0.47, y]]), 0.016, steel)
        easel.stroke(np.array([[-0.21, -0.03], [-0.29, -0.03]]), 0.012, bright)
    elif kind == "knife":
        blade = np.array(
            [[-0.08, 0.03], [-0.42, 0.035], [-0.49, -0.02], [-0.08, -0.03]]
        )
        easel.fill(blade, steel)
        easel.stroke(moved(blade[:2], y=-0.012), 0.008, bright)
    else:
        easel.shaded(ellipse((-0.34, 0), 0.15, 0.09), steel, depth=0.06, gloss=0.6)
        easel.detail([ellipse((-0.34, 0.01), 0.11, 0.06)], dark)
        easel.detail([ellipse((-0.34, 0.02), 0.09, 0.04)], steel)


def napkin(rng: Random, easel: Easel) -> None:
    cloth = vary(rng, rng.choice(((246, 244, 238), (206, 70, 70), (120, 160, 190))))
    easel.ground(mix(cloth, (30, 30, 40), 0.4))
    width = rng.uniform(0.3, 0.42)
    easel.fill(rectangle(-0.42, -width, 0.42, width), cloth)
    fold = np.array([[-0.42, -width], [0.42, -width], [-0.42, width]])
    easel.detail([fold], mix(cloth, (255, 255, 255), 0.4))
    easel.stroke(fold[1:], 0.008, mix(cloth, (30, 30, 40), 0.3))
    hem = rectangle(-0.37, -width + 0.05, 0.37, width - 0.05)
    easel.stroke(
        np.concatenate([hem, hem[:1]]), 0.008, mix(cloth, any_colour(rng), 0.5)
    )


def pen(rng: Random, easel: Easel) -> None:
    paint = any_colour(rng)
    easel.ground(mix(paint, (10, 10, 10), 0.5))
    girth = rng.uniform(0.02, 0.04)
    easel.tube(moved(bow(0.76), 0.06), girth, paint, gloss=0.5)
    tip = np.array([[-0.32, -girth], [-0.32, girth], [-0.48, 0.003], [-0.48, -0.003]])
    easel.fill(tip, rng.choice(((232, 196, 150), (60, 60, 66), _STEEL)))
    easel.fill(np.array([[-0.45, -0.009], [-0.45, 0.009], [-0.5, 0.0]]), (40, 40, 44))
    easel.detail([rectangle(0.34, -girth, 0.4, girth)], (206, 206, 210))


def phone(rng: Random, easel: Easel) -> None:
    case = rng.choice(((30, 30, 34), (226, 226, 230), any_colour(rng)))
    easel.ground(mix(case, (10, 10, 10), 0.5))
    height = rng.uniform(0.22, 0.27)
    easel.fill(rectangle(-0.48, -height, 0.48, height), case)
    screen = mix(any_colour(rng), (20, 24, 40), rng.uniform(0.3, 0.9))
    easel.detail([rectangle(-0.44, -height * 0.88, 0.44, height * 0.88)], screen)
    tiles = [
        rectangle(x, y, x + 0.09, y + 0.09)
        for x in (-0.36, -0.2, -0.04, 0.12, 0.28)
        for y in (-0.14, 0.04)
    ]
    easel.detail(rng.sample(tiles, 6), any_colour(rng))


def book(rng: Random, easel: Easel) -> None:
    cover = any_colour(rng)
    easel.ground(mix(cover, (10, 10, 10), 0.5))
    height = rng.uniform(0.28, 0.42)
    easel.fill(rectangle(-0.46, -height + 0.03, 0.47, height + 0.03), (236, 230, 214))
    easel.fill(rectangle(-0.48, -height, 0.45, height), cover)
    easel.detail([rectangle(-0.48, -height, -0.41, height)], mix(cover, (0, 0, 0), 0.3))
    ink = mix(cover, (255, 255, 255), 0.7)
    for y in rng.sample((-0.22, -0.12, 0.0, 0.12, 0.2), 3):
        easel.stroke(np.array([[-0.3, y], [rng.uniform(0, 0.35), y]]), 0.025, ink)


def hand(rng: Random, easel: Easel) -> None:
    skin = vary(rng, rng.choice(_SKINS))
    easel.ground(mix(skin, (60, 20, 10), 0.5))
    if rng.random() < 0.7:
        sleeve = np.array([[0.4, -0.15], [0.4, 0.15], [0.62, 0.19], [0.62, -0.19]])
        easel.tube(np.array([[0.1, 0.0], [0.5, 0.0]]), 0.1, skin)
        easel.fill(sleeve, any_colour(rng))
    for index, (y, reach) in enumerate(
        ((-0.13, 0.3), (-0.045, 0.36), (0.04, 0.34), (0.12, 0.27))
    ):
        curl = rng.uniform(0.5, 1.0)
        root = np.array([0.02, y * 0.95])
        tip = moved(root, -reach * curl, (index - 1.5) * 0.03 * rng.uniform(0, 2))
        easel.tube(np.stack([root, (root + tip) / 2, tip]), 0.045, skin, gloss=0.15)
    easel.shaded(ellipse((0.08, 0.0), 0.19, 0.18), skin, depth=0.1, gloss=0.12)
    thumb = np.array([[0.12, 0.13], [0.0, 0.2], [-0.1, rng.uniform(0.16, 0.26)]])
    easel.tube(thumb, 0.05, skin, gloss=0.15)


def person(rng: Random, easel: Easel) -> None:
    """Head and shoulders: what a webcam mostly sees."""
    skin, hair = (
        vary(rng, rng.choice(_SKINS)),
        vary(
            rng,
            rng.choice(
                (
                    (40, 28, 24),
                    (96, 60, 34),
                    (210, 170, 96),
                    (150, 60, 30),
                    (160, 160, 164),
                )
            ),
        ),
    )
    shirt = any_colour(rng)
    easel.ground(mix(shirt, (10, 10, 10), 0.5))
    if rng.random() < 0.4:
        easel.fill(ellipse((0, -0.14), 0.24, 0.34), mix(hair, (0, 0, 0), 0.3))
    easel.shaded(ellipse((0, 0.5), 0.44, 0.3), shirt, depth=0.2, gloss=0.1)
    easel.tube(np.array([[0, 0.05], [0, 0.2]]), 0.09, mix(skin, (60, 20, 10), 0.2))
    easel.fill(ellipse((0, -0.18), 0.2, 0.25), hair)
    easel.shaded(ellipse((0, -0.12), 0.17, 0.225), skin, depth=0.12, gloss=0.12)
    turn = np.linspace(math.pi, 2 * math.pi, 16)
    fringe = np.stack([0.185 * np.cos(turn), -0.2 + 0.19 * np.sin(turn)], axis=1)
    easel.fill(fringe, hair)
    for side in (-1, 1):
        easel.detail([ellipse((side * 0.065, -0.13), 0.03, 0.018)], (250, 250, 250))
        easel.detail([ellipse((side * 0.065, -0.13), 0.014, 0.016)], (50, 36, 30))
        brow = np.array([[side * 0.035, -0.175], [side * 0.1, -0.18]])
        easel.stroke(brow, 0.016, mix(hair, (0, 0, 0), 0.3))
    nose = np.array([[0.0, -0.12], [0.018, -0.055], [-0.008, -0.05]])
    easel.stroke(nose, 0.012, mix(skin, (90, 30, 20), 0.3))
    smile = moved(bow(0.11, -rng.uniform(0.0, 0.03)), y=0.015)
    easel.stroke(smile, 0.018, mix(skin, (170, 30, 40), 0.6))


def block(rng: Random, easel: Easel) -> None:
    """A shape of no meaning, in any colour: so that colour alone decides nothing."""
    paint = any_colour(rng)
    easel.ground(mix(paint, (10, 10, 10), 0.5))
    kind = rng.random()
    if kind < 0.35:
        radius = rng.uniform(0.05, 0.2)
        count = rng.choice((1, 1, 2, 3))
        for index in range(count):
            rise = (index - (count - 1) / 2) * radius * 1.6
            ink = paint if count == 1 else any_colour(rng)
            easel.tube(
                moved(bow(1 - 2 * radius, rng.uniform(-0.1, 0.1)), y=rise), radius, ink
            )
    elif kind < 0.6:
        easel.shaded(blob(rng, 0, 0, 0.4, 0.2), paint, depth=0.2)
    elif kind < 0.8:
        easel.shaded(ellipse((0, 0), 0.45, rng.uniform(0.2, 0.45)), paint, depth=0.2)
    else:
        height = rng.uniform(0.1, 0.45)
        easel.fill(rectangle(-0.48, -height, 0.48, height), paint)
        lid = rectangle(-0.48, -height, 0.48, -height * rng.uniform(-0.2, 0.8))
        easel.detail([lid], mix(paint, (255, 255, 255), 0.25))
