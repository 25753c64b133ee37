"""The door to the engines for exported networks: a file in, a fast callable out."""

from __future__ import annotations

import logging
from pathlib import Path

from torch import Tensor, device, nn

from apps.inference import weights
from apps.inference.engines import (
    AUTO,
    ENGINES_OF_EXPORTS,
    OPENVINO,
    OPENVINO_F32,
    TORCH_CPU,
    TORCH_CUDA,
    onnx,
    openvino,
    torchscript,
)
from apps.inference.engines.choice import available_engines, compile_network
from apps.inference.engines.cuda import missing as missing_cuda
from apps.inference.engines.engine import Engine
from apps.inference.engines.network import Network
from apps.inference.engines.torch import TorchEngine
from apps.inference.exceptions import EngineError, InferenceError
from apps.inference.preprocessing import Featurize

logger = logging.getLogger(__name__)

_UNMEASURED = (TORCH_CUDA, OPENVINO, OPENVINO_F32, TORCH_CPU)


def open_export(path: Path, example: Tensor, engine: str | None = None) -> Engine:
    """Ready a TorchScript or ONNX file to answer.

    Args:
        path: the file, whose ending says what it is; its checksum has been verified.
        example: square pictures, uint8 [B, S, S, 3], as batches will be.
        engine: its name. "auto" or none takes the first that can run the file, and
            logs which could not.

    Raises:
        WeightsError, EngineError: with a sentence for the operator.
    """
    possible = ENGINES_OF_EXPORTS[path.suffix]
    if engine is not None and engine != AUTO:
        return _open(path, example, engine)
    here = [
        name for name in _UNMEASURED if name in possible and name in available_engines()
    ] or [possible[0]]
    for name in here[:-1]:
        try:
            return _open(path, example, name)
        except EngineError as error:
            logger.warning("Another engine is taken: %s", error, exc_info=True)
    return _open(path, example, here[-1])


def refuse_missing_openvino(path: Path) -> None:
    """Say it where the file needs it.

    Raises:
        EngineError
    """
    if path.suffix == ".onnx" and (why := openvino.missing()):
        raise EngineError(
            f"An ONNX file is run by OpenVINO, and {why}: install it, or bring the"
            " model as TorchScript."
        )


def _open(path: Path, example: Tensor, name: str) -> Engine:
    possible = ENGINES_OF_EXPORTS[path.suffix]
    if name not in possible:
        raise EngineError(
            f"The engine {name} can't run {path.name}; {', '.join(possible)} can."
        )
    refuse_missing_openvino(path)
    if path.suffix == ".torchscript" and name != TORCH_CUDA:
        network = Network(
            build=lambda: nn.Sequential(Featurize(), torchscript.load(path)),
            example=example,
            identity=weights.sha256_of(path),
        )
        return compile_network(network, name)
    try:
        engine = _on_cuda(path) if name == TORCH_CUDA else _onnx(path, example, name)
        engine(example)  # what can't run says so now
    except InferenceError:
        raise
    except Exception as error:  # each engine has errors of its own, all RuntimeError
        raise EngineError(f"The engine {name} can't run {path.name}.") from error
    return engine


def _onnx(path: Path, example: Tensor, name: str) -> Engine:
    return onnx.compile_graph(path, example.shape[2], name)


def _on_cuda(path: Path) -> Engine:
    """In single precision and unrecorded: its constants can't be made half, and a
    program may ask for the values that a graph would be recorded without.
    """
    if why := missing_cuda():
        raise EngineError(f"The engine {TORCH_CUDA} can't run here: {why}.")
    cuda = device("cuda")
    module = nn.Sequential(Featurize().to(cuda), torchscript.load(path, cuda))
    return TorchEngine(module.requires_grad_(requires_grad=False), cuda)
