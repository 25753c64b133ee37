"""The exported family: detectors as TorchScript or ONNX, boxes in upright frame pixels.

Ties an export, the layout of its answer and a version's configuration together. Must
not know where frames come from or where predictions go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from apps.inference import weights
from apps.inference.comparison import Candidates
from apps.inference.engines.exports import open_export
from apps.inference.exceptions import ConfigError
from apps.inference.predictors import layouts
from apps.inference.predictors.fields import Fields, is_whole
from apps.inference.predictors.letterboxed import detections, fit
from apps.inference.predictors.stopwatch import Stopwatch
from apps.inference.predictors.yolov5_config import are_labels
from apps.inference.preprocessing import Letterbox, blank, stack
from apps.inference.types import Decode, Frame, Infer, Prediction

FAMILY = "exported"
SMALLEST_SIDE, LARGEST_SIDE = 32, 2048
LARGEST_BATCH = 64


@dataclass(frozen=True, slots=True)
class ExportedConfig:
    """Checked values; `batch` is None where the network takes any number at once."""

    labels: tuple[str, ...]
    side: int
    batch: int | None
    layout: str
    score_threshold: float
    iou_threshold: float

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Take the fields that are known and leave others alone.

        Raises:
            ConfigError: a field is missing or says what it may not.
        """
        fields.take("family", f'"{FAMILY}"', lambda family: family == FAMILY)
        labels = fields.take("labels", "a list of different names", are_labels)
        side, _ = fields.take(
            "input_size",
            f"twice the same number, {SMALLEST_SIDE} to {LARGEST_SIDE}",
            _is_square,
        )
        batch = fields.take(
            "batch",
            f"null or a whole number up to {LARGEST_BATCH}",
            lambda said: said is None or (is_whole(said) and said <= LARGEST_BATCH),
        )
        return cls(
            labels=tuple(labels),
            side=side,
            batch=batch,
            layout=fields.choice("layout", layouts.LAYOUTS),
            score_threshold=fields.number("score_threshold", largest=1),
            iou_threshold=fields.number("iou_threshold", largest=1),
        )


def load(directory: Path, *, engine: str | None = None) -> ExportedPredictor:
    """Open the version in a directory on the engine of that name, or the likely best.

    Its checksum has been verified: TorchScript is a program.

    Raises:
        WeightsError, EngineError: with a sentence for the operator.
    """
    fields = Fields(weights.CONFIG_NAME, weights.read_config(directory))
    config = ExportedConfig.read(fields)
    path = weights.weight_files(directory)[0]
    if path.name not in weights.EXPORT_NAMES:
        raise ConfigError(
            f"{weights.CONFIG_NAME} is that of an exported network, but {path.name}"
            " holds weights alone."
        )
    return ExportedPredictor(path, config, engine)


class ExportedPredictor:
    def __init__(
        self, path: Path, config: ExportedConfig, engine: str | None = None
    ) -> None:
        self._config = config
        self._size = (config.side, config.side)
        example = stack([blank(self._size)] * (config.batch or 1))
        self._engine = open_export(path, example, engine)
        self.engine = self._engine.name
        self.bare = self._engine.bare
        self._refuse_other_layout(self._engine(example))

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        return self.prepare(frames)()() if frames else []

    def prepare(self, frames: Sequence[Frame]) -> Infer:
        stopwatch = Stopwatch()
        fitted = [fit(frame, self._size) for frame in frames]
        pictures = stack([picture for picture, _ in fitted])
        stopwatch.lap()
        boxes = [box for _, box in fitted]
        return lambda: self._infer(pictures, boxes, stopwatch)

    def _infer(
        self, pictures: Tensor, fitted: Sequence[Letterbox], stopwatch: Stopwatch
    ) -> Decode:
        stopwatch.go_on()
        answer = self._answer(pictures)
        stopwatch.lap()
        return lambda: self._decode(answer, fitted, stopwatch)

    def _decode(
        self, answer: Tensor, fitted: Sequence[Letterbox], stopwatch: Stopwatch
    ) -> list[Prediction]:
        stopwatch.go_on()
        selected = layouts.select(
            self._config.layout,
            answer,
            labels_count=len(self._config.labels),
            score_threshold=self._config.score_threshold,
            iou_threshold=self._config.iou_threshold,
        )
        found = [
            detections(kept, box, self._config.labels)
            for kept, box in zip(selected, fitted, strict=True)
        ]
        stopwatch.lap()
        timings = stopwatch.timings(len(fitted))
        return [Prediction(timings, detections=each) for each in found]

    def examine(self, frames: Sequence[Frame]) -> list[Candidates]:
        """All boxes, for whoever compares engines."""
        answer = self._answer(stack([fit(frame, self._size)[0] for frame in frames]))
        return layouts.candidates(
            self._config.layout,
            answer.clone(),
            labels_count=len(self._config.labels),
            side=self._config.side,
        )

    def _answer(self, pictures: Tensor) -> Tensor:
        """In single precision, by batches of the size that the network insists on."""
        size = self._config.batch
        if size is None:
            return self._engine(pictures).float()
        answers = []
        for batch in torch.split(pictures, size):
            count = len(batch)
            filling = batch[-1:].expand(size - count, -1, -1, -1)
            answer = self._engine(torch.cat((batch, filling)))[:count]
            # Copied, for the next batch may overwrite the answer to this one.
            answers.append(answer.to(torch.float32, copy=True))
        return torch.cat(answers)

    def _refuse_other_layout(self, answer: Tensor) -> None:
        seen = layouts.recognise(
            answer.shape, labels_count=len(self._config.labels), side=self._config.side
        )
        if seen != self._config.layout:
            raise ConfigError(
                f"The network answers in the layout {seen}, not"
                f" {self._config.layout} as {weights.CONFIG_NAME} says."
            )


def _is_square(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and value[0] == value[1]
        and all(is_whole(side) for side in value)
        and SMALLEST_SIDE <= value[0] <= LARGEST_SIDE
    )
