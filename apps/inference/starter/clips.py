"""Renders video clips whose boxes are known in every frame, and writes them to files.

A clip is a sequence of segments: a hot dog, another food or nothing is in view. What
is shown enters, wanders, turns, comes nearer, and leaves. Pictures are RGB.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

import cv2
import numpy as np

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter import clutter
from apps.inference.starter.backgrounds import paint_background
from apps.inference.starter.camera import add_noise
from apps.inference.starter.composition import Drawing, Scene, Thing, compose
from apps.inference.starter.easel import Image, Pose
from apps.inference.starter.marker import draw_marker, strip_height
from apps.inference.starter.scenes import FOODS, UPRIGHT

# Chromium plays an MJPEG file at this rate whatever it holds.
FRAMES_PER_SECOND = 30
SMALLEST_SIDE, LARGEST_SIDE = 64, 4096
_PASSAGE_SHARE = 0.15
_NOISE_SIGMA = 2.5
_JPEG_QUALITY = 92


@dataclass(frozen=True, slots=True)
class Segment:
    """What is in view, a label of the scenes or None, and for how long."""

    label: str | None
    seconds: float = 4.0


CLIPS: dict[str, tuple[Segment, ...]] = {
    "tour": (
        Segment(HOT_DOG),
        Segment(None, 3),
        Segment("banana"),
        Segment(HOT_DOG),
        Segment(None, 2),
        Segment("pizza"),
        Segment("cup"),
    ),
    "hot-dog": (Segment(HOT_DOG, 8),),
    "nothing": (Segment(None, 8),),
    "other-food": tuple(Segment(label, 3) for label in FOODS if label != HOT_DOG),
}


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """A scene of a clip; `partly` names what is too little in view to have a box."""

    index: int
    scene: Scene
    partly: tuple[str, ...]


def check_size(width: int, height: int) -> None:
    """Raises: ValueError, where no clip of that size can be drawn and written."""
    for name, side in (("width", width), ("height", height)):
        if side % 2 or not SMALLEST_SIDE <= side <= LARGEST_SIDE:
            raise ValueError(
                f"The {name} must be an even number of pixels from {SMALLEST_SIDE} to "
                f"{LARGEST_SIDE}, not {side}."
            )


def render_clip(
    segments: Sequence[Segment],
    *,
    seed: int = 0,
    size: tuple[int, int] = (640, 480),
    marker: bool = True,
    every: int = 1,
) -> Iterator[ClipFrame]:
    """Render frame after frame, or each `every`th, the same for the same seed.

    `size` is (width, height), as `check_size` wants it.
    """
    check_size(*size)
    rng = Random(seed)
    backdrop = _backdrop(rng, *size)
    index = 0
    for segment in segments:
        path = _Path.draw(rng, *size)
        design = rng.randrange(2**32)
        count = round(segment.seconds * FRAMES_PER_SECOND)
        for share in np.linspace(0, 1, count):
            if index % every == 0:
                things = _things(segment, design, path, float(share))
                yield render_frame(backdrop, things, index, marker=marker)
            index += 1


def render_frame(
    backdrop: Image, things: Sequence[Thing], index: int, *, marker: bool
) -> ClipFrame:
    """Things before a backdrop, which stays as it is, with a camera's noise."""
    picture = backdrop.copy()
    height = picture.shape[0]
    # What the marker will hide is nobody's to see.
    free = picture[: height - strip_height(height)] if marker else picture
    objects = compose(free, things)
    picture = add_noise(Random(index), picture, _NOISE_SIGMA)
    if marker:
        draw_marker(picture, index)
    boxed = {label for label, _ in objects}
    partly = tuple(t.label for t in things if t.label and t.label not in boxed)
    return ClipFrame(index, Scene(np.asarray(picture, np.uint8), objects), partly)


