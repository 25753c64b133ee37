from __future__ import annotations

import copy

import torch
from torch import nn
from transformers import ResNetConfig, ResNetForImageClassification

from apps.inference.engines.network import Network
from apps.inference.engines.torch import CPU, TorchEngine, build, optimise
from apps.inference.predictors.yolov5 import YOLOv5

from .networks import lively


def normalisations(module: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())


def test_answers_as_the_module_does_in_evaluation():
    network = lively(YOLOv5(3, 0.33, 0.125)).double()
    images = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    expected = copy.deepcopy(network)(images).detach()
    engine = build(Network(network.train, images))
    assert normalisations(network) == 0
    torch.testing.assert_close(engine(images), expected)


def test_fuses_the_networks_of_transformers_without_changing_them():
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="bottleneck"
    )
    network = ResNetForImageClassification(config).double().train()
    images = torch.rand(4, 3, 32, 32, dtype=torch.float64)
    network(images)  # statistics of its own
    expected = copy.deepcopy(network).eval()(images).logits.detach()
    engine = build(Network(lambda: Unpacked(network), images))
    assert normalisations(network) == 0
    torch.testing.assert_close(engine(images), expected)


class Unpacked(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(images).logits
        return logits


def test_leaves_a_normalisation_alone_that_follows_no_convolution():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1), nn.ReLU())
    optimise(network, CPU)
    assert normalisations(network) == 1


def test_keeps_no_graph_and_says_its_name():
    engine = TorchEngine(optimise(nn.Conv2d(3, 2, 1), CPU))
    assert engine(torch.rand(1, 3, 4, 4)).is_inference()
    assert engine.name == "torch-cpu"
    assert engine.device == CPU
