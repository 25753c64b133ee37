"""What the engines of a GPU are held against: a loop of torch and the network alone.

Pass after pass in half precision, on random numbers that lie on the device already. No
pictures, no recorded graph, and nobody waits for an answer before the end.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from apps.inference.preprocessing import Featurize

WARM_UPS = 3  # in which cuDNN tries its algorithms and the allocator finds its sizes
PASSES = 10
LOOPS = 3


class BareLoop:
    """Shares the engine's module: fused, half and channels last where that is."""

    def __init__(
        self, module: nn.Module, example: Tensor, device: torch.device
    ) -> None:
        self._module = module
        self._picture = example.shape[1:]
        self._device = device

    @torch.inference_mode()
    def __call__(self, size: int) -> float:
        """What a batch of that size takes in ms, the least of a few loops.

        Raises:
            torch.OutOfMemoryError
        """
        network, features = self._featurized(size)
        # The algorithms that cuDNN finds fastest, as the engine has them.
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            self._loop_ms(network, features, WARM_UPS)
            return min(self._loop_ms(network, features, PASSES) for _ in range(LOOPS))

    def _featurized(self, size: int) -> tuple[nn.Module, Tensor]:
        """What is left of the network after pictures are numbers, and such numbers."""
        pictures = torch.randint(
            256, (size, *self._picture), dtype=torch.uint8, device=self._device
        )
        module = self._module
        if isinstance(module, nn.Sequential) and isinstance(module[0], Featurize):
            return module[1:], module[0](pictures)
        return module, pictures

    def _loop_ms(self, network: nn.Module, features: Tensor, passes: int) -> float:
        torch.cuda.synchronize(self._device)
        started = time.perf_counter()
        for _ in range(passes):
            network(features)
        torch.cuda.synchronize(self._device)
        return (time.perf_counter() - started) * 1000 / passes
