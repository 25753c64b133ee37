"""The TensorRT engine: compiled through torch-tensorrt, which takes minutes.

So what is compiled is kept on disk, under a name that follows from all that it depends
on: the network, its weights, the batch's shape, the GPU and the versions. The only
place that imports torch_tensorrt, and not before an engine is built.
"""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from apps.inference.engines import TENSORRT, cuda
from apps.inference.engines.engine import make_room
from apps.inference.engines.network import Network
from apps.inference.engines.torch import optimise


class TensorRTEngine:
    name = TENSORRT
    precision = "float16"

    def __init__(self, module: nn.Module, cache: Path) -> None:
        self.device = torch.device("cuda", torch.cuda.current_device())
        self._module = optimise(module, self.device).half()
        self._cache = cache
        self._compiled: dict[torch.Size, tuple[nn.Module, Tensor]] = {}

    @torch.inference_mode()
    def __call__(self, batch: Tensor) -> Tensor:
        count = len(batch)
        shape = torch.Size((cuda.places_for(count), *batch.shape[1:]))
        if shape not in self._compiled:
            make_room(self._compiled, cuda.MOST_SHAPES)
            self._compiled[shape] = self._compile(batch)
        compiled, places = self._compiled[shape]
        places[:count].copy_(batch)
        answer = cast(Tensor, compiled(places))
        torch.cuda.current_stream(self.device).synchronize()
        return answer[:count]

    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _compile(self, example: Tensor) -> tuple[nn.Module, Tensor]:
        import torch_tensorrt

        batch = cuda.input_for(example, self.device)
        exported = torch.export.export(self._module, (batch,))
        kept = self._cache / f"{self._digest(exported, batch)}.ep"
        if not kept.is_file():
            # Explicitly typed: each layer in the precision of its weights.
            compiled = torch_tensorrt.dynamo.compile(exported, arg_inputs=[batch])
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished = kept.with_suffix(f".{os.getpid()}")
            torch_tensorrt.save(compiled, str(unfinished), arg_inputs=[batch])
            unfinished.replace(kept)
        return torch_tensorrt.load(str(kept)).module(), batch

    def _digest(self, exported: Any, batch: Tensor) -> str:
        import torch_tensorrt

        digest = hashlib.sha256(exported.graph_module.code.encode())
        for tensor in (*exported.state_dict.values(), *exported.constants.values()):
            digest.update(tensor.cpu().contiguous().view(torch.uint8).numpy())
        for fact in (
            batch.shape,
            batch.dtype,
            torch.cuda.get_device_name(self.device),
            torch.__version__,
            torch_tensorrt.__version__,
        ):
            digest.update(f"\n{fact}".encode())
        return digest.hexdigest()


def missing() -> str | None:
    if why := cuda.missing():
        return why
    if find_spec("torch_tensorrt") is None:
        return "the package torch-tensorrt isn't installed"
    return None


def build(network: Network) -> TensorRTEngine:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return TensorRTEngine(network.module(), Path(home, "hot-dog-emporium", "tensorrt"))
