"""The starter classifier: which network it is, how it learns, how well it does.

Knows the scenes and transformers' ResNet; not the loop that trains nor who asks.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset, default_collate
from transformers import ResNetConfig, ResNetForImageClassification

from apps.inference.starter.datasets import (
    CLASSIFIER_INPUT_SIDE,
    CLASSIFIER_LABELS,
    ClassifierExamples,
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Read as transformers' ConvNext image processor: the whole middle square is seen.
PREPROCESSOR_CONFIG: dict[str, Any] = {
    "image_processor_type": "ConvNextImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": CLASSIFIER_INPUT_SIDE},
    "crop_pct": 1.0,
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": list(MEAN),
    "image_std": list(STD),
}


def build_classifier() -> ResNetForImageClassification:
    config = ResNetConfig(
        embedding_size=32,
        hidden_sizes=[32, 64, 112, 176],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        id2label=dict(enumerate(CLASSIFIER_LABELS)),
        label2id={label: index for index, label in enumerate(CLASSIFIER_LABELS)},
    )
    return ResNetForImageClassification(config)


class ClassifierTask:
    name = "starter-classifier"
    steps = 2400
    batch_size = 32
    learning_rate = 2e-3

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.seed = seed
        self.network = build_classifier()

    def examples(self) -> Dataset[Any]:
        return ClassifierExamples(self.seed)

    def collate(self, examples: list[Any]) -> tuple[Tensor, Tensor]:
        images, labels = default_collate(examples)
        return images, labels

    def loss(self, images: Tensor, targets: Tensor) -> Tensor:
        logits = self.network(pixel_values=normalise(images)).logits
        return functional.cross_entropy(logits, targets, label_smoothing=0.05)


def normalise(images: Tensor) -> Tensor:
    """uint8 [B, 3, H, W] to what the network was made for."""
    features = images.contiguous(memory_format=torch.channels_last) / 255
    mean, std = features.new_tensor(MEAN), features.new_tensor(STD)
    return (features - mean.view(3, 1, 1)) / std.view(3, 1, 1)
