"""The YOLOv5 family: frames in, boxes in upright frame pixels out.

Ties a network, the geometry and a version's configuration together. Must not know
where frames come from or where predictions go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from apps.inference import weights
from apps.inference.boxes import Kept, cxcywh_to_xyxy, non_max_suppression
from apps.inference.comparison import Candidates
from apps.inference.engines.choice import compile_network
from apps.inference.engines.engine import Engine
from apps.inference.engines.network import Network
from apps.inference.engines.torch import CPU
from apps.inference.predictors.fields import Fields
from apps.inference.predictors.letterboxed import detections, fit
from apps.inference.predictors.stopwatch import Stopwatch
from apps.inference.predictors.yolov5_config import YOLOv5Config
from apps.inference.predictors.yolov5_network import (
    DEFAULT_ANCHORS,
    STRIDES,
    YOLOv5,
)
from apps.inference.preprocessing import Featurize, Letterbox, blank, stack
from apps.inference.types import Decode, Frame, Infer, Prediction

__all__ = [
    "DEFAULT_ANCHORS",
    "STRIDES",
    "YOLOv5",
    "YOLOv5Config",
    "YOLOv5Predictor",
    "load",
]


def load(directory: Path, *, engine: str | None = None) -> YOLOv5Predictor:
    """Build the version in a directory on the engine of that name, or the likely best.

    Raises:
        WeightsError, EngineError: with a sentence for the operator.
    """
    fields = Fields(weights.CONFIG_NAME, weights.read_config(directory))
    config = YOLOv5Config.read(fields)
    network = Network(
        build=lambda: nn.Sequential(Featurize(), _build(directory, config)),
        example=stack([blank(config.input_size)]),
        identity=weights.fingerprint(directory),
    )
    return YOLOv5Predictor(compile_network(network, engine), config)


class YOLOv5Predictor:
    """Predicts with an engine that answers pictures as `YOLOv5` does features."""

    def __init__(self, engine: Engine, config: YOLOv5Config) -> None:
        self._config = config
        self._engine = engine
        self.engine = engine.name
        self.bare = engine.bare

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        return self.prepare(frames)()() if frames else []

    def prepare(self, frames: Sequence[Frame]) -> Infer:
        stopwatch = Stopwatch()
        fitted = [fit(frame, self._config.input_size) for frame in frames]
        images = stack([image for image, _ in fitted])
        stopwatch.lap()
        boxes = [box for _, box in fitted]
        return lambda: self._infer(images, boxes, stopwatch)

    def _infer(
        self, images: Tensor, fitted: Sequence[Letterbox], stopwatch: Stopwatch
    ) -> Decode:
        stopwatch.go_on()
        answer = self._engine(images)
        stopwatch.lap()
        return lambda: self._decode(answer, fitted, stopwatch)

    def _decode(
        self, answer: Tensor, fitted: Sequence[Letterbox], stopwatch: Stopwatch
    ) -> list[Prediction]:
        stopwatch.go_on()
        found = [
            detections(kept, box, self._config.labels)
            for kept, box in zip(self._select(answer), fitted, strict=True)
        ]
        stopwatch.lap()
        timings = stopwatch.timings(len(fitted))
        return [Prediction(timings, detections=each) for each in found]

    def examine(self, frames: Sequence[Frame]) -> list[Candidates]:
        """All boxes, for whoever compares engines."""
        answers = self._engine(
            stack([fit(frame, self._config.input_size)[0] for frame in frames])
        )
        return [
            Candidates(each[:, 4:5] * each[:, 5:], cxcywh_to_xyxy(each[:, :4]))
            for each in answers.to(CPU, torch.float32, copy=True)
        ]

    def _select(self, answer: Tensor) -> list[Kept]:
        return non_max_suppression(
            answer,
            score_threshold=self._config.score_threshold,
            iou_threshold=self._config.iou_threshold,
        )


def _build(directory: Path, config: YOLOv5Config) -> YOLOv5:
    tensors = weights.load_state_dict(directory)
    _check_labels(config, tensors)
    network = YOLOv5(
        len(config.labels), config.depth_multiple, config.width_multiple, config.anchors
    )
    weights.fill(network, tensors)
    return network


def _check_labels(config: YOLOv5Config, tensors: Mapping[str, Tensor]) -> None:
    head = tensors.get("model.24.m.0.weight")
    anchors_count = len(config.anchors[0]) // 2
    if head is None or head.shape[0] % anchors_count:
        return  # no YOLOv5 of these anchors, which `fill` says
    weights.refuse_other_labels(
        in_weights=head.shape[0] // anchors_count - 5, in_config=len(config.labels)
    )
