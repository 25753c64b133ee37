"""Frames into a letterbox of one size, and what is found there back to the frames."""

from __future__ import annotations

from collections.abc import Sequence

from apps.inference.boxes import Kept
from apps.inference.i420 import Image, i420_to_rgb, upright
from apps.inference.preprocessing import Letterbox, letterbox
from apps.inference.types import Box, Detection, Frame


def fit(frame: Frame, size: tuple[int, int]) -> tuple[Image, Letterbox]:
    return letterbox(upright(i420_to_rgb(frame), frame.rotation), size)


def detections(
    kept: Kept, fitted: Letterbox, labels: Sequence[str]
) -> tuple[Detection, ...]:
    boxes = [Box(*corners) for corners in fitted.to_frame(kept.boxes).tolist()]
    return tuple(
        Detection(box, labels[label], score)
        for box, score, label in zip(
            boxes, kept.scores.tolist(), kept.labels.tolist(), strict=True
        )
        # What lies in the padding alone is clipped to nothing.
        if box.x1 < box.x2 and box.y1 < box.y2
    )
