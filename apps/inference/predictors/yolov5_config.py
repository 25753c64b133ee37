"""The `config.json` of a YOLOv5 version: which fields it has and what they may say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from apps.inference.predictors.fields import Fields, is_positive
from apps.inference.predictors.yolov5_network import STRIDES

# Wider than any published network, larger than any camera's picture: a slip of the pen
# must not eat the machine's memory.
LARGEST_MULTIPLE = 2.0
LARGEST_SIDE = 2048


@dataclass(frozen=True, slots=True)
class YOLOv5Config:
    """Checked values: `input_size` is (width, height), anchors are in pixels."""

    labels: tuple[str, ...]
    depth_multiple: float
    width_multiple: float
    anchors: tuple[tuple[float, ...], ...]
    input_size: tuple[int, int]
    score_threshold: float
    iou_threshold: float

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Take the fields that are known and leave others alone.

        Raises:
            ConfigError: a field is missing or says what it may not.
        """
        strides = list(STRIDES)
        fields.take("family", '"yolov5"', lambda family: family == "yolov5")
        fields.take("strides", str(strides), lambda said: said == strides)
        labels = fields.take("labels", "a list of different names", are_labels)
        anchors = fields.take(
            "anchors",
            f"{len(STRIDES)} lists of widths and heights, equally long",
            _are_anchors,
        )
        width, height = fields.take(
            "input_size",
            f"width and height, multiples of {max(STRIDES)} up to {LARGEST_SIDE}",
            _is_input_size,
        )
        return cls(
            labels=tuple(labels),
            depth_multiple=fields.number("depth_multiple", largest=LARGEST_MULTIPLE),
            width_multiple=fields.number("width_multiple", largest=LARGEST_MULTIPLE),
            anchors=tuple(tuple(map(float, level)) for level in anchors),
            input_size=(width, height),
            score_threshold=fields.number("score_threshold", largest=1),
            iou_threshold=fields.number("iou_threshold", largest=1),
        )


def are_labels(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(label, str) and label for label in value)
        and len(set(value)) == len(value)
    )


def _are_anchors(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == len(STRIDES)
        and all(isinstance(level, list) for level in value)
        and len({len(level) for level in value}) == 1
        and len(value[0]) in range(2, 21, 2)
        and all(is_positive(side) for level in value for side in level)
    )


def _is_input_size(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(
            isinstance(side, int)
            and side in range(max(STRIDES), LARGEST_SIDE + 1, max(STRIDES))
            for side in value
        )
    )
