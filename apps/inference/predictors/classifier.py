"""The classifier family: frames in, the five likeliest labels out.

Takes convolutional networks as transformers saves them, and prepares pictures by the
recipe of their `preprocessor_config.json`. Must not know where frames come from or
where predictions go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForImageClassification
from transformers.utils.logging import disable_progress_bar

from apps.inference import weights
from apps.inference.engines.choice import compile_module
from apps.inference.exceptions import ConfigError
from apps.inference.predictors.fields import Fields, is_positive
from apps.inference.predictors.stopwatch import Stopwatch
from apps.inference.preprocessing import (
    Featurize,
    Image,
    blank,
    i420_to_rgb,
    resize_center_crop,
    stack,
    upright,
)
from apps.inference.types import Classification, Frame, Prediction

RECIPE_NAME = "preprocessor_config.json"

# The networks that are trained with the recipe below.
ARCHITECTURES = ("convnext", "convnextv2", "resnet")

BEST = 5

Interpolation = Literal["bilinear", "bicubic"]
_INTERPOLATIONS: dict[int, Interpolation] = {2: "bilinear", 3: "bicubic"}  # as Pillow's


@dataclass(frozen=True, slots=True)
class Recipe:
    """How pictures became tensors in training; `side` in pixels, channels in RGB."""

    side: int
    crop_fraction: float
    interpolation: Interpolation
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """The ConvNext recipe, which also is that of ResNet, and no other.

        Raises:
            ConfigError: a field is missing or asks for another recipe.
        """
        for step in ("do_resize", "do_normalize"):
            fields.take(step, "true", lambda said: said is True)
        size = fields.take(
            "size", "a shortest edge below 384 pixels", lambda size: _side(size) > 0
        )
        resample = fields.take(
            "resample",
            "2 (bilinear) or 3 (bicubic)",
            lambda said: said in tuple(_INTERPOLATIONS),
        )
        return cls(
            side=_side(size),
            crop_fraction=fields.number("crop_pct", largest=1),
            interpolation=_INTERPOLATIONS[resample],
            mean=tuple(fields.take("image_mean", "three numbers", _are_channels)),
            std=tuple(fields.take("image_std", "three numbers", _are_channels)),
        )

    def prepare(self, frame: Frame) -> Image:
        return resize_center_crop(
            upright(i420_to_rgb(frame), frame.rotation),
            self.side,
            crop_fraction=self.crop_fraction,
            interpolation=self.interpolation,
        )


def load(directory: Path, *, engine: str | None = None) -> ClassifierPredictor:
    """Build the version in a directory on the engine of that name, or the likely best.

    Raises:
        WeightsError, EngineError: with a sentence for the operator.
    """
    config = Fields(weights.CONFIG_NAME, weights.read_config(directory))
    config.take("model_type", f"one of {', '.join(ARCHITECTURES)}", _is_supported)
    labels = config.take("id2label", "an object of numbers and names", _are_labels)
    recipe = Recipe.read(
        Fields(RECIPE_NAME, weights.read_config(directory, RECIPE_NAME))
    )
    network = _pretrained(directory)
    names = [labels[str(number)] for number in range(len(labels))]
    return ClassifierPredictor(_Logits(network), names, recipe, engine)


class ClassifierPredictor:
    """Predicts with a network that answers features with logits [B, labels]."""

    def __init__(
        self,
        network: nn.Module,
        labels: Sequence[str],
        recipe: Recipe,
        engine: str | None = None,
    ) -> None:
        self._labels = labels
        self._recipe = recipe
        self._engine = compile_module(
            nn.Sequential(Featurize(recipe.mean, recipe.std), network),
            stack([blank((recipe.side, recipe.side))]),
            engine,
        )
        self.engine = self._engine.name

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        if not frames:
            return []
        stopwatch = Stopwatch()
        images = stack([self._recipe.prepare(frame) for frame in frames])
        stopwatch.lap()
        logits = self._engine(images)
        stopwatch.lap()
        classifications = self._best(logits)
        stopwatch.lap()
        timings = stopwatch.timings(len(frames))
        return [Prediction(timings, classifications=best) for best in classifications]

    def _best(self, logits: Tensor) -> list[tuple[Classification, ...]]:
        top = logits.float().softmax(dim=1).topk(min(BEST, len(self._labels)))
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


def _pretrained(directory: Path) -> nn.Module:
    weights.load_state_dict(directory)  # for our own words if it can't be read
    # A worker's log is no terminal.
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        network, report = AutoModelForImageClassification.from_pretrained(
            directory,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            # Or the configuration could name a kernel, which is code to be fetched.
            attn_implementation="eager",
            dtype=torch.float32,
            # What doesn't fit would stay at random and only be logged: we refuse it.
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except Exception as error:  # transformers raises whatever a field leads to
        raise ConfigError(
            f"{weights.CONFIG_NAME} describes a network that transformers can't build."
        ) from error
    _refuse_unfit(report)
    return cast(nn.Module, network)


def _refuse_unfit(report: dict[str, Any]) -> None:
    """Read transformers' own report of what it couldn't place."""
    mismatched: dict[str, tuple[torch.Size, torch.Size]] = {
        name: (given, wanted) for name, given, wanted in report["mismatched_keys"]
    }
    for name, (given, wanted) in mismatched.items():
        if name.startswith("classifier.") and given[1:] == wanted[1:]:
            weights.refuse_other_labels(in_weights=given[0], in_config=wanted[0])
    weights.refuse_unfit(
        [*report["missing_keys"], *report["unexpected_keys"], *mismatched]
    )


def _is_supported(model_type: Any) -> bool:
    return model_type in ARCHITECTURES


def _are_labels(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {str(number) for number in range(len(value))}
        and len(value) > 0
        and all(isinstance(label, str) and label for label in value.values())
    )


def _side(size: Any) -> int:
    """The shortest edge in pixels, zero for what the recipe doesn't cover.

    Older files say the number alone; from 384 on the recipe is another one.
    """
    side = size.get("shortest_edge") if isinstance(size, dict) else size
    return side if isinstance(side, int) and 0 < side < 384 else 0


def _are_channels(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(is_positive, value))
