"""Networks pickled as YOLOv5's authors pickle theirs, made of empty classes.

The classes bear the official names while they are saved, and only then.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from unittest.mock import patch

import pytest
import torch
from torch import nn

from apps.inference.conversion.yolov5_checkpoint import convert
from apps.inference.predictors.yolov5_network import (
    Bottleneck,
    Detect,
    YOLOv5,
)

SOURCES = {12: [-1, 6], 16: [-1, 4], 19: [-1, 14], 22: [-1, 10], 24: [17, 20, 23]}

LABELS = ["hot dog", "pizza", "cup"]

_classes: dict[str, type[nn.Module]] = {}


def tiny(depth: float = 0.33, width: float = 0.125, labels: int = 3) -> YOLOv5:
    return YOLOv5(labels, depth, width).eval()


def checkpoint(network: nn.Module | None, **others: object) -> dict[str, object]:
    """The dictionary that official training leaves, once stripped."""
    return {"epoch": -1, "best_fitness": None, "model": network, "ema": None, **others}


def refused(error: type[Exception], match: str, path: Path, target: Path) -> None:
    """Conversion must fail with exactly this error and leave nothing behind."""
    with pytest.raises(error, match=match) as caught:
        convert(path, target)
    assert type(caught.value) is error
    assert list(target.iterdir()) == []


def official_class(name: str) -> type[nn.Module]:
    """An empty module class under the name; always the same one."""
    module, _, own = name.rpartition(".")
    made = type(own, (nn.Module,), {"__module__": module})
    return _classes.setdefault(name, cast("type[nn.Module]", made))


def official(
    network: YOLOv5,
    names: Any,
    *,
    root: str = "models.yolo.DetectionModel",
    yaml: Mapping[str, Any] | None = None,
) -> nn.Module:
    """The network as an object of the class `root`, with what its authors add."""
    layers = [_layer(network, number) for number in range(25)]
    for number, layer in enumerate(layers):
        kind = f"{type(layer).__module__}.{type(layer).__name__}"
        _set(layer, i=number, f=SOURCES.get(number, -1), type=kind)
    whole = official_class(root)()
    whole.model = nn.Sequential(*layers)
    strides = torch.tensor([8.0, 16.0, 32.0])
    _set(whole, names=names, stride=strides, inplace=True, save=[4, 6, 10, 14])
    if yaml is not None:
        _set(whole, yaml=dict(yaml))
    return whole.eval()


def save(path: Path, content: Any) -> Path:
    with _registered():
        torch.save(content, path)
    return path


def _layer(network: YOLOv5, number: int) -> nn.Module:
    if number in (11, 15):
        return nn.Upsample(None, 2, "nearest")
    if number in (12, 16, 19, 22):
        return _set(official_class("models.common.Concat")(), d=1)
    layer = _disguised(network.model[str(number)])
    if number == 9:
        layer.m = nn.MaxPool2d(5, 1, 2)
    return layer


def _disguised(part: nn.Module) -> nn.Module:
    if type(part).__module__.startswith("torch."):
        disguise = deepcopy(part)
    else:
        module = "yolo" if isinstance(part, Detect) else "common"
        disguise = official_class(f"models.{module}.{type(part).__name__}")()
    for name, child in part.named_children():
        disguise.add_module(name, _disguised(child))
    if isinstance(part, Bottleneck):
        _set(disguise, add=part.shortcut)
    if isinstance(part, Detect):
        disguise.register_buffer("anchors", part.anchors.clone())
        strides = torch.tensor([8.0, 16.0, 32.0])
        grid = [torch.zeros(1)] * 3
        _set(disguise, nc=part.outputs - 5, nl=3, stride=strides, grid=grid)
    return disguise


def _set(module: nn.Module, **attributes: Any) -> nn.Module:
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


@contextmanager
def _registered() -> Iterator[None]:
    modules: dict[str, ModuleType] = {}
    for name, made in _classes.items():
        path = name.split(".")
        for length in range(1, len(path)):
            parent = ".".join(path[:length])
            modules.setdefault(parent, ModuleType(parent))
        setattr(modules[".".join(path[:-1])], path[-1], made)
    with patch.dict(sys.modules, modules):
        yield
