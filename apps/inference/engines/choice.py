"""The door to the engines: a module in, a fast callable out.

Knows which engines can run here and which of them to try first; nothing of pictures or
predictions.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from apps.inference.engines import (
    AUTO,
    ENGINES,
    OPENVINO,
    OPENVINO_F32,
    TENSORRT,
    TORCH_CPU,
    TORCH_CUDA,
    cuda,
    openvino,
    tensorrt,
    torch,
)
from apps.inference.engines.engine import Engine
from apps.inference.exceptions import EngineError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kind:
    # A module, an example, and whether batches differ from it in size.
    build: Callable[[nn.Module, Tensor, bool], Engine]
    missing: Callable[[], str | None]


_KINDS = {
    TORCH_CPU: _Kind(torch.build, lambda: None),
    TORCH_CUDA: _Kind(cuda.build, cuda.missing),
    OPENVINO: _Kind(openvino.build, openvino.missing),
    OPENVINO_F32: _Kind(openvino.build_f32, openvino.missing),
    TENSORRT: _Kind(tensorrt.build, tensorrt.missing),
}

# Tried in this order where nobody has measured. TensorRT takes minutes to build, so it
# is asked for by name.
_UNMEASURED = (TORCH_CUDA, OPENVINO, TORCH_CPU)


def available_engines() -> list[str]:
    """The engines that can run on this machine."""
    return [name for name in ENGINES if _KINDS[name].missing() is None]


def compile_module(
    module: nn.Module,
    example: Tensor,
    engine: str | None = None,
    *,
    is_resizable: bool = False,
) -> Engine:
    """Ready a module, which is changed for good, to answer and never to learn again.

    Args:
        module: takes one tensor, a batch, and answers with one tensor.
        example: a batch of one, on the CPU; batches keep its type and its shape but
            for their number.
        engine: its name. "auto" or none takes the first that can run the module, and
            logs which could not.
        is_resizable: whether pictures [B, H, W, 3] come in other sizes too.

    Raises:
        EngineError: with a sentence for the operator.
    """
    if engine is not None and engine != AUTO:
        return _compile(module, example, engine, is_resizable)
    available = available_engines()
    for name in _UNMEASURED[:-1]:
        if name in available:
            try:
                # A copy: who gives up halfway leaves the module half changed.
                return _compile(copy.deepcopy(module), example, name, is_resizable)
            except EngineError as error:
                logger.warning("Another engine is taken: %s", error, exc_info=True)
    return _compile(module, example, _UNMEASURED[-1], is_resizable)


def _compile(
    module: nn.Module, example: Tensor, name: str, is_resizable: bool
) -> Engine:
    kind = _KINDS.get(name)
    if kind is None:
        raise EngineError(
            f"No engine is called {name!r}; there are {', '.join(ENGINES)}."
        )
    if missing := kind.missing():
        raise EngineError(f"The engine {name} can't run here: {missing}.")
    module.eval().requires_grad_(False)
    try:
        engine = kind.build(module, example, is_resizable)
        engine(example)  # what can't run says so now
    except Exception as error:  # each engine has errors of its own, all RuntimeError
        raise EngineError(f"The engine {name} can't run this network.") from error
    return engine
