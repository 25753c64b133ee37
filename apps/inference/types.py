"""The words of inference as immutable values: frames in, predictions out.

Pure Python: this module knows no framework, so it runs on a machine that has only
torch. Boxes are `xyxy` in upright frame pixels; scores lie in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a session, as it lies in the mailbox.

    `pixels` is planar I420 (full-size Y, then quarter-size U and V), `width` × `height`
    even and as encoded; turning it clockwise by `rotation` degrees makes it upright.
    """

    session_id: str
    seq: int
    width: int
    height: int
    pixels: bytes | memoryview
    rotation: int = 0

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) once the picture is upright: what boxes are measured in."""
        if self.rotation % 180:
            return self.height, self.width
        return self.width, self.height


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle `xyxy` in upright frame pixels."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class Detection:
    box: Box
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification:
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Timings:
    """Where a frame's time in the worker went; a batch's time is shared evenly."""

    featurize_ms: float
    forward_ms: float
    decode_ms: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of a frame: a detector fills one list, a classifier the other.

    Both are sorted by score, best first.
    """

    timings: Timings
    detections: tuple[Detection, ...] = field(default=())
    classifications: tuple[Classification, ...] = field(default=())


# The steps that follow upon `prepare`: the forward pass, and from its answer to boxes
# or labels, in the frames' order.
Decode = Callable[[], list[Prediction]]
Infer = Callable[[], Decode]


class Predictor(Protocol):
    """A loaded model version: the only thing the worker needs to know of it."""

    engine: str

    def prepare(self, frames: Sequence[Frame]) -> Infer:
        """Featurize a batch, whose frames may differ in size.

        Each of the three steps may have a thread of its own: while one batch is in its
        forward pass, another may be featurized and the one before it decoded.
        """

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        """Answer a batch in order, all three steps at once."""
