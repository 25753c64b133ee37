"""The `config.json` of a YOLOv5 version: which fields it has and what they may say.

An operator's file is wrong sooner or later, so each refusal names the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeGuard

from apps.inference.exceptions import ConfigError
from apps.inference.predictors.yolov5_network import STRIDES

# Wider than any published network and any camera; a slip of the pen must not eat the
# machine's memory.
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
    def from_json(cls, config: Mapping[str, Any]) -> Self:
        """Take the fields that are known and leave others alone.

        Raises:
            ConfigError: a field is missing or says what it may not.
        """
        _require(config, "family", config.get("family") == "yolov5", '"yolov5"')
        strides = list(STRIDES)
        _require(config, "strides", config.get("strides") == strides, str(strides))
        return cls(
            labels=_labels(config),
            depth_multiple=_number(config, "depth_multiple", LARGEST_MULTIPLE),
            width_multiple=_number(config, "width_multiple", LARGEST_MULTIPLE),
            anchors=_anchors(config),
            input_size=_input_size(config),
            score_threshold=_number(config, "score_threshold", 1.0),
            iou_threshold=_number(config, "iou_threshold", 1.0),
        )


def _require(
    config: Mapping[str, Any], name: str, is_right: bool, expected: str
) -> None:
    if name not in config:
        raise ConfigError(f"config.json lacks the field {name}.")
    if not is_right:
        raise ConfigError(f"The field {name} in config.json must be {expected}.")


def _number(config: Mapping[str, Any], name: str, largest: float) -> float:
    value = config.get(name)
    is_right = _is_positive(value) and value <= largest
    _require(config, name, is_right, f"a number above 0 and at most {largest}")
    return float(config[name])


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    labels = config.get("labels")
    is_right = (
        isinstance(labels, list)
        and len(labels) > 0
        and all(isinstance(label, str) and label for label in labels)
        and len(set(labels)) == len(labels)
    )
    _require(config, "labels", is_right, "a list of different names")
    return tuple(config["labels"])


def _anchors(config: Mapping[str, Any]) -> tuple[tuple[float, ...], ...]:
    levels = config.get("anchors")
    is_right = (
        isinstance(levels, list)
        and len(levels) == len(STRIDES)
        and all(
            isinstance(level, list)
            and len(level) == len(levels[0]) > 0
            and len(level) % 2 == 0
            and all(map(_is_positive, level))
            for level in levels
        )
    )
    expected = f"{len(STRIDES)} lists of widths and heights, equally long"
    _require(config, "anchors", is_right, expected)
    return tuple(tuple(map(float, level)) for level in config["anchors"])


def _input_size(config: Mapping[str, Any]) -> tuple[int, int]:
    size = config.get("input_size")
    step = max(STRIDES)
    is_right = (
        isinstance(size, list)
        and len(size) == 2
        and all(
            isinstance(side, int) and side % step == 0 and 0 < side <= LARGEST_SIDE
            for side in size
        )
    )
    expected = f"width and height, multiples of {step} up to {LARGEST_SIDE}"
    _require(config, "input_size", is_right, expected)
    width, height = config["input_size"]
    return width, height


def _is_positive(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
