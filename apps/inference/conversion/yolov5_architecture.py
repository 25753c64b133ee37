"""Whether a pickled network is the YOLOv5 that `yolov5_network` builds, part by part.

Tensors that fit don't suffice: another activation, stride or wiring fits as well and
answers nonsense. Knows pickled modules by name, and nothing of files or labels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn, TypeGuard

import torch
from torch import Tensor, nn

from apps.inference.conversion.torch_pickle import Remnant
from apps.inference.exceptions import ArchitectureError, NotFiniteError
from apps.inference.predictors.yolov5_config import LARGEST_MULTIPLE
from apps.inference.predictors.yolov5_network import (
    STRIDES,
    Bottleneck,
    Detect,
    YOLOv5,
    scaled_depth,
    scaled_width,
)

HEAD = "model.24"
EXPORT_IT = "Export it to ONNX or TorchScript and add that."

# Above any network's count: a pickle may hold one object many times over.
MOST_MODULES = 10_000
DEEPEST_PATH = 10

_NAME = re.compile(r"\w{1,40}", re.ASCII)

_CONV, _C3, _SPPF, _CONCAT = (
    f"models.common.{name}" for name in ("Conv", "C3", "SPPF", "Concat")
)
_UPSAMPLE = "torch.nn.modules.upsampling.Upsample"
_MAX_POOLING = "torch.nn.modules.pooling.MaxPool2d"
_DETECT = "models.yolo.Detect"
# fmt: off
_LAYERS = (
    _CONV, _CONV, _C3, _CONV, _C3, _CONV, _C3, _CONV, _C3, _SPPF,
    _CONV, _UPSAMPLE, _CONCAT, _C3, _CONV, _UPSAMPLE, _CONCAT, _C3,
    _CONV, _CONCAT, _C3, _CONV, _CONCAT, _C3, _DETECT,
)
# fmt: on
# Where layers take their input from, if not from the layer before.
_SOURCES: Mapping[int, Any] = {
    12: [-1, 6],
    16: [-1, 4],
    19: [-1, 14],
    22: [-1, 10],
    24: [17, 20, 23],
}

# What changes a part's answer and no tensor's shape, under its official name. The
# first are compared with our network, the others have no counterpart in it.
_BEHAVIOUR: Mapping[type[nn.Module], Mapping[str, str]] = {
    nn.Conv2d: {
        "stride": "stride",
        "padding": "padding",
        "dilation": "dilation",
        "groups": "groups",
        "padding_mode": "padding_mode",
    },
    nn.BatchNorm2d: {"eps": "eps"},
    Bottleneck: {"add": "shortcut"},
}
_POOLING = "model.9.m"
_UNNAMED: Mapping[str, Mapping[str, Any]] = {
    _POOLING: {"kernel_size": 5, "stride": 1, "padding": 2, "dilation": 1},
    **{
        f"model.{number}": {"scale_factor": 2, "mode": "nearest", "size": None}
        for number in (11, 15)
    },
    **{f"model.{number}": {"d": 1} for number in (12, 16, 19, 22)},
}
# What training on several cards leaves; it answers as the other does.
_SAME = {
    "torch.nn.modules.batchnorm.SyncBatchNorm": "torch.nn.modules.batchnorm.BatchNorm2d"
}
# Officially computed from the anchors, and in old files stored beside them.
_DERIVED = {f"{HEAD}.anchor_grid"}

# For files that don't say their multiples, or not those they have.
_DEPTHS = (0.33, 0.67, 1.0, 1.33, *(step / 180 for step in range(1, 361)))


class PickledNetwork:
    """A pickled network's modules and tensors by the names that PyTorch gives them.

    Only those under `model` answer; a loss beside them, say, is left alone.
    """

    def __init__(self, root: Remnant) -> None:
        """Raises ArchitectureError if there are too many to be a network."""
        self.modules: dict[str, Remnant] = {}
        layers = _part(root, "_modules").get("model")
        waiting = [("model", layers)] if isinstance(layers, Remnant) else []
        while waiting:
            path, module = waiting.pop()
            self.modules[path] = module
            for name, child in _part(module, "_modules").items():
                if isinstance(child, Remnant):
                    waiting.append((_joined(path, name), child))
            if len(self.modules) + len(waiting) > MOST_MODULES:
                raise ArchitectureError("The file holds more layers than any YOLOv5.")
        self.tensors = {
            _joined(path, name): tensor.detach()
            for path, module in self.modules.items()
            for kind in ("_parameters", "_buffers")
            for name, tensor in _part(module, kind).items()
            if isinstance(tensor, Tensor)
        }

    def kind(self, path: str) -> str:
        module = self.modules.get(path)
        name = module.pickled_name if module else "missing"
        return _SAME.get(name, name)

    def says(self, path: str, name: str) -> Any:
        """A plain attribute of a module; None where there is none."""
        module = self.modules.get(path)
        value = module.state.get(name) if module else None
        return value if _is_plain(value) else None

    def strides(self) -> list[float]:
        """Pixels a cell of each map that the last layer answers with."""
        heads = [
            module.state.get("stride")
            for module in self.modules.values()
            if module.pickled_name == _DETECT
        ]
        if len(heads) == 1 and isinstance(heads[0], Tensor) and heads[0].numel() <= 8:
            return [float(stride) for stride in heads[0].flatten()]
        return []


def refuse_other_layers(theirs: PickledNetwork) -> None:
    """Compare the layers and their wiring with the published table.

    Raises:
        ArchitectureError
    """
    for number, expected in enumerate(_LAYERS):
        path = f"model.{number}"
        if theirs.kind(path) != expected:
            _refuse(path, theirs.kind(path), expected)
        if theirs.says(path, "f") != _SOURCES.get(number, -1):
            _refuse(path, "wired otherwise", "as published")
    if theirs.strides() != list(STRIDES):
        _refuse(HEAD, "of other strides", f"of {STRIDES}")


def multiples(
    theirs: PickledNetwork, depth: object, width: object
) -> tuple[float, float]:
    """The depth and width multiples: those the file says where they are true.

    Raises:
        ArchitectureError: no multiple gives such layers.
    """
    narrowest = _channels(theirs, "model.0.conv.weight")
    widest = _channels(theirs, "model.9.cv2.conv.weight")
    bottlenecks = [_length(theirs, f"model.{number}.m") for number in (2, 4, 6)]

    for own_depth in (depth, *_DEPTHS):
        if _is_multiple(own_depth) and bottlenecks == [
            scaled_depth(repeats, own_depth) for repeats in (3, 6, 9)
        ]:
            break
    else:
        _refuse("its depth", f"{bottlenecks}", "any multiple of the published one")
    # Rounding up to eights once or twice is the same, so the widest layer tells.
    for own_width in (width, widest / 1024):
        if _is_multiple(own_width) and [narrowest, widest] == [
            scaled_width(channels, own_width) for channels in (64, 1024)
        ]:
            return own_depth, own_width
    _refuse(
        "its width", f"{narrowest} to {widest}", "any multiple of the published one"
    )


def fitting_tensors(theirs: PickledNetwork, ours: YOLOv5) -> dict[str, Tensor]:
    """Copies of all tensors that `ours` has places for, if the two are the same.

    Raises:
        ArchitectureError, NotFiniteError
    """
    _refuse_other_parts(theirs, ours)
    places = ours.state_dict()
    tensors = {
        name: tensor for name, tensor in theirs.tensors.items() if name not in _DERIVED
    }
    unfit = sorted(
        name
        for name in places.keys() | tensors.keys()
        if name not in places
        or name not in tensors
        or places[name].shape != tensors[name].shape
        or places[name].is_floating_point() != tensors[name].is_floating_point()
    )
    if unfit:
        raise ArchitectureError(
            "The network isn't a YOLOv5 of releases 6 or 7; tensors missing, unknown or"
            f" of another size: {len(unfit)}, first {unfit[0]}. {EXPORT_IT}"
        )
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise NotFiniteError(
                f"The weights aren't all numbers: {name} holds NaN or infinity. Its"
                " training went wrong; take an earlier checkpoint."
            )
    return {
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }


def _refuse_other_parts(theirs: PickledNetwork, ours: YOLOv5) -> None:
    parts = {
        path: part for path, part in ours.named_modules() if path.startswith("model.")
    }
    numbered = {f"model.{number}" for number in range(len(_LAYERS))}
    unknown = theirs.modules.keys() - parts.keys() - numbered - {"model", _POOLING}
    if unknown:
        path = min(unknown)
        _refuse(path, theirs.kind(path), "absent")
    for path, part in parts.items():
        if theirs.kind(path) != _official_name(part):
            _refuse(path, theirs.kind(path), _official_name(part))
        for official, own in _BEHAVIOUR.get(type(part), {}).items():
            _refuse_other_value(theirs, path, official, getattr(part, own))
    if theirs.kind(_POOLING) != _MAX_POOLING:
        _refuse(_POOLING, theirs.kind(_POOLING), _MAX_POOLING)
    for path, expected in _UNNAMED.items():
        for name, value in expected.items():
            _refuse_other_value(theirs, path, name, value)


def _refuse_other_value(
    theirs: PickledNetwork, path: str, name: str, expected: object
) -> None:
    if theirs.says(path, name) != expected:
        _refuse(path, f"of another {name}", f"of {expected}")


def _refuse(path: str, found: str, expected: str) -> NoReturn:
    raise ArchitectureError(
        f"The network isn't a YOLOv5 of releases 6 or 7: {path} is {found}, not"
        f" {expected}. {EXPORT_IT}"
    )


def _official_name(part: nn.Module) -> str:
    kind = type(part)
    if kind.__module__.startswith("torch."):
        return f"{kind.__module__}.{kind.__name__}"
    return _DETECT if kind is Detect else f"models.common.{kind.__name__}"


def _part(module: Remnant, name: str) -> Mapping[Any, Any]:
    part = module.state.get(name)
    return part if isinstance(part, dict) else {}


def _joined(path: str, name: object) -> str:
    """Bounded, for a network may hold itself, and what it calls its parts is its own.

    Raises:
        ArchitectureError
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ArchitectureError("The file names its layers as no YOLOv5 does.")
    if path.count(".") > DEEPEST_PATH:
        raise ArchitectureError("The file nests its layers deeper than any YOLOv5.")
    return f"{path}.{name}"


def _is_plain(value: object) -> bool:
    """Whether comparing it is safe: a tensor hides in no list, nothing is deep."""
    if isinstance(value, list | tuple):
        return len(value) <= 8 and all(
            isinstance(item, int | float | str) for item in value
        )
    return isinstance(value, int | float | str)


def _is_multiple(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and 0 < value <= LARGEST_MULTIPLE


def _channels(theirs: PickledNetwork, name: str) -> int:
    tensor = theirs.tensors.get(name)
    return tensor.shape[0] if tensor is not None and tensor.dim() else 0


def _length(theirs: PickledNetwork, path: str) -> int:
    module = theirs.modules.get(path)
    return len(_part(module, "_modules")) if module else 0
