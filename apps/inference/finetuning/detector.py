"""A registered YOLOv5 as it is trained further: its network, examples and loss.

Knows the files of a version and pictures; not the loop that trains nor who asks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import Dataset

from apps.inference import weights
from apps.inference.exceptions import InferenceError
from apps.inference.finetuning.augmentation import Boxes, vary
from apps.inference.finetuning.growing import with_rows_of_anchors
from apps.inference.finetuning.naming import Places, with_new
from apps.inference.finetuning.order import Order, batch_size
from apps.inference.finetuning.pictures import Picture
from apps.inference.i420 import Image
from apps.inference.predictors.fields import Fields
from apps.inference.predictors.yolov5_config import YOLOv5Config
from apps.inference.predictors.yolov5_network import STRIDES, Detect, YOLOv5
from apps.inference.preprocessing import letterbox
from apps.inference.starter.datasets import collate_objects
from apps.inference.starter.detection_loss import detection_loss
from apps.inference.starter.scenes import DECOY_LABELS, render_scene

_HEAD = "model.24.m."
_SCENE_SIZE = (320, 240)
# A thing of fewer input pixels than that has no cell to be found in.
_LEAST_SIDE = 3.0


class DetectorLesson:
    """Boxes teach it where things are; a picture of nothing, where none are.

    A picture whose labels have no boxes can't say where, and is left out: as background
    it would teach that there is nothing.
    """

    def __init__(
        self,
        directory: Path,
        pictures: Sequence[Picture],
        order: Order,
        learning_rate: float,
    ) -> None:
        self.used = [picture for picture in pictures if picture.has_boxes]
        if not self.used:
            raise InferenceError(
                "No picture of the dataset has boxes, without which a detector learns"
                " nothing: draw some, or train a classifier."
            )
        self._config = weights.read_config(directory)
        config = YOLOv5Config.read(Fields(weights.CONFIG_NAME, self._config))
        names = {name for picture in self.used for name in picture.names}
        self.labels = with_new(config.labels, names)
        self.seed, self.learning_rate = order.seed, learning_rate
        self.batch_size = batch_size(config.input_size)
        self._order, self._input_size = order, config.input_size
        self._dtypes: dict[str, torch.dtype] = {}
        self.network = self._build(directory, config)
        self._anchors = cast(Detect, self.network.model["24"]).anchors

    def _build(self, directory: Path, config: YOLOv5Config) -> YOLOv5:
        tensors = weights.load_state_dict(directory)
        self._dtypes = {name: tensor.dtype for name, tensor in tensors.items()}
        shapes = len(config.anchors[0]) // 2
        for name in tensors:
            if name.startswith(_HEAD):
                tensors[name] = with_rows_of_anchors(
                    tensors[name], shapes, len(self.labels)
                )
        network = YOLOv5(
            len(self.labels),
            config.depth_multiple,
            config.width_multiple,
            config.anchors,
        )
        weights.fill(network, tensors)
        return network

    def examples(self) -> Dataset[Any]:
        return _Examples(self.used, self.labels, self._input_size, self._order)

    def collate(self, examples: list[Any]) -> tuple[Tensor, Tensor]:
        return collate_objects(examples)

    def loss(self, images: Tensor, targets: Tensor) -> Tensor:
        features = images.contiguous(memory_format=torch.channels_last) / 255
        levels = cast("list[Tensor]", self.network(features))
        return detection_loss(levels, targets, self._anchors, STRIDES)

    def save(self, network: nn.Module, directory: Path) -> None:
        """Write the version's files, as precise as its parent's."""
        tensors = {
            name: tensor.to(self._dtypes[name]).contiguous()
            for name, tensor in network.state_dict().items()
        }
        save_file(tensors, directory / weights.WEIGHTS_NAME)
        config = json.dumps({**self._config, "labels": self.labels}, indent=2)
        (directory / weights.CONFIG_NAME).write_text(config + "\n")


class _Examples(Dataset[tuple[Tensor, Tensor]]):
    """(uint8 [3, H, W], objects [n, 5]: label number, then xyxy in input pixels)."""

    def __init__(
        self,
        pictures: Sequence[Picture],
        labels: Sequence[str],
        input_size: tuple[int, int],
        order: Order,
    ) -> None:
        self._pictures, self._places = pictures, Places(labels)
        self._count = len(labels)
        self._input_size, self._order = input_size, order

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        random = self._order.random(index)
        if (scene := self._order.scene(index)) is not None:
            drawn = render_scene(scene, *_SCENE_SIZE)
            things = drawn.objects + drawn.decoys
            image, names = drawn.image, [label for label, _ in things]
            boxes = np.array([box for _, box in things], np.float32)
        else:
            picture = self._pictures[self._order.picture(index, len(self._pictures))]
            image, names = picture.read(), list(picture.names)
            boxes = np.array(picture.boxes, np.float32)
        image, boxes = self._fit(image, boxes.reshape(-1, 4))
        if scene is None:
            image, boxes, seen = vary(image, boxes, random)
        else:
            seen = np.ones(len(boxes), np.bool_)
        return _channels_first(image), self._objects(names, boxes, seen)

    def _label(self, name: str) -> int | None:
        """A look-alike is an object without a label, as when scenes were learned."""
        place = self._places.of(name)
        if place is None and name in DECOY_LABELS:
            return self._count
        return place

    def _fit(self, image: Image, boxes: Boxes) -> tuple[Image, Boxes]:
        fitted, geometry = letterbox(image, self._input_size)
        scale = np.divide(geometry.fitted, geometry.frame)
        offset = (geometry.left, geometry.top)
        placed = boxes * np.tile(scale, 2) + np.tile(offset, 2)
        return fitted, placed.astype(np.float32)

    def _objects(self, names: list[str], boxes: Boxes, seen: Any) -> Tensor:
        rows = [
            [float(label), *box]
            for name, box, is_seen in zip(names, boxes.tolist(), seen, strict=True)
            if is_seen
            and (label := self._label(name)) is not None
            and min(box[2] - box[0], box[3] - box[1]) >= _LEAST_SIDE
        ]
        return torch.tensor(rows, dtype=torch.float32).view(-1, 5)


def _channels_first(image: Image) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