def save_clip(frames: Iterable[ClipFrame], path: Path) -> Path:
    """Write the video (`.mjpeg` or `.y4m`) and beside it its boxes; gives their path.

    Raises:
        ValueError: another suffix.
    """
    writers = {".mjpeg": _write_jpeg, ".y4m": _write_y4m}
    if path.suffix not in writers:
        raise ValueError(f"{path.name}: a clip is written as .mjpeg or .y4m")
    truth: dict[str, Any] = {"frames_per_second": FRAMES_PER_SECOND, "frames": []}
    with path.open("wb") as file:
        for frame in frames:
            writers[path.suffix](file, frame)
            truth["height"], truth["width"] = frame.scene.image.shape[:2]
            truth["frames"].append(_as_json(frame))
    boxes = path.with_suffix(".json")
    boxes.write_text(json.dumps(truth))
    return boxes


@dataclass(frozen=True, slots=True)
class _Path:
    """A smooth way through the picture, from outside it and out again, in pixels."""

    centre: tuple[float, float]
    swing: tuple[float, float]
    length: float
    zoom: float
    turn: float
    spin: float
    outside: tuple[float, float]

    @classmethod
    def draw(cls, rng: Random, width: int, height: int) -> _Path:
        short = min(width, height)
        side = rng.choice((-1, 1))
        return cls(
            centre=(width * rng.uniform(0.42, 0.58), height * rng.uniform(0.42, 0.54)),
            swing=(width * rng.uniform(0.08, 0.16), height * rng.uniform(0.06, 0.12)),
            length=short * rng.uniform(0.42, 0.6),
            zoom=rng.uniform(0.1, 0.25),
            turn=rng.uniform(-0.4, 0.4),
            spin=rng.uniform(0.4, 1.4) * rng.choice((-1, 1)),
            outside=(side * (0.5 * width + short), rng.uniform(-0.2, 0.2) * height),
        )

    def pose(self, share: float) -> Pose:
        """Where the object is after a `share` of its segment."""
        away = max(0.0, 1 - min(share, 1 - share) / _PASSAGE_SHARE) ** 2
        phase = 2 * math.pi * share
        out = away if share < 0.5 else -away
        return Pose(
            x=self.centre[0] + self.swing[0] * math.sin(phase) + out * self.outside[0],
            y=self.centre[1]
            + self.swing[1] * math.sin(2 * phase)
            + away * self.outside[1],
            length=self.length * (1 + self.zoom * math.sin(phase)),
            angle=self.turn + self.spin * math.sin(phase),
            squash=0.9 + 0.1 * math.cos(phase),
        )


def _backdrop(rng: Random, width: int, height: int) -> Image:
    """A background with a few things that stay where they are."""
    picture = paint_background(rng, width, height)
    short = min(width, height)
    drawings: tuple[Drawing, ...] = (clutter.plate, clutter.cutlery, clutter.pen)
    things = [
        Thing(
            drawing,
            rng.randrange(2**32),
            Pose(
                rng.uniform(0, width),
                height * rng.uniform(0.1, 0.9),
                short * rng.uniform(0.25, 0.45),
                rng.uniform(0, 2 * math.pi),
            ),
        )
        for drawing in rng.sample(drawings, 2)
    ]
    compose(picture, things)
    return picture


def _things(segment: Segment, design: int, path: _Path, share: float) -> list[Thing]:
    if segment.label is None:
        return []
    pose, drawing = path.pose(share), FOODS[segment.label]
    if drawing in UPRIGHT:
        pose = replace(pose, angle=0.2 * pose.angle)
    return [Thing(drawing, design, pose, segment.label)]


def _write_jpeg(file: BinaryIO, frame: ClipFrame) -> None:
    bgr = cv2.cvtColor(frame.scene.image, cv2.COLOR_RGB2BGR)
    _, code = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    file.write(code.tobytes())


def _write_y4m(file: BinaryIO, frame: ClipFrame) -> None:
    height, width = frame.scene.image.shape[:2]
    if frame.index == 0:
        header = f"YUV4MPEG2 W{width} H{height} F{FRAMES_PER_SECOND}:1 Ip A1:1 C420\n"
        file.write(header.encode())
    i420 = cv2.cvtColor(frame.scene.image, cv2.COLOR_RGB2YUV_I420)
    file.write(b"FRAME\n" + i420.tobytes())


def _as_json(frame: ClipFrame) -> dict[str, Any]:
    return {
        "index": frame.index,
        "objects": [{"label": label, "box": box} for label, box in frame.scene.objects],
        "partly": frame.partly,
    }
