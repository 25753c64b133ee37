"""Thinks up scenes: which objects lie where before which background, by chance.

`render_scene` and `render_labelled_scene` are functions of their seed and size alone.
How things look and how they get into the picture is decided elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter import clutter, cups, foods, hotdogs
from apps.inference.starter.backgrounds import paint_background
from apps.inference.starter.camera import photograph
from apps.inference.starter.composition import Drawing, Scene, Thing, compose
from apps.inference.starter.easel import Pose

NOTHING = "nothing"
FOODS: dict[str, Drawing] = {
    HOT_DOG: hotdogs.hot_dog,
    "banana": foods.banana,
    "pizza": foods.pizza,
    "donut": foods.donut,
    "carrot": foods.carrot,
    "cup": cups.cup,
}
LABELS = tuple(FOODS)
_DECOYS: dict[str, Drawing] = {
    "bun": hotdogs.bun,
    "sausage": hotdogs.sausage,
    "sandwich": hotdogs.sandwich,
}
DECOY_LABELS = tuple(_DECOYS)
# Beside the star of a classifier scene, as a share of the picture's short side.
_LARGEST_EXTRA = 0.5
_CLUTTER: tuple[Drawing, ...] = (
    clutter.plate,
    clutter.cutlery,
    clutter.napkin,
    clutter.pen,
    clutter.phone,
    clutter.book,
    clutter.hand,
    clutter.person,
    clutter.block,
    clutter.block,
)

# What stands rather than lies: it hardly turns.
UPRIGHT: tuple[Drawing, ...] = (cups.cup, clutter.person)


def render_scene(seed: int, width: int = 320, height: int = 240) -> Scene:
    """A scene for the detector: up to five objects of any kind, or none."""
    rng = Random(seed)
    picture = paint_background(rng, width, height)
    things = _backdrop(rng, width, height)
    cast = _choose(rng)
    largest = 1.15 if len(cast) <= 2 else 0.7
    things += _scatter(rng, cast, width, height, largest=largest)
    seen = compose(picture, things, light=_light(rng))
    return Scene(
        image=np.asarray(photograph(rng, picture), np.uint8),
        objects=tuple(one for one in seen if one[0] in FOODS),
        decoys=tuple(one for one in seen if one[0] in _DECOYS),
    )


def render_labelled_scene(
    seed: int, label: str, width: int = 320, height: int = 240
) -> NDArray[np.uint8]:
    """A scene for the classifier whose centre square shows what `label` says.

    A hot dog may have any company; another food has no other food beside it; "nothing"
    means no food of `LABELS` at all, though often something that looks like one.
    """
    rng = Random(seed)
    picture = paint_background(rng, width, height)
    extras = [_extra(rng) for _ in range(rng.choice((0, 0, 1, 1, 2)))]
    if label == HOT_DOG and rng.random() < 0.3:
        extras.append(_food(rng, rng.choice(LABELS[1:])))
    things = _backdrop(rng, width, height)
    things += _scatter(rng, extras, width, height, largest=_LARGEST_EXTRA)
    if label != NOTHING:
        things.append(_star(rng, _food(rng, label), width, height))
    elif rng.random() < 0.6:
        # Or size alone would tell a hot dog from what looks like one.
        things.append(_star(rng, _decoy(rng), width, height))
    compose(picture, things, light=_light(rng))
    return np.asarray(photograph(rng, picture), np.uint8)


Cast = tuple[Drawing, str | None]


def _food(rng: Random, label: str | None = None) -> Cast:
    label = label or rng.choice(LABELS)
    return FOODS[label], label


def _extra(rng: Random) -> Cast:
    return _decoy(rng) if rng.random() < 0.4 else (rng.choice(_CLUTTER), None)


def _decoy(rng: Random) -> Cast:
    label = rng.choice(DECOY_LABELS)
    return _DECOYS[label], label


def _choose(rng: Random) -> list[Cast]:
    """Which objects a detector scene shows; a sixth of the scenes has no food."""
    cast: list[Cast] = [_extra(rng) for _ in range(rng.choice((0, 1, 1, 2, 2)))]
    if rng.random() < 0.16:
        return cast
    count = rng.choice((1, 1, 1, 2, 2, 3))
    cast += [_food(rng, HOT_DOG if rng.random() < 0.3 else None) for _ in range(count)]
    rng.shuffle(cast)
    return cast


def _backdrop(rng: Random, width: int, height: int) -> list[Thing]:
    """Now and then a person sits in front of the camera, behind everything else."""
    if rng.random() > 0.18:
        return []
    length = min(width, height) * rng.uniform(0.7, 1.3)
    x, y = rng.uniform(0.2, 0.8) * width, height - rng.uniform(0.2, 0.45) * length
    pose = _pose(rng, x, y, length, clutter.person)
    return [Thing(clutter.person, rng.randrange(2**32), pose)]


def _pose(rng: Random, x: float, y: float, length: float, drawing: Drawing) -> Pose:
    if drawing in UPRIGHT:
        return Pose(x, y, length, rng.gauss(0, 0.15), 1.0)
    angle = rng.uniform(0, 2 * math.pi) if rng.random() < 0.7 else rng.gauss(0, 0.2)
    return Pose(x, y, length, angle, rng.uniform(0.68, 1.0))


def _scatter(
    rng: Random, cast: Sequence[Cast], width: int, height: int, *, largest: float
) -> list[Thing]:
    """Give each object a pose; `largest` is a share of the picture's short side."""
    short = min(width, height)
    taken: list[Pose] = []
    things = []
    for drawing, label in cast:
        for _ in range(6):
            length = short * math.exp(rng.uniform(math.log(0.17), math.log(largest)))
            x, y = rng.uniform(0.02, 0.98) * width, rng.uniform(0.02, 0.98) * height
            if all(_apart(x, y, length, other) for other in taken):
                break
        pose = _pose(rng, x, y, length, drawing)
        taken.append(pose)
        things.append(Thing(drawing, rng.randrange(2**32), pose, label))
    return things


def _apart(x: float, y: float, length: float, other: Pose) -> bool:
    """Whether two objects at most touch each other's edge."""
    return math.hypot(x - other.x, y - other.y) > 0.38 * (length + other.length)


def _star(rng: Random, cast: Cast, width: int, height: int) -> Thing:
    """What decides a classifier scene: large enough, in the centre square."""
    short = min(width, height)
    length = short * math.exp(rng.uniform(math.log(0.4), math.log(1.15)))
    room = max(0.06 * short, 0.5 * short - 0.42 * length)
    x = width / 2 + rng.uniform(-room, room)
    y = height / 2 + rng.uniform(-room, room)
    drawing, label = cast
    return Thing(
        drawing, rng.randrange(2**32), _pose(rng, x, y, length, drawing), label
    )


def _light(rng: Random) -> tuple[float, float]:
    turn = math.radians(rng.uniform(-150, -40))
    return math.cos(turn), math.sin(turn)
