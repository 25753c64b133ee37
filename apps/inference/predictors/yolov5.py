"""YOLOv5 detectors: frames in, boxes in upright frame pixels out."""

from __future__ import annotations

from apps.inference.predictors.yolov5_network import (
    DEFAULT_ANCHORS,
    STRIDES,
    YOLOv5,
)

__all__ = ["DEFAULT_ANCHORS", "STRIDES", "YOLOv5"]
