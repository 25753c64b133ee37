"""Puts drawn things into a picture, and measures what can be seen of them.

Boxes are tight around the pixels in view. Pictures are RGB and changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray

from apps.inference.starter.easel import Easel, Image, Pose, Sprite

BoxXYXY = tuple[float, float, float, float]
Drawing = Callable[[Random, Easel], None]

# Less of an object in view than this, and it gets no box.
_VISIBLE_SHARE = 0.4
_FEWEST_PIXELS = 12


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of a scene: what is drawn, in which design, where, and its label."""

    drawing: Drawing
    design: int
    pose: Pose
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """An RGB picture and (label, box xyxy in its pixels) of each object in view.

    `decoys` are boxes of the look-alikes, which have no label in the product.
    """

    image: NDArray[np.uint8]
    objects: tuple[tuple[str, BoxXYXY], ...]
    decoys: tuple[tuple[str, BoxXYXY], ...] = ()


def compose(
    picture: Image, things: Sequence[Thing], light: tuple[float, float] = (-0.5, -0.85)
) -> tuple[tuple[str, BoxXYXY], ...]:
    """Draw things in order, later ones on top, and say which boxes can be seen."""
    owners = np.zeros(picture.shape[:2], np.uint8)
    areas = []
    for number, thing in enumerate(things, start=1):
        easel = Easel(thing.pose, light)
        thing.drawing(Random(thing.design), easel)
        sprite = easel.finish()
        areas.append(int(np.count_nonzero(sprite.alpha > 127)))
        _cast_shadow(picture, sprite, thing.pose.length, light)
        _paste(picture, sprite)
        _claim(owners, sprite, number)
    return tuple(
        (thing.label, box)
        for number, thing in enumerate(things, start=1)
        if thing.label and (box := _visible_box(owners == number, areas[number - 1]))
    )


def _visible_box(mask: NDArray[np.bool_], area: int) -> BoxXYXY | None:
    """The box around the pixels in view, if these are enough of an object's `area`."""
    if np.count_nonzero(mask) < max(_VISIBLE_SHARE * area, _FEWEST_PIXELS):
        return None
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return float(x), float(y), float(x + width), float(y + height)


def _paste(picture: Image, sprite: Sprite) -> None:
    target, source = _overlap(picture, sprite)
    if not picture[target].size:
        return
    cover = cv2.merge([sprite.alpha[source]] * 3)
    ink = cv2.multiply(sprite.colour[source], cover, scale=1 / 255)
    rest = cv2.multiply(picture[target], cv2.bitwise_not(cover), scale=1 / 255)
    picture[target] = cv2.add(ink, rest)


def _claim(owners: Image, sprite: Sprite, number: int) -> None:
    """Note whose pixels these are now: what lies below lost them."""
    target, source = _overlap(owners, sprite)
    owners[target][sprite.alpha[source] > 127] = number


def _cast_shadow(
    picture: Image, sprite: Sprite, length: float, light: tuple[float, float]
) -> None:
    """Darken softly what lies on the far side of the light."""
    # A shadow has no detail: a quarter of the resolution costs a sixteenth.
    reach = max(2, round(0.05 * length))
    pad = 2 * reach
    padded = cv2.copyMakeBorder(
        sprite.alpha, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(0.0,)
    )
    size = (padded.shape[1], padded.shape[0])
    quarter = (max(1, size[0] // 4), max(1, size[1] // 4))
    soft = cv2.resize(padded, quarter, interpolation=cv2.INTER_AREA)
    soft = cv2.blur(soft, (max(1, reach // 3) | 1,) * 2)
    alpha: Image = cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR)
    x = sprite.left - pad - round(light[0] * reach)
    y = sprite.top - pad - round(light[1] * reach)
    shadow = Sprite(alpha, alpha, x, y)
    target, source = _overlap(picture, shadow)
    if picture[target].size:
        kept = cv2.convertScaleAbs(alpha[source], alpha=-0.4, beta=255)
        shade = cv2.merge([kept] * 3)
        picture[target] = cv2.multiply(picture[target], shade, scale=1 / 255)


_Window = tuple[slice, slice]


def _overlap(picture: Image, sprite: Sprite) -> tuple[_Window, _Window]:
    """Which part of the picture a sprite covers, and with which part of itself."""
    height, width = picture.shape[:2]
    sprite_height, sprite_width = sprite.alpha.shape
    x0, y0 = max(sprite.left, 0), max(sprite.top, 0)
    x1 = max(x0, min(sprite.left + sprite_width, width))
    y1 = max(y0, min(sprite.top + sprite_height, height))
    target = (slice(y0, y1), slice(x0, x1))
    source = (
        slice(y0 - sprite.top, y1 - sprite.top),
        slice(x0 - sprite.left, x1 - sprite.left),
    )
    return target, source
