"""The OpenVINO engine, the fastest on a CPU: traced by torch, compiled by OpenVINO.

What comes of tracing is kept, for it takes seconds and holds Python's lock for most.
The only place that imports openvino, and not before it is needed.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from itertools import cycle
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from apps.inference.engines import OPENVINO, OPENVINO_F32, keeping
from apps.inference.engines.engine import make_room
from apps.inference.engines.network import Network

if TYPE_CHECKING:
    from openvino import CompiledModel, Core, InferRequest, Model

logger = logging.getLogger(__name__)

_KEPT = "network.xml"  # which has its weights beside it
# Cameras of many shapes are rare; each shape holds memory.
MOST_SHAPES = 16


class OpenVINOEngine:
    device = torch.device("cpu")
    bare = None

    def __init__(self, name: str, compiled: CompiledModel) -> None:
        self.name = name
        # What OpenVINO has settled on, such as <Type: 'bfloat16'>, in torch's words.
        chosen = compiled.get_property("INFERENCE_PRECISION_HINT")
        self.precision = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}[
            chosen.get_type_name()
        ]
        self._compiled = compiled
        # For each shape, since a request prepares itself anew when shapes change, two
        # by turns: what one has answered is read while the other answers.
        self._requests: dict[torch.Size, Iterator[InferRequest]] = {}

    def __call__(self, batch: Tensor) -> Tensor:
        shape = batch.shape
        if shape not in self._requests:
            make_room(self._requests, MOST_SHAPES)
            create = self._compiled.create_infer_request
            self._requests[shape] = cycle((create(), create()))
        request = next(self._requests[shape])
        request.infer([batch.numpy()], share_inputs=True, share_outputs=True)
        return torch.from_numpy(request.get_output_tensor(0).data)


def missing() -> str | None:
    return None if find_spec("openvino") else "the package openvino isn't installed"


def build(network: Network) -> OpenVINOEngine:
    return compile_model(OPENVINO, _read_or_convert(network))


def build_f32(network: Network) -> OpenVINOEngine:
    return compile_model(OPENVINO_F32, _read_or_convert(network))


def compile_model(name: str, model: Model) -> OpenVINOEngine:
    """In bfloat16 where the processor multiplies it, which halves the time.

    Not where the name is that of the engine in single precision.
    """
    capabilities = core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    is_fast = name != OPENVINO_F32 and "BF16" in capabilities
    compiled = core().compile_model(
        model,
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if is_fast else "f32",
            # Threads nailed to cores wait for whoever else runs there.
            "ENABLE_CPU_PINNING": False,
        },
    )
    return OpenVINOEngine(name, compiled)


def _read_or_convert(network: Network) -> Model:
    """Reading takes hundredths of a second and leaves Python to others meanwhile."""
    if network.identity is None:
        return _convert(network)
    key = keeping.key_of(
        network.identity,
        network.example.shape[1:],
        network.example.dtype,
        network.is_resizable,
        *(version(package) for package in ("openvino", "torch", "transformers")),
    )
    if folder := keeping.find(key):
        try:
            return core().read_model(folder / _KEPT)
        except RuntimeError:
            logger.warning("A kept network can't be read, so it is built again")
            keeping.forget(key)
    model = _convert(network)
    save = partial(library().save_model, model, compress_to_fp16=False)
    folder = keeping.keep(key, lambda folder: save(folder / _KEPT))
    # Read at once too, for what was saved answers otherwise in bfloat16's last bits.
    return core().read_model(folder / _KEPT) if folder else model


def _convert(network: Network) -> Model:
    module, example = network.module(), network.example
    with warnings.catch_warnings(), torch.no_grad():
        # That tracing is deprecated, and that it sees one way through the code only.
        warnings.simplefilter("ignore")
        # Left to itself, OpenVINO has torch trace twice and compare: 11 of 14 s.
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            module, example, strict=False, check_trace=False
        )
        model = library().convert_model(traced, example_input=example)
    # torch keeps a class for each layer it has ever traced, 14 MB for a small YOLOv5.
    # They are of no use to the models that torch.jit.load brings, which have their own.
    del traced
    torch._C._jit_clear_class_registry()
    shape = (-1, -1, 3) if network.is_resizable else example.shape[1:]
    model.reshape([-1, *shape])
    return model


@cache
def core() -> Core:
    return library().Core()


def library() -> Any:
    # Merely imported, it would tell Google Analytics, and write a visitor's number to
    # ~/intel. Without this package it has nothing to tell it with.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
