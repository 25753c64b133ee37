"""The classifier family: frames in, the five likeliest labels out.

Takes any network that transformers saves for image classification. Must not know where
frames come from or where predictions go.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from apps.inference.comparison import Candidates
from apps.inference.engines.engine import Engine
from apps.inference.predictors.compiled import RecipeEngine, compile_with
from apps.inference.predictors.pretrained import (
    Pretrained,
    build_pretrained,
    read_pretrained,
    refuse_other_types,
)
from apps.inference.predictors.recipe import Batches, Recipe
from apps.inference.predictors.stopwatch import Stopwatch
from apps.inference.types import Classification, Decode, Frame, Infer, Prediction

BEST = 5

# What transformers trains classifiers for, but for numbers (regression).
EXCLUSIVE, INDEPENDENT = "single_label_classification", "multi_label_classification"


def load(directory: Path, *, engine: str | None = None) -> ClassifierPredictor:
    """Build the version in a directory on the engine of that name, or the likely best.

    Raises:
        WeightsError, EngineError: with a sentence for the operator.
    """
    version = read_pretrained(directory)
    problem = version.config.choice("problem_type", (EXCLUSIVE, INDEPENDENT))
    return ClassifierPredictor(
        compile_with(version.recipe, lambda: _build(version), directory, engine),
        version.labels,
        version.recipe,
        are_exclusive=problem == EXCLUSIVE and len(version.labels) > 1,
    )


def _build(version: Pretrained) -> nn.Module:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as MODEL_TYPES,
    )

    refuse_other_types(version, MODEL_TYPES, "classifies pictures")
    return _Logits(build_pretrained(version, "AutoModelForImageClassification"))


class ClassifierPredictor:
    """Predicts with an engine that answers pictures with logits [B, labels].

    Labels that are exclusive share a score of one; others each have their own.
    """

    def __init__(
        self,
        engine: Engine,
        labels: Sequence[str],
        recipe: Recipe,
        *,
        are_exclusive: bool = True,
    ) -> None:
        self._labels = labels
        self._recipe = recipe
        self._are_exclusive = are_exclusive
        self._network = RecipeEngine(engine)
        self.engine = engine.name
        self.bare = engine.bare

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        return self.prepare(frames)()() if frames else []

    def prepare(self, frames: Sequence[Frame]) -> Infer:
        stopwatch = Stopwatch()
        batches = self._recipe.batches(frames)
        stopwatch.lap()
        return lambda: self._infer(batches, stopwatch)

    def _infer(self, batches: Batches, stopwatch: Stopwatch) -> Decode:
        stopwatch.go_on()
        logits = self._network.answer(batches)
        stopwatch.lap()
        return lambda: self._decode(logits, stopwatch)

    def _decode(self, logits: Tensor, stopwatch: Stopwatch) -> list[Prediction]:
        stopwatch.go_on()
        best = self._best(self._scores(logits))
        stopwatch.lap()
        timings = stopwatch.timings(len(best))
        return [Prediction(timings, classifications=each) for each in best]

    def examine(self, frames: Sequence[Frame]) -> list[Candidates]:
        """The scores of all labels, for whoever compares engines."""
        scores = self._scores(self._network.answer(self._recipe.batches(frames)))
        return [Candidates(each[None]) for each in scores.cpu()]

    def _scores(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=1) if self._are_exclusive else logits.sigmoid()

    def _best(self, scores: Tensor) -> list[tuple[Classification, ...]]:
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
