"""Scenes as training examples, in the very geometry that the predictors use.

Which seeds train and which are held out is decided here and nowhere else: the two
never meet.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from apps.inference.hotdog import HOT_DOG
from apps.inference.preprocessing import letterbox, resize_center_crop
from apps.inference.starter.scenes import (
    DECOY_LABELS,
    LABELS,
    NOTHING,
    render_labelled_scene,
    render_scene,
)

FIRST_HELD_OUT_SEED = 1_000_000_000
# Far enough apart that two training seeds share no scene.
_SEEDS_PER_RUN = 10_000_000

DETECTOR_INPUT_SIZE = (320, 256)
CLASSIFIER_INPUT_SIDE = 128
# Look-alikes with labels of their own are told apart far sooner than mere background.
TRAINED_LABELS = (*LABELS, *DECOY_LABELS)
CLASSIFIER_LABELS = (*LABELS, NOTHING)
# Hot dogs and empty scenes twice as often as each other food.
_LABEL_CYCLE = (
    HOT_DOG,
    "banana",
    NOTHING,
    "pizza",
    HOT_DOG,
    "donut",
    NOTHING,
    "carrot",
    "cup",
)

_FRAME_SIZES = ((320, 240),) * 6 + ((320, 180),) * 2 + ((240, 320), (640, 480))
_SMALL_FRAME_SIZES = ((240, 180),) * 6 + ((256, 144),) * 2 + ((180, 240), (640, 480))


def training_seed(run_seed: int, index: int) -> int:
    """The scene seed of an example, never a held-out one."""
    return (run_seed * _SEEDS_PER_RUN + index) % FIRST_HELD_OUT_SEED


def held_out_seed(index: int) -> int:
    return FIRST_HELD_OUT_SEED + index


class DetectorExamples(Dataset[tuple[Tensor, Tensor]]):
    """(uint8 [3, H, W], objects [n, 5]: label index, then xyxy in input pixels)."""

    def __init__(self, run_seed: int) -> None:
        self._run_seed = run_seed

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        seed = training_seed(self._run_seed, index)
        width, height = _FRAME_SIZES[seed % len(_FRAME_SIZES)]
        scene = render_scene(seed, width, height)
        image, fitted = letterbox(scene.image, DETECTOR_INPUT_SIZE)
        scale = fitted.fitted[0] / width
        offset = torch.tensor((fitted.left, fitted.top) * 2)
        known = scene.objects + scene.decoys
        objects = torch.zeros(len(known), 5)
        for row, (label, box) in zip(objects, known, strict=True):
            row[0] = TRAINED_LABELS.index(label)
            row[1:] = torch.tensor(box) * scale + offset
        return _channels_first(image), objects


class ClassifierExamples(Dataset[tuple[Tensor, int]]):
    """(uint8 [3, side, side], label index)."""

    def __init__(self, run_seed: int) -> None:
        self._run_seed = run_seed

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        seed = training_seed(self._run_seed, index)
        size = _SMALL_FRAME_SIZES[seed % len(_SMALL_FRAME_SIZES)]
        image, label = labelled_scene(seed, size)
        crop = resize_center_crop(image, CLASSIFIER_INPUT_SIDE, crop_fraction=1.0)
        return _channels_first(crop), CLASSIFIER_LABELS.index(label)


def labelled_scene(
    seed: int, size: tuple[int, int] = (320, 240)
) -> tuple[NDArray[np.uint8], str]:
    """A classifier scene and the label that its seed stands for."""
    label = _LABEL_CYCLE[seed % len(_LABEL_CYCLE)]
    return render_labelled_scene(seed, label, *size), label


def collate_objects(
    examples: Sequence[tuple[Tensor, Tensor]],
) -> tuple[Tensor, Tensor]:
    """Stack images; number the objects by image: [N, 6] of image, label, xyxy."""
    numbered = [
        torch.cat([torch.full((len(objects), 1), float(index)), objects], dim=1)
        for index, (_, objects) in enumerate(examples)
    ]
    return torch.stack([image for image, _ in examples]), torch.cat(numbered)


def _channels_first(image: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
