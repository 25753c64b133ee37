"""The transformers-detector family: frames in, boxes in upright frame pixels out.

Takes the DETR-like networks that transformers saves for object detection: RT-DETR,
D-FINE, YOLOS and their relatives, which answer without non-maximum suppression. Must
not know where frames come from or where predictions go.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from apps.inference.boxes import Kept, cxcywh_to_xyxy
from apps.inference.comparison import Candidates
from apps.inference.engines.engine import Engine
from apps.inference.predictors.compiled import RecipeEngine, compile_with
from apps.inference.predictors.pretrained import (
    Pretrained,
    build_pretrained,
    read_pretrained,
    refuse_other_types,
)
from apps.inference.predictors.queries import Decoding
from apps.inference.predictors.recipe import Batches
from apps.inference.predictors.stopwatch import Stopwatch
from apps.inference.types import Box, Decode, Detection, Frame, Infer, Prediction

SCORE_THRESHOLD = 0.5


# By `model_type`; as their image processors in transformers decode them.
DECODINGS = {
    "conditional_detr": Decoding(best=100),
    "d_fine": Decoding(),
    "deformable_detr": Decoding(best=100),
    "deimv2": Decoding(),
    "detr": Decoding(has_no_object=True),
    "lw_detr": Decoding(best=100),
    "rt_detr": Decoding(),
    "rt_detr_v2": Decoding(),
    "table-transformer": Decoding(has_no_object=True),
    "yolos": Decoding(has_no_object=True),
}


def load(directory: Path, *, engine: str | None = None) -> DetectorPredictor:
    """Build the version in a directory on the engine of that name, or the likely best.

    Raises:
        WeightsError, EngineError: with a sentence for the operator.
    """
    version = read_pretrained(directory)
    refuse_other_types(version, DECODINGS, f"detects objects: {', '.join(DECODINGS)}")
    threshold = version.config.number(
        "score_threshold", largest=1, default=SCORE_THRESHOLD
    )
    compiled = compile_with(version.recipe, lambda: _build(version), directory, engine)
    return DetectorPredictor(compiled, version, score_threshold=threshold)


def _build(version: Pretrained) -> nn.Module:
    return _BoxesAndLogits(build_pretrained(version, "AutoModelForObjectDetection"))


class DetectorPredictor:
    """Predicts with an engine that answers pictures as `Decoding` takes them."""

    def __init__(
        self,
        engine: Engine,
        version: Pretrained,
        *,
        score_threshold: float = SCORE_THRESHOLD,
    ) -> None:
        self._labels = version.labels
        self._recipe = version.recipe
        self._decoding = DECODINGS[version.model_type]
        self._score_threshold = score_threshold
        self._network = RecipeEngine(engine)
        self.engine = engine.name
        self.bare = engine.bare

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        return self.prepare(frames)()() if frames else []

    def prepare(self, frames: Sequence[Frame]) -> Infer:
        stopwatch = Stopwatch()
        batches = self._recipe.batches(frames)
        stopwatch.lap()
        return lambda: self._infer(frames, batches, stopwatch)

    def _infer(
        self, frames: Sequence[Frame], batches: Batches, stopwatch: Stopwatch
    ) -> Decode:
        stopwatch.go_on()
        answer = self._network.answer(batches)
        stopwatch.lap()
        return lambda: self._decode(answer, frames, stopwatch)

    def _decode(
        self, answer: Tensor, frames: Sequence[Frame], stopwatch: Stopwatch
    ) -> list[Prediction]:
        stopwatch.go_on()
        selected = self._decoding.select(answer, self._score_threshold)
        found = [
            self._detections(kept, frame)
            for kept, frame in zip(selected, frames, strict=True)
        ]
        stopwatch.lap()
        timings = stopwatch.timings(len(frames))
        return [Prediction(timings, detections=each) for each in found]

    def examine(self, frames: Sequence[Frame]) -> list[Candidates]:
        """All queries, for whoever compares engines; boxes in upright frame pixels."""
        answer = self._network.answer(self._recipe.batches(frames)).cpu()
        boxes = cxcywh_to_xyxy(answer[..., :4])
        return [
            Candidates(scores, corners * corners.new_tensor(frame.upright_size * 2))
            for scores, corners, frame in zip(
                self._decoding.scores(answer), boxes, frames, strict=True
            )
        ]

    def _detections(self, kept: Kept, frame: Frame) -> tuple[Detection, ...]:
        limit = kept.boxes.new_tensor(frame.upright_size * 2)
        corners = (kept.boxes * limit).clamp(torch.zeros_like(limit), limit)
        boxes = [Box(*sides) for sides in corners.tolist()]
        return tuple(
            Detection(box, self._labels[label], score)
            for box, score, label in zip(
                boxes, kept.scores.tolist(), kept.labels.tolist(), strict=True
            )
            # What lies beside the picture is clipped to nothing.
            if box.x1 < box.x2 and box.y1 < box.y2
        )


class _BoxesAndLogits(nn.Module):
    """Unpacks what transformers wraps, so that the engine sees one tensor only."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        answer = self.network(features)
        return torch.cat((answer.pred_boxes, answer.logits), dim=-1)
