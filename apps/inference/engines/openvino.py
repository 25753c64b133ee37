"""The OpenVINO engine, the fastest on a CPU: traced by torch, compiled by OpenVINO.

The only place that imports openvino, and not before it is needed.
"""

from __future__ import annotations

import sys
import warnings
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from apps.inference.engines import OPENVINO, OPENVINO_F32

if TYPE_CHECKING:
    from openvino import CompiledModel, Core, InferRequest, Model

# Cameras of many shapes are rare; each shape holds memory.
MOST_SHAPES = 16


class OpenVINOEngine:
    device = torch.device("cpu")

    def __init__(self, name: str, compiled: CompiledModel) -> None:
        self.name = name
        # What OpenVINO has settled on, such as <Type: 'bfloat16'>, in torch's words.
        chosen = compiled.get_property("INFERENCE_PRECISION_HINT")
        self.precision = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}[
            chosen.get_type_name()
        ]
        self._compiled = compiled
        # One for each shape: a request prepares itself anew when shapes change.
        self._requests: dict[torch.Size, InferRequest] = {}

    def __call__(self, batch: Tensor) -> Tensor:
        shape = batch.shape
        if shape not in self._requests:
            if len(self._requests) == MOST_SHAPES:
                del self._requests[next(iter(self._requests))]
            self._requests[shape] = self._compiled.create_infer_request()
        request = self._requests[shape]
        request.infer([batch.numpy()], share_inputs=True, share_outputs=True)
        return torch.from_numpy(request.get_output_tensor(0).data)


def missing() -> str | None:
    return None if find_spec("openvino") else "the package openvino isn't installed"


def build(module: nn.Module, example: Tensor, is_resizable: bool) -> OpenVINOEngine:
    return compile_model(OPENVINO, _convert(module, example, is_resizable))


def build_f32(module: nn.Module, example: Tensor, is_resizable: bool) -> OpenVINOEngine:
    return compile_model(OPENVINO_F32, _convert(module, example, is_resizable))


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


def _convert(module: nn.Module, example: Tensor, is_resizable: bool) -> Model:
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
    shape = (-1, -1, 3) if is_resizable else example.shape[1:]
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
