"""A registered classifier as it is trained further: its network, examples and loss.

Any network that transformers saves for image classification. Knows the files of a
version and pictures; not the loop that trains nor who asks.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from apps.inference import weights
from apps.inference.exceptions import ArchitectureError, InferenceError
from apps.inference.finetuning.augmentation import vary
from apps.inference.finetuning.growing import with_rows
from apps.inference.finetuning.naming import Places, with_new
from apps.inference.finetuning.order import Order, batch_size
from apps.inference.finetuning.pictures import Picture
from apps.inference.i420 import Image
from apps.inference.predictors.classifier import EXCLUSIVE, INDEPENDENT
from apps.inference.predictors.pretrained import build_pretrained, read_pretrained
from apps.inference.predictors.recipe import Recipe
from apps.inference.preprocessing import center_crop
from apps.inference.starter.datasets import labelled_scene
from apps.inference.starter.scenes import NOTHING

_SMOOTHING = 0.05
_SCENE_SIZE = (320, 240)
_NO_BOXES = np.zeros((0, 4), np.float32)


class ClassifierLesson:
    """It learns which names a picture has; boxes, if there are any, it doesn't see.

    A picture of nothing teaches the label “nothing” where the model has it. Where its
    labels share a score of one and none of them means nothing, such a picture is left
    out, for there is no right answer to it.
    """

    def __init__(
        self,
        directory: Path,
        pictures: Sequence[Picture],
        order: Order,
        learning_rate: float,
    ) -> None:
        version = read_pretrained(directory)
        problem = version.config.choice("problem_type", (EXCLUSIVE, INDEPENDENT))
        self._is_exclusive = problem == EXCLUSIVE and len(version.labels) > 1
        has_nothing = Places(version.labels).of(NOTHING) is not None
        self.used = [
            picture
            for picture in pictures
            if picture.names or has_nothing or not self._is_exclusive
        ]
        if not self.used:
            raise InferenceError(
                "No picture of the dataset has a label, without which a classifier"
                " learns nothing."
            )
        names = {name for picture in self.used for name in picture.names}
        self.labels = with_new(version.labels, names)
        self.seed, self.learning_rate = order.seed, learning_rate
        self._directory, self._recipe, self._order = directory, version.recipe, order
        built = build_pretrained(version, "AutoModelForImageClassification")
        self.network = _grown(built, self.labels)
        height, width = self._recipe.fit(np.zeros((240, 320, 3), np.uint8)).shape[:2]
        self.batch_size = batch_size((width, height))
        self._mean = torch.tensor(self._recipe.mean).view(3, 1, 1)
        self._std = torch.tensor(self._recipe.std).view(3, 1, 1)

    def examples(self) -> Dataset[Any]:
        return _Examples(self.used, self.labels, self._recipe, self._order)

    def collate(self, examples: list[Any]) -> tuple[Tensor, Tensor]:
        """One size for all: where the recipe keeps their shapes, their middles."""
        images = [image for image, _ in examples]
        height = min(image.shape[0] for image in images)
        width = min(image.shape[1] for image in images)
        cut = np.stack([center_crop(image, (width, height)) for image in images])
        return (
            torch.from_numpy(cut).permute(0, 3, 1, 2),
            torch.stack([target for _, target in examples]),
        )

    def loss(self, images: Tensor, targets: Tensor) -> Tensor:
        features = images.contiguous(memory_format=torch.channels_last) / 255
        logits = self.network((features - self._mean) / self._std).logits
        if self._is_exclusive:
            return functional.cross_entropy(logits, targets, label_smoothing=_SMOOTHING)
        return functional.binary_cross_entropy_with_logits(
            logits, targets.gt(0).to(logits)
        )

    def save(self, network: nn.Module, directory: Path) -> None:
        """Write the version as transformers saves and reads it."""
        cast(Any, network).save_pretrained(directory)
        recipe = self._directory / weights.RECIPE_NAME
        shutil.copyfile(recipe, directory / weights.RECIPE_NAME)


def _grown(network: nn.Module, labels: Sequence[str]) -> nn.Module:
    """The same network with a head for all labels.

    Raises:
        ArchitectureError: its head isn't one row a label.
    """
    config = copy.deepcopy(cast(Any, network).config)
    known = len(config.id2label)
    if len(labels) == known:
        return network
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    larger = type(network)(config)
    places = larger.state_dict()
    tensors = network.state_dict()
    for name, tensor in tensors.items():
        wanted = places[name].shape
        if tensor.shape == wanted:
            continue
        if (len(tensor), wanted[0]) != (known, len(labels)):
            raise ArchitectureError(
                f"The head of this network can't grow by a label: {name} isn't one row"
                " a label. Train it on labels that it knows."
            )
        tensors[name] = with_rows(tensor, len(labels))
    larger.load_state_dict(tensors)
    return larger


class _Examples(Dataset[tuple[Image, Tensor]]):
    """(uint8 [H, W, 3] as the recipe leaves it, the share [labels] of each label)."""

    def __init__(
        self,
        pictures: Sequence[Picture],
        labels: Sequence[str],
        recipe: Recipe,
        order: Order,
    ) -> None:
        self._pictures, self._places = pictures, Places(labels)
        self._count = len(labels)
        self._recipe, self._order = recipe, order

    def __getitem__(self, index: int) -> tuple[Image, Tensor]:
        if (scene := self._order.scene(index)) is not None:
            image, label = labelled_scene(scene, _SCENE_SIZE)
            return self._recipe.fit(image), self._target([label])
        picture = self._pictures[self._order.picture(index, len(self._pictures))]
        view, _, _ = vary(picture.read(), _NO_BOXES, self._order.random(index))
        return self._recipe.fit(view), self._target(picture.names or (NOTHING,))

    def _target(self, names: Sequence[str]) -> Tensor:
        """Several names share the picture; one that the model lacks is none."""
        target = torch.zeros(self._count)
        for name in names:
            if (place := self._places.of(name)) is not None:
                target[place] = 1.0
        return target / target.sum().clamp(min=1)
