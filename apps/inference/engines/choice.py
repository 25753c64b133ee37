"""The door to the engines: a network in, a fast callable out.

Knows which engines can run here and which of them to try first; nothing of pictures or
predictions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

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
from apps.inference.engines.network import Network
from apps.inference.exceptions import EngineError, InferenceError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kind:
    build: Callable[[Network], Engine]
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


def likely_engine() -> str:
    """The engine that is tried first where nobody has measured."""
    available = available_engines()
    return next(name for name in _UNMEASURED if name in available)


def compile_network(network: Network, engine: str | None = None) -> Engine:
    """Ready a network to answer.

    Args:
        network: built only where the engine hasn't kept what came of it.
        engine: its name. "auto" or none takes the first that can run the network, and
            logs which could not.

    Raises:
        EngineError: with a sentence for the operator.
        InferenceError: the network can't be built, in its builder's words.
    """
    if engine is not None and engine != AUTO:
        return _compile(network, engine)
    available = available_engines()
    for name in _UNMEASURED[:-1]:
        if name in available:
            try:
                return _compile(network, name)
            except EngineError as error:
                logger.warning("Another engine is taken: %s", error, exc_info=True)
    return _compile(network, _UNMEASURED[-1])


def _compile(network: Network, name: str) -> Engine:
    kind = _KINDS.get(name)
    if kind is None:
        raise EngineError(
            f"No engine is called {name!r}; there are {', '.join(ENGINES)}."
        )
    if missing := kind.missing():
        raise EngineError(f"The engine {name} can't run here: {missing}.")
    try:
        engine = kind.build(network)
        engine(network.example)  # what can't run says so now
    except InferenceError:
        raise
    except Exception as error:  # each engine has errors of its own, all RuntimeError
        raise EngineError(f"The engine {name} can't run this network.") from error
    return engine
