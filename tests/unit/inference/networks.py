"""Networks for tests: a lively YOLOv5, and a second, literal reading of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

import torch
from torch import Tensor, nn
from torch.nn import functional

from apps.inference.engines.torch import TorchEngine
from apps.inference.predictors.recipe import Recipe
from apps.inference.predictors.yolov5 import STRIDES, YOLOv5
from apps.inference.preprocessing import Featurize


def engine_of(network: nn.Module, recipe: Recipe | None = None) -> TorchEngine:
    """An engine that shows a network the features of the pictures it is given."""
    featurize = Featurize(recipe.mean, recipe.std) if recipe else Featurize()
    return TorchEngine(nn.Sequential(featurize, network).eval())


def lively(network: YOLOv5) -> YOLOv5:
    """Give random weights such statistics that the picture reaches the boxes.

    Freshly initialised, sixty layers damp every picture to the same answer, and a
    mistake in any of them would go unseen.
    """
    random = torch.Generator().manual_seed(7)
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    network.train()
    for norm in norms:
        norm.momentum = 1.0
        nn.init.uniform_(norm.weight, 0.8, 2.0, generator=random)
        nn.init.normal_(norm.bias, std=0.3, generator=random)
    with torch.no_grad():
        network(torch.rand(2, 3, 96, 128, generator=random))
        for name, tensor in network.named_parameters():
            if name.startswith("model.24.m") and name.endswith("weight"):
                tensor.mul_(3)
    return network.eval()


# Where a layer's input comes from (-1: the layer before), what it is, and its stride
# or whether its bottlenecks have shortcuts.
LAYERS: list[tuple[int | tuple[int, ...], str, int]] = [
    (-1, "conv", 2),
    (-1, "conv", 2),
    (-1, "c3", 1),
    (-1, "conv", 2),
    (-1, "c3", 1),
    (-1, "conv", 2),
    (-1, "c3", 1),
    (-1, "conv", 2),
    (-1, "c3", 1),
    (-1, "sppf", 0),
    (-1, "conv", 1),
    (-1, "upsample", 0),
    ((-1, 6), "concat", 0),
    (-1, "c3", 0),
    (-1, "conv", 1),
    (-1, "upsample", 0),
    ((-1, 4), "concat", 0),
    (-1, "c3", 0),
    (-1, "conv", 2),
    ((-1, 14), "concat", 0),
    (-1, "c3", 0),
    (-1, "conv", 2),
    ((-1, 10), "concat", 0),
    (-1, "c3", 0),
    ((17, 20, 23), "detect", 0),
]


class LiteralYOLOv5:
    """The published table of layers, followed row by row over a state dictionary."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors

    def __call__(self, images: Tensor) -> Tensor:
        outputs: list[Tensor] = []
        before = images
        for number, (source, kind, n) in enumerate(LAYERS):
            sources = source if isinstance(source, tuple) else (source,)
            inputs = [before if i == -1 else outputs[i] for i in sources]
            name = f"model.{number}"
            before = getattr(self, kind)(name, inputs, n)
            outputs.append(before)
        return before

    def conv(self, name: str, inputs: list[Tensor], stride: int) -> Tensor:
        weight = self.tensors[f"{name}.conv.weight"]
        padding = 2 if weight.shape[-1] == 6 else weight.shape[-1] // 2
        x = functional.conv2d(inputs[0], weight, None, stride, padding)
        mean, var, gain, bias = (
            self.tensors[f"{name}.bn.{of}"].view(-1, 1, 1)
            for of in ("running_mean", "running_var", "weight", "bias")
        )
        x = (x - mean) / torch.sqrt(var + 0.001) * gain + bias
        return x * torch.sigmoid(x)

    def c3(self, name: str, inputs: list[Tensor], shortcut: int) -> Tensor:
        x = self.conv(f"{name}.cv1", inputs, 1)
        for number in count():
            block = f"{name}.m.{number}"
            if f"{block}.cv1.conv.weight" not in self.tensors:
                break
            y = self.conv(f"{block}.cv2", [self.conv(f"{block}.cv1", [x], 1)], 1)
            x = x + y if shortcut else y
        past = self.conv(f"{name}.cv2", inputs, 1)
        return self.conv(f"{name}.cv3", [torch.cat([x, past], 1)], 1)

    def sppf(self, name: str, inputs: list[Tensor], _: int) -> Tensor:
        x = self.conv(f"{name}.cv1", inputs, 1)
        pooled = [functional.max_pool2d(x, side, 1, side // 2) for side in (5, 9, 13)]
        return self.conv(f"{name}.cv2", [torch.cat([x, *pooled], 1)], 1)

    def upsample(self, _: str, inputs: list[Tensor], __: int) -> Tensor:
        return inputs[0].repeat_interleave(2, 2).repeat_interleave(2, 3)

    def concat(self, _: str, inputs: list[Tensor], __: int) -> Tensor:
        return torch.cat(inputs, 1)

    def detect(self, name: str, inputs: list[Tensor], _: int) -> Tensor:
        anchors = self.tensors[f"{name}.anchors"]
        found = []
        for level, x in enumerate(inputs):
            weight = self.tensors[f"{name}.m.{level}.weight"]
            bias = self.tensors[f"{name}.m.{level}.bias"]
            answers = torch.sigmoid(functional.conv2d(x, weight, bias))
            for anchor, y in enumerate(answers.chunk(anchors.shape[1], dim=1)):
                cx = (2 * y[:, 0] - 0.5 + torch.arange(y.shape[3])) * STRIDES[level]
                cy = 2 * y[:, 1] - 0.5 + torch.arange(y.shape[2]).view(-1, 1)
                cy = cy * STRIDES[level]
                w, h = (
                    (2 * y[:, 2 + i]) ** 2 * anchors[level, anchor, i] * STRIDES[level]
                    for i in (0, 1)
                )
                box = torch.stack([cx, cy, w, h], dim=1)
                found.append(torch.cat([box, y[:, 4:]], dim=1).flatten(2))
        return torch.cat(found, dim=2).transpose(1, 2)
