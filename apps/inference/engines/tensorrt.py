"""The TensorRT engine: compiled through torch-tensorrt, which takes minutes.

So what is compiled is kept, a file for each shape of a batch. The only place that
imports torch_tensorrt, and not before an engine is built.
"""

from __future__ import annotations

import logging
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from apps.inference.engines import TENSORRT, cuda, keeping
from apps.inference.engines.bare import BareLoop
from apps.inference.engines.engine import make_room
from apps.inference.engines.network import Network
from apps.inference.engines.torch import optimise

logger = logging.getLogger(__name__)


class TensorRTEngine:
    name = TENSORRT
    precision = "float16"

    def __init__(
        self, module: nn.Module, example: Tensor, identity: str | None
    ) -> None:
        self.device = cuda.current_device()
        self._module = optimise(module, self.device).half()
        self.bare = BareLoop(self._module, example, self.device)
        self._identity = identity
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
        batch = cuda.input_for(example, self.device)
        if self._identity is None:
            return self._compile_anew(batch), batch
        key = self._key(self._identity)
        name = f"{'x'.join(map(str, batch.shape))}-{batch.dtype}.ep"
        module = _read(key, name)
        if module is None:
            compiled = self._compile_anew(batch)
            keeping.keep(key, lambda folder: _save(compiled, batch, folder / name))
            module = _read(key, name)
        return compiled if module is None else module, batch

    def _compile_anew(self, batch: Tensor) -> nn.Module:
        import torch_tensorrt

        # TensorRT asks the GPU for memory, of which torch holds what it has used once.
        torch.cuda.empty_cache()
        exported = torch.export.export(self._module, (batch,))
        # Explicitly typed: each layer in the precision of its weights.
        compiled = torch_tensorrt.dynamo.compile(exported, arg_inputs=[batch])
        return cast(nn.Module, compiled)

    def _key(self, identity: str) -> str:
        return keeping.key_of(
            identity,
            torch.cuda.get_device_name(self.device),
            *(version(name) for name in ("torch", "torch_tensorrt", "transformers")),
        )


def missing() -> str | None:
    if why := cuda.missing():
        return why
    if find_spec("torch_tensorrt") is None:
        return "the package torch-tensorrt isn't installed"
    return None


def build(network: Network) -> TensorRTEngine:
    return TensorRTEngine(network.module(), network.example, network.identity)


def _read(key: str, name: str) -> nn.Module | None:
    import torch_tensorrt

    folder = keeping.find(key)
    if folder is None or not (folder / name).is_file():
        return None
    try:
        return cast(nn.Module, torch_tensorrt.load(str(folder / name)).module())
    except (OSError, RuntimeError, ValueError):
        logger.warning("A kept network can't be read, so it is compiled again")
        (folder / name).unlink(missing_ok=True)
        return None


def _save(module: nn.Module, batch: Tensor, path: Path) -> None:
    import torch_tensorrt

    torch_tensorrt.save(module, str(path), arg_inputs=[batch])
