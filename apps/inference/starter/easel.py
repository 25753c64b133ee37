"""The drawing surface of the starter scenes: one anti-aliased sprite, lit from a side.

It knows shapes, colours and where its sprite lands in the picture; it does not know
what is drawn on it. Colours are RGB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from apps.inference.starter.colours import Colour, mix, ramp
from apps.inference.starter.shapes import Points, outline

# Always uint8, RGB [H, W, 3] or grey [H, W]; OpenCV's annotations can't say so.
Image: TypeAlias = cv2.typing.MatLike

_FIXED_POINT_BITS = 4
# Half the canvas in object lengths: leaves, handles and outlines reach past ±0.5.
_REACH = 0.74
_LARGEST_SUPERSAMPLED_PX = 150


@dataclass(frozen=True, slots=True)
class Pose:
    """Where an object lies: centre and length in pixels, angle in radians.

    `squash` < 1 flattens it vertically, as a camera that looks at a table does.
    """

    x: float
    y: float
    length: float
    angle: float = 0.0
    squash: float = 1.0


@dataclass(frozen=True, slots=True)
class Sprite:
    """A drawn object: RGB [h, w, 3], alpha [h, w], and where its corner lies."""

    colour: Image
    alpha: Image
    left: int
    top: int


class Easel:
    """A canvas around one object, whose unit coordinates run from -0.5 to 0.5."""

    def __init__(self, pose: Pose, light: tuple[float, float]) -> None:
        self.sampling = 2 if pose.length <= _LARGEST_SUPERSAMPLED_PX else 1
        half = math.ceil(_REACH * pose.length) + 2
        self.left = math.floor(pose.x) - half
        self.top = math.floor(pose.y) - half
        side = (2 * half + 1) * self.sampling
        self.colour: Image = np.zeros((side, side, 3), np.uint8)
        self.alpha: Image = np.zeros((side, side), np.uint8)
        self.scale = pose.length * self.sampling
        self.light = np.array(light)
        self._centre = self.sampling * np.array(
            [pose.x - self.left, pose.y - self.top], np.float64
        )
        cos, sin = math.cos(pose.angle), math.sin(pose.angle)
        self._to_pixels = self.scale * np.array(
            [[cos, sin * pose.squash], [-sin, cos * pose.squash]]
        )
        self._stroke_scale = self.scale * math.sqrt(pose.squash)

    def ground(self, colour: Colour) -> None:
        """Fill what no shape covers, so that anti-aliased edges fade into `colour`."""
        self.colour[:] = np.asarray(colour, np.uint8)

    def fill(
        self,
        points: Points,
        colour: Colour,
        lift: float = 0.0,
        hole: Points | None = None,
    ) -> None:
        """Fill a polygon [n, 2]; `lift` moves it towards the light, in units."""
        shapes = [points] if hole is None else [points, hole]
        fixed = [self._fixed(shape, lift) for shape in shapes]
        for target, ink in ((self.colour, colour), (self.alpha, (255.0,))):
            cv2.fillPoly(target, fixed, ink, cv2.LINE_AA, shift=_FIXED_POINT_BITS)

    def detail(self, shapes: Sequence[Points], colour: Colour) -> None:
        """Fill small polygons inside what is already covered, all in one colour."""
        fixed = [self._fixed(points) for points in shapes]
        cv2.fillPoly(self.colour, fixed, colour, cv2.LINE_AA, shift=_FIXED_POINT_BITS)

    def stroke(self, points: Points, width: float, colour: Colour) -> None:
        """Draw an open line [n, 2] with round ends, `width` in units."""
        fixed = self._fixed(points)
        thickness = max(1, round(width * self._stroke_scale))
        for target, ink in ((self.colour, colour), (self.alpha, (255.0,))):
            cv2.polylines(
                target, [fixed], False, ink, thickness, cv2.LINE_AA, _FIXED_POINT_BITS
            )

    def cut(self, points: Points) -> None:
        """Make a hole through which the picture behind shows."""
        fixed = self._fixed(points)
        cv2.fillPoly(self.alpha, [fixed], 0, cv2.LINE_AA, shift=_FIXED_POINT_BITS)

    def shaded(
        self, points: Points, colour: Colour, *, depth: float, gloss: float = 0.25
    ) -> None:
        """Fill a star-shaped polygon as a rounded body, brightest towards the light.

        `depth` is its smallest half-width in units: how far the light wanders.
        """
        centre = points.mean(axis=0)
        dark, bright = (
            mix(colour, (40, 15, 10), 0.38),
            mix(colour, (255, 255, 245), gloss),
        )
        self.fill(points, dark)
        for share in self.steps(depth):
            shrunk = centre + (points - centre) * (1 - 0.82 * share)
            fixed = self._fixed(shrunk, 0.42 * depth * share)
            ink = ramp(dark, colour, bright, share)
            cv2.fillPoly(
                self.colour, [fixed], ink, cv2.LINE_AA, shift=_FIXED_POINT_BITS
            )

    def tube(
        self, spine: Points, radius: float, colour: Colour, *, gloss: float = 0.25
    ) -> None:
        """Draw a round-ended body along `spine` [n, 2], such as a bun or a sausage."""
        dark, bright = (
            mix(colour, (50, 15, 5), 0.38),
            mix(colour, (255, 255, 245), gloss),
        )
        self.fill(outline(spine, radius), dark)
        for share in self.steps(radius):
            fixed = self._fixed(
                outline(spine, radius * (1 - 0.9 * share)), 0.5 * radius * share
            )
            ink = ramp(dark, colour, bright, share)
            cv2.fillPoly(
                self.colour, [fixed], ink, cv2.LINE_AA, shift=_FIXED_POINT_BITS
            )

    def finish(self) -> Sprite:
        """The sprite at the picture's scale, cropped to what was drawn."""
        step = self.sampling
        x, y, width, height = cv2.boundingRect(self.alpha)
        x0, y0 = x // step * step, y // step * step
        x1, y1 = -(-(x + width) // step) * step, -(-(y + height) // step) * step
        colour, alpha = self.colour[y0:y1, x0:x1], self.alpha[y0:y1, x0:x1]
        if step > 1 and alpha.size:
            size = ((x1 - x0) // step, (y1 - y0) // step)
            colour = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
            alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        return Sprite(colour, alpha, self.left + x0 // step, self.top + y0 // step)

    def steps(self, radius: float) -> list[float]:
        """Shares up to 1 that make a shading without visible bands at this size."""
        count = min(14, max(3, int(radius * self.scale / 2.5)))
        return [(step + 1) / count for step in range(count)]

    def _fixed(self, points: Points, lift: float = 0.0) -> NDArray[np.int32]:
        pixels = (
            points @ self._to_pixels + self._centre + lift * self.scale * self.light
        )
        return np.rint(pixels * (1 << _FIXED_POINT_BITS)).astype(np.int32)
