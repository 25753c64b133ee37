"""The engine for NVIDIA GPUs: half precision, channels last, recorded CUDA graphs.

A graph replays all kernels of a forward pass with one launch. It is bound to the memory
and the shape it was recorded with, so batches are copied into its input, and filled up
to the next power of two.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from apps.inference.engines import TORCH_CUDA
from apps.inference.engines.bare import WARM_UPS, BareLoop
from apps.inference.engines.engine import make_room
from apps.inference.engines.network import Network
from apps.inference.engines.torch import optimise

# Each holds memory: powers of two that batches are filled up to, by cameras' shapes.
MOST_SHAPES = 64


class _Recording(NamedTuple):
    graph: torch.cuda.CUDAGraph
    batch: Tensor
    answer: Tensor


class CudaGraphEngine:
    name = TORCH_CUDA
    precision = "float16"

    def __init__(self, module: nn.Module, example: Tensor) -> None:
        self.device = current_device()
        self._module = optimise(module, self.device).half()
        self.bare = BareLoop(self._module, example, self.device)
        self._recordings: dict[torch.Size, _Recording] = {}
        # Graphs of one engine never run at once, so they share their scratch memory,
        # which also takes that they are recorded on one stream.
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]

    @torch.inference_mode()
    def __call__(self, batch: Tensor) -> Tensor:
        count = len(batch)
        shape = torch.Size((places_for(count), *batch.shape[1:]))
        with torch.cuda.device(self.device):
            if shape not in self._recordings:
                make_room(self._recordings, MOST_SHAPES)
                self._recordings[shape] = self._record(batch)
            recording = self._recordings[shape]
            recording.batch[:count].copy_(batch)
            recording.graph.replay()
            answer = recording.answer[:count].clone()
            # Or its time would be counted to whoever reads the answer first.
            torch.cuda.current_stream().synchronize()
        return answer

    def _record(self, example: Tensor) -> _Recording:
        batch = input_for(example, self.device)
        graph = torch.cuda.CUDAGraph()
        # The graph keeps the algorithms that cuDNN finds fastest in the warm-up.
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            self._warm_up(batch)
            # Other threads answer with other versions meanwhile, and may allocate.
            with torch.cuda.graph(
                graph,
                pool=self._pool,
                stream=self._stream,
                capture_error_mode="thread_local",
            ):
                answer = cast(Tensor, self._module(batch))
        return _Recording(graph, batch, answer)

    def _warm_up(self, batch: Tensor) -> None:
        """On a stream of its own, as torch asks for before a graph is recorded."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                self._module(batch)
        torch.cuda.current_stream().wait_stream(self._stream)


def places_for(count: int) -> int:
    """How many places a batch of `count` is given: the next power of two."""
    return 1 << (count - 1).bit_length()


def input_for(example: Tensor, device: torch.device) -> Tensor:
    """An empty batch that has room for this one: bytes stay bytes, numbers become half.

    Numbers [B, C, H, W] lie in channels-last order; bytes come as [B, H, W, C].
    """
    is_floating = example.is_floating_point()
    batch = torch.zeros(
        (places_for(len(example)), *example.shape[1:]),
        dtype=torch.float16 if is_floating else example.dtype,
        device=device,
    )
    if is_floating and batch.dim() == 4:
        return batch.contiguous(memory_format=torch.channels_last)
    return batch


def current_device() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device())


def missing() -> str | None:
    return None if torch.cuda.is_available() else "torch sees no CUDA device"


def build(network: Network) -> CudaGraphEngine:
    return CudaGraphEngine(network.module(), network.example)
