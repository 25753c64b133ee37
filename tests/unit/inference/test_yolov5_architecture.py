from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from apps.inference.exceptions import (
    ArchitectureError,
    NotFiniteError,
)

from .official import LABELS, checkpoint, official, official_class, refused, save, tiny


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_must_be_numbers(value, path, target):
    network = tiny()
    network.get_parameter("model.9.cv1.conv.weight").data[0, 0] = value
    save(path, checkpoint(official(network.half(), LABELS)))
    match = r"model\.9\.cv1\.conv\.weight holds NaN or infinity"
    refused(NotFiniteError, match, path, target)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_anchors_must_be_sizes(value, path, target):
    network = tiny()
    network.get_buffer("model.24.anchors")[1, 1, 1] = value
    save(path, checkpoint(official(network, LABELS)))
    refused(ArchitectureError, "anchors aren't sizes", path, target)


def swap(
    network: nn.Module, path: str, kind: str | Callable[..., nn.Module], *arguments: int
) -> None:
    """Put an object of another class in the place of a part, children and all."""
    parent, _, own = path.rpartition(".")
    part = network.get_submodule(path)
    other = official_class(kind)() if isinstance(kind, str) else kind(*arguments)
    for name, value in part.__dict__.items():
        if name not in other.__dict__ or name.startswith("_"):
            other.__dict__[name] = value
    network.get_submodule(parent).add_module(own, other)


def put(path: str, attribute: str, value: Any) -> Callable[[nn.Module], None]:
    return lambda network: setattr(network.get_submodule(path), attribute, value)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda n: swap(n, "model.0", "models.common.Focus"), "release 5 or older"),
        (
            lambda n: swap(n, "model.8", "models.common.C3TR"),
            r"model\.8 is .*C3TR, not",
        ),
        (lambda n: swap(n, "model.9", "models.common.SPP"), r"model\.9 is .*SPP, not"),
        (lambda n: swap(n, "model.24", "models.yolo.IDetect"), "IDetect, not"),
        (lambda n: swap(n, "model.3.act", nn.LeakyReLU), "LeakyReLU, not .*SiLU"),
        (lambda n: swap(n, "model.2.m.0", "models.common.Ghost"), "Ghost, not"),
        (lambda n: swap(n, "model.9.m", nn.AvgPool2d, 5), "AvgPool2d, not"),
        (put("model.2.m.0", "add", False), "another add, not of True"),
        (put("model.13.m.0", "add", True), "another add, not of False"),
        (put("model.5.bn", "eps", 1e-5), r"another eps, not of 0\.001"),
        (put("model.5.conv", "stride", (1, 1)), "another stride"),
        (put("model.5.conv", "padding", (0, 0)), "another padding"),
        (put("model.5.conv", "dilation", (2, 2)), "another dilation"),
        (put("model.5.conv", "groups", 2), "another groups"),
        (put("model.5.conv", "padding_mode", "reflect"), "another padding_mode"),
        (put("model.9.m", "kernel_size", 3), "another kernel_size"),
        (put("model.11", "mode", "bilinear"), "another mode"),
        (put("model.11", "scale_factor", 3.0), "another scale_factor"),
        (put("model.12", "d", 2), "another d"),
        (put("model.12", "f", [-1, 5]), r"model\.12 is wired otherwise"),
        (put("model.4", "f", torch.ones(2)), r"model\.4 is wired otherwise"),
        (put("model.24", "stride", torch.tensor([4.0, 8, 16])), "other strides"),
        (put("model.24", "stride", torch.ones(1).expand(10**12)), "other strides"),
        (
            lambda n: n.get_submodule("model").add_module("25", nn.SiLU()),
            r"model\.25 is .*SiLU, not absent",
        ),
        (
            lambda n: n.get_submodule("model.3").add_module("extra", nn.SiLU()),
            r"model\.3\.extra is .*SiLU, not absent",
        ),
        (lambda n: delattr(n.get_submodule("model.3"), "bn"), r"3\.bn is missing"),
        (
            lambda n: delattr(n.get_submodule("model.3.conv"), "weight"),
            r"1, first model\.3\.conv\.weight",
        ),
        (
            put("model.3.conv", "weight", nn.Parameter(torch.zeros(1).expand(9**9, 9))),
            r"1, first model\.3\.conv\.weight",
        ),
        (
            put("model.3.conv", "bias", nn.Parameter(torch.zeros(8))),
            r"1, first model\.3\.conv\.bias",
        ),
        (put("model.24", "anchors", torch.ones(3, 10**6, 2)), "has no anchors"),
        (put("model.24", "anchors", torch.ones(3, 2)), "has no anchors"),
        (
            put("model.24.m.0", "weight", nn.Parameter(torch.zeros(25, 16, 1, 1))),
            "last layer isn't that",
        ),
        (
            lambda n: n.get_submodule("model.4.m").add_module("9", nn.SiLU()),
            "its depth is",
        ),
        (
            put("model.0.conv", "weight", nn.Parameter(torch.zeros(9, 3, 6, 6))),
            "its width is 9 to 128",
        ),
    ],
)
def test_another_network_is_refused(change, match, path, target):
    network = official(tiny(), LABELS)
    change(network)
    save(path, checkpoint(network))
    refused(ArchitectureError, match, path, target)


def test_p6_is_refused_as_such(path, target):
    network = official(tiny(), LABELS)
    head = network.get_submodule("model.24")
    head.stride = torch.tensor([8.0, 16, 32, 64])
    network.get_submodule("model").add_module("24", nn.SiLU())
    network.get_submodule("model").add_module("33", head)
    save(path, checkpoint(network))
    refused(ArchitectureError, "This is a P6 model", path, target)


@pytest.mark.parametrize(
    ("root", "layer", "match"),
    [
        ("models.yolo.SegmentationModel", "models.yolo.Segment", "outlines things"),
        ("models.yolo.DetectionModel", "models.yolo.Segment", "outlines things"),
        ("models.yolo.ClassificationModel", "models.common.Classify", "classifies"),
    ],
)
def test_other_tasks_are_refused_as_such(root, layer, match, path, target):
    network = official(tiny(), LABELS, root=root)
    swap(network, "model.24", layer)
    save(path, checkpoint(network))
    refused(ArchitectureError, match, path, target)


def test_a_network_that_holds_itself_is_refused(path, target):
    network = official(tiny(), LABELS)
    network.get_submodule("model.3").add_module("again", network)
    save(path, checkpoint(network))
    refused(ArchitectureError, "nests its layers deeper", path, target)


def test_a_network_that_repeats_itself_without_end_is_refused(path, target):
    network = official(tiny(), LABELS)
    block: nn.Module = nn.SiLU()
    for _ in range(5):
        block = nn.Sequential(*[block] * 20)
    network.get_submodule("model").add_module("blocks", block)
    save(path, checkpoint(network))
    refused(ArchitectureError, "more layers than any", path, target)


def test_a_network_without_layers_is_refused(path, target):
    network = official(tiny(), LABELS)
    del network.model
    save(path, checkpoint(network))
    refused(ArchitectureError, r"model\.0 is missing, not", path, target)


@pytest.mark.parametrize("name", ["x" * 41, "a b", "", 3])
def test_layers_have_names(name, path, target):
    network = official(tiny(), LABELS)
    network.get_submodule("model.3")._modules[name] = nn.SiLU()
    save(path, checkpoint(network))
    refused(ArchitectureError, "names its layers as no", path, target)
