"""What Ultralytics' programs write beside a network that they export, checked."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from apps.inference.conversion.names import labels_of
from apps.inference.exceptions import ArchitectureError, LabelsError
from apps.inference.predictors.fields import is_whole
from apps.inference.predictors.layouts import YOLOV5, YOLOV8

AGPL = "AGPL-3.0"
# What both their exporters write, and nobody else does.
_ULTRALYTICS = {"stride", "names"}
_MAKERS = ("author", "license", "description")


@dataclass(frozen=True, slots=True)
class Metadata:
    """`size` is (height, width); it and `batch` are None where nothing is said."""

    labels: list[str]
    size: tuple[int, int] | None
    batch: int | None
    said: Mapping[str, Any]

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        """Take JSON's values, or Python's as text, as ONNX has them.

        Raises:
            LabelsError, ArchitectureError
        """
        values = {key: _value(value) for key, value in said.items()}
        names = values.get("names")
        if not names:
            raise LabelsError(
                "The file doesn't name its labels: export it again with YOLOv5's"
                " export.py or `yolo export`, which write them beside the network."
            )
        task = values.get("task", "detect")
        if task != "detect":
            raise ArchitectureError(
                f"The network was exported for the task {task}, and nothing here can"
                " show its answers: a network that detects is needed."
            )
        size, batch = _sizes(values)
        return cls(labels_of(_by_number(names)), size, batch, values)

    def licence(self, layout: str) -> str:
        words = " ".join(str(self.said.get(name, "")) for name in _MAKERS).lower()
        is_theirs = "ultralytics" in words or "agpl" in words
        if is_theirs or (
            layout in {YOLOV5, YOLOV8}
            and self.said.keys() >= _ULTRALYTICS
            and not self.said.get("license")
        ):
            return AGPL
        return str(self.said.get("license") or "")[:80]


def _value(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _by_number(names: Any) -> Any:
    """JSON's keys are text."""
    if not isinstance(names, dict):
        return names
    return {
        int(key) if isinstance(key, str) and key.isdecimal() else key: name
        for key, name in names.items()
    }


def _sizes(values: Mapping[str, Any]) -> tuple[tuple[int, int] | None, int | None]:
    batch, size = values.get("batch"), values.get("imgsz")
    shape = values.get("shape")  # of YOLOv5: [B, 3, H, W]
    if isinstance(shape, list | tuple) and len(shape) == 4:
        batch, size = shape[0], list(shape[2:])
    if is_whole(size):
        size = [size, size]
    known = None
    if isinstance(size, list | tuple) and len(size) == 2 and all(map(is_whole, size)):
        known = size[0], size[1]
    return known, batch if is_whole(batch) else None
