"""The starter classifier: which network it is, how it learns, how well it does.

Knows the scenes and transformers' ResNet; not the loop that trains nor who asks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset, default_collate
from transformers import ResNetConfig, ResNetForImageClassification

from apps.inference.preprocessing import featurize, resize_center_crop
from apps.inference.starter.datasets import (
    CLASSIFIER_INPUT_SIDE,
    CLASSIFIER_LABELS,
    ClassifierExamples,
    held_out_seed,
    labelled_scene,
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
        hidden_sizes=[32, 64, 128, 192],
        depths=[2, 2, 1, 1],
        layer_type="basic",
        id2label=dict(enumerate(CLASSIFIER_LABELS)),
        label2id={label: index for index, label in enumerate(CLASSIFIER_LABELS)},
    )
    return ResNetForImageClassification(config)


class ClassifierTask:
    name = "starter-classifier"
    description = (
        "A small ResNet at 128 × 128 pixels, trained on procedurally drawn scenes: "
        "says whether a hot dog, one of five other foods or none of them is in view."
    )
    evaluation = (
        "Top-1 accuracy on held-out scenes of 320 × 240 pixels; of nine scenes, two "
        "show a hot dog, two none of the foods, and one each other food."
    )
    labels = CLASSIFIER_LABELS
    steps = 4500
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

    def save(self, network: nn.Module, directory: Path) -> None:
        """Write the version as transformers saves and reads it."""
        cast(ResNetForImageClassification, network).save_pretrained(directory)
        recipe = json.dumps(PREPROCESSOR_CONFIG, indent=2)
        (directory / "preprocessor_config.json").write_text(recipe + "\n")

    def evaluate(self, directory: Path, scenes: int) -> dict[str, Any]:
        """Measure the version in a directory on so many held-out scenes."""
        network = ResNetForImageClassification.from_pretrained(
            directory, local_files_only=True, use_safetensors=True
        )
        network.train(mode=False)
        pairs = [_judge(network, held_out_seed(index)) for index in range(scenes)]
        return {"held_out_scenes": scenes, **top1_figures(pairs)}


def top1_figures(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Figures of (said, true) labels; recall is each label's share that was found."""
    right = Counter(true for said, true in pairs if said == true)
    there = Counter(true for _, true in pairs)
    return {
        "top1": round(right.total() / len(pairs), 4),
        "recall": {
            label: round(right[label] / there[label], 4)
            for label in CLASSIFIER_LABELS
            if there[label]
        },
    }


@torch.inference_mode()
def _judge(network: nn.Module, seed: int) -> tuple[str, str]:
    """(what the network says, what is true) of one scene."""
    image, label = labelled_scene(seed)
    crop = resize_center_crop(image, CLASSIFIER_INPUT_SIDE, crop_fraction=1.0)
    logits = network(featurize([crop], mean=MEAN, std=STD)).logits
    return CLASSIFIER_LABELS[int(logits.argmax())], label


def normalise(images: Tensor) -> Tensor:
    """uint8 [B, 3, H, W] to what the network was made for."""
    features = images.contiguous(memory_format=torch.channels_last) / 255
    mean, std = features.new_tensor(MEAN), features.new_tensor(STD)
    return (features - mean.view(3, 1, 1)) / std.view(3, 1, 1)
