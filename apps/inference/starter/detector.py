"""The starter detector: which network it is, how it learns, how well it does.

Knows the scenes and the YOLOv5 network; not the loop that trains nor who asks.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset

from apps.inference.predictors.yolov5_network import STRIDES, Detect, YOLOv5
from apps.inference.starter.datasets import (
    DETECTOR_INPUT_SIZE,
    DetectorExamples,
    collate_objects,
)
from apps.inference.starter.detection_loss import detection_loss
from apps.inference.starter.scenes import LABELS

# Shapes of what scenes show, in input pixels, three a level.
ANCHORS = (
    (34, 16, 22, 34, 42, 32),
    (74, 30, 40, 62, 62, 52),
    (116, 58, 80, 92, 140, 120),
)
CONFIG: dict[str, Any] = {
    "family": "yolov5",
    "depth_multiple": 0.33,
    "width_multiple": 0.25,
    "labels": list(LABELS),
    "anchors": [list(level) for level in ANCHORS],
    "strides": list(STRIDES),
    "input_size": list(DETECTOR_INPUT_SIZE),
    "score_threshold": 0.25,
    "iou_threshold": 0.45,
}


def build_detector() -> YOLOv5:
    return YOLOv5(
        labels_count=len(LABELS),
        depth_multiple=CONFIG["depth_multiple"],
        width_multiple=CONFIG["width_multiple"],
        anchors=ANCHORS,
    )


class DetectorTask:
    name = "starter-detector"
    steps = 3000
    batch_size = 16
    learning_rate = 2e-3

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.seed = seed
        self.network = build_detector()
        self._anchors = cast(Detect, self.network.model["24"]).anchors

    def examples(self) -> Dataset[Any]:
        return DetectorExamples(self.seed)

    def collate(self, examples: list[Any]) -> tuple[Tensor, Tensor]:
        return collate_objects(examples)

    def loss(self, images: Tensor, targets: Tensor) -> Tensor:
        features = images.contiguous(memory_format=torch.channels_last) / 255
        levels = cast("list[Tensor]", self.network(features))
        return detection_loss(levels, targets, self._anchors, STRIDES)
