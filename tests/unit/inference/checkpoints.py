"""Checkpoints in the file format in which YOLOv5 is published, read and written.

The format pickles the network as an object of classes that aren't ours; empty classes
of the same names stand in for them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

STAND_INS = {
    f"{module}.{name}": cast(
        "type[nn.Module]", type(name, (nn.Module,), {"__module__": module})
    )
    for module, name in (
        ("models.yolo", "DetectionModel"),
        ("models.yolo", "Model"),
        ("models.yolo", "Detect"),
        ("models.common", "Conv"),
        ("models.common", "C3"),
        ("models.common", "Bottleneck"),
        ("models.common", "SPPF"),
        ("models.common", "Concat"),
    )
}
TORCH_LAYERS: list[type] = [
    nn.BatchNorm2d,
    nn.Conv2d,
    nn.MaxPool2d,
    nn.ModuleList,
    nn.Sequential,
    nn.SiLU,
    nn.Upsample,
]


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], Any]:
    """The state dictionary in single precision, and the label names."""
    allowed: list[Any] = [(cls, name) for name, cls in STAND_INS.items()]
    with torch.serialization.safe_globals([*allowed, *TORCH_LAYERS]):
        checkpoint = torch.load(path, weights_only=True)
    network = checkpoint["model"]
    return network.float().state_dict(), network.names


def write_checkpoint(
    path: Path, tensors: dict[str, Tensor], root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pickle the tensors as an object of the class `root`, as its authors would."""
    for name, cls in STAND_INS.items():
        module_name, _, class_name = name.rpartition(".")
        for known in (module_name.partition(".")[0], module_name):
            module = sys.modules.get(known) or ModuleType(known)
            monkeypatch.setitem(sys.modules, known, module)
        setattr(sys.modules[module_name], class_name, cls)
    network = STAND_INS[root]()
    for name, tensor in tensors.items():
        *parents, leaf = name.split(".")
        layer: nn.Module = network
        for parent in parents:
            if parent not in dict(layer.named_children()):
                layer.add_module(parent, STAND_INS["models.common.Conv"]())
            layer = layer.get_submodule(parent)
        layer.register_buffer(leaf, tensor)
    labels = [f"label {number}" for number in range(80)]
    names = labels if root.endswith(".Model") else dict(enumerate(labels))
    network.names = names  # type: ignore[assignment]
    torch.save({"model": network.half()}, path)
