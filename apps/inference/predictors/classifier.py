"""The classifier family: frames in, the five likeliest labels out.

Takes any network that transformers saves for image classification. Must not know where
frames come from or where predictions go.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForImageClassification
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as MODEL_TYPES,
)

from apps.inference.engines.torch import best_device, optimise
from apps.inference.predictors.pretrained import load_pretrained, refuse_unanswering
from apps.inference.predictors.recipe import Recipe
from apps.inference.predictors.stopwatch import Stopwatch
from apps.inference.types import Classification, Frame, Prediction

BEST = 5

# What transformers trains classifiers for, but for numbers (regression).
EXCLUSIVE, INDEPENDENT = "single_label_classification", "multi_label_classification"


def load(directory: Path, *, device: torch.device | None = None) -> ClassifierPredictor:
    """Build the version in a directory, on CUDA where there is one unless told.

    Raises:
        WeightsError: with a sentence for the operator.
    """
    version = load_pretrained(
        directory,
        AutoModelForImageClassification,
        model_types=MODEL_TYPES,
        purpose="classifies pictures",
    )
    problem = version.config.choice("problem_type", (EXCLUSIVE, INDEPENDENT))
    network = _Logits(version.network)
    refuse_unanswering(network, version.recipe)
    return ClassifierPredictor(
        network,
        version.labels,
        version.recipe,
        device or best_device(),
        are_exclusive=problem == EXCLUSIVE and len(version.labels) > 1,
    )


class ClassifierPredictor:
    """Predicts with a network that answers features with logits [B, labels].

    Labels that are exclusive share a score of one; others each have their own.
    """

    def __init__(
        self,
        network: nn.Module,
        labels: Sequence[str],
        recipe: Recipe,
        device: torch.device,
        *,
        are_exclusive: bool = True,
    ) -> None:
        self._labels = labels
        self._recipe = recipe
        self._are_exclusive = are_exclusive
        self._engine = optimise(network, device)
        self.engine = self._engine.name

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        if not frames:
            return []
        stopwatch = Stopwatch()
        batches = self._recipe.featurize(frames, self._engine.device)
        stopwatch.lap()
        answers = [(numbers, self._engine(features)) for numbers, features in batches]
        stopwatch.lap()
        best = {
            number: classifications
            for numbers, logits in answers
            for number, classifications in zip(numbers, self._best(logits), strict=True)
        }
        stopwatch.lap()
        timings = stopwatch.timings(len(frames))
        return [
            Prediction(timings, classifications=best[number])
            for number in range(len(frames))
        ]

    def _best(self, logits: Tensor) -> list[tuple[Classification, ...]]:
        scores = logits.softmax(dim=1) if self._are_exclusive else logits.sigmoid()
        top = scores.topk(min(BEST, len(self._labels)))
        return [
            tuple(
                Classification(self._labels[label], score)
                for label, score in zip(labels, scores, strict=True)
            )
            for labels, scores in zip(
                top.indices.tolist(), top.values.tolist(), strict=True
            )
        ]


class _Logits(nn.Module):
    """Unpacks what transformers wraps, so that the engine sees tensors only."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.network(features).logits)
