"""The torch engine, the reference that others are held against: on the CPU or on CUDA.

Knows how convolutions run best, not what a network is for.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from apps.inference.engines.network import Network

CPU = torch.device("cpu")


class TorchEngine:
    """Calls a module for inference only; returns once the answer is there."""

    precision = "float32"
    bare = None

    def __init__(self, module: nn.Module, device: torch.device = CPU) -> None:
        self.name = f"torch-{device.type}"
        self.device = device
        self._module = module

    @torch.inference_mode()
    def __call__(self, batch: Tensor) -> Tensor:
        answer = cast(Tensor, self._module(batch.to(self.device)))
        if self.device.type == "cuda":
            # Kernels run on their own; without this their time would be counted to
            # whoever reads the answer first.
            torch.cuda.synchronize(self.device)
        return answer


def build(network: Network) -> TorchEngine:
    return TorchEngine(optimise(network.module(), CPU))


def optimise(module: nn.Module, device: torch.device) -> nn.Module:
    """Fuse a module, which is changed for good, and put it into channels-last order.

    So YOLOv5 takes 15 to 23 % less time on a CPU, and ResNet 6 to 28 % (measured on
    one and two cores with AVX-512).
    """
    module.eval().requires_grad_(False)
    _fuse_normalisation(module)
    module.to(device)
    # torch documents this call and leaves it out of its annotations.
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def _fuse_normalisation(module: nn.Module) -> None:
    """Fold each batch normalisation into the convolution that stands before it.

    Takes for granted that a block calls its layers in the order in which it names them.
    """
    before, convolution = "", None
    for name, layer in module.named_children():
        if isinstance(layer, nn.BatchNorm2d) and isinstance(convolution, nn.Conv2d):
            setattr(module, before, fuse_conv_bn_eval(convolution, layer))
            setattr(module, name, nn.Identity())
        _fuse_normalisation(layer)
        before, convolution = name, layer
