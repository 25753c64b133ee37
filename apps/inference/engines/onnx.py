"""ONNX files, which OpenVINO reads itself: a file in, a fast callable out.

Knows graphs and their sizes, not what a network is for.
"""

from __future__ import annotations

import re
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from apps.inference import weights
from apps.inference.engines import openvino
from apps.inference.engines.openvino import OpenVINOEngine
from apps.inference.exceptions import (
    ArchitectureError,
    CorruptWeightsError,
    ForeignFileError,
    InferenceError,
    WeightsError,
)

if TYPE_CHECKING:
    from openvino import Model

_LACKING = re.compile(r"No conversion rule found for operations: (.+)")
_ARCHIVE = b"PK\3\4"
# By onnx.proto, an entry of a tensor's `external_data`: its key, before its value.
_ELSEWHERE = b"\x0a\x08location\x12"


def read(path: Path) -> Model:
    """The graph of a network that takes pictures.

    Raises:
        WeightsError, EngineError: with a sentence for the operator.
    """
    _refuse_unwhole(path)
    try:
        model = openvino.core().read_model(path)
    except RuntimeError as error:
        raise _refusal(path.name, str(error)) from error
    if len(model.inputs) != 1 or len(_sizes(model)) != 4 or _sizes(model)[1] != 3:
        raise ArchitectureError(
            f"{path.name} takes something else than pictures [B, 3, H, W]."
        )
    return model


def refuse_not_finite(model: Model) -> None:
    """Refuse a training that went astray; some graphs need infinity, as for masks.

    Raises:
        NotFiniteError
    """
    constants = (node for node in model.get_ops() if node.get_type_name() == "Constant")
    for node in constants:
        if node.get_element_type().is_real() and np.isnan(node.get_data()).any():
            raise weights.not_finite(node.get_friendly_name())


def metadata(model: Model) -> dict[str, str]:
    """What whoever exported it wrote beside the graph."""
    if not model.has_rt_info(["framework"]):
        return {}
    said = model.get_rt_info(["framework"]).value
    return {key: str(value) for key, value in dict(said).items()}


def baked_size(model: Model) -> tuple[int, int] | None:
    """Height and width, where the graph takes pictures of one size only."""
    _, _, height, width = _sizes(model)
    return None if height is None or width is None else (height, width)


def compile_graph(path: Path, side: int, name: str) -> OpenVINOEngine:
    """Ready it to take square pictures as bytes [B, side, side, 3].

    Raises:
        WeightsError, EngineError: with a sentence for the operator.
    """
    model = read(path)
    batch = _sizes(model)[0]
    openvino_ = openvino.library()
    try:
        model.reshape([-1 if batch is None else batch, 3, side, side])
        steps = openvino_.preprocess.PrePostProcessor(model)
        steps.input().model().set_layout(openvino_.Layout("NCHW"))
        pictures = steps.input().tensor().set_layout(openvino_.Layout("NHWC"))
        pictures.set_element_type(openvino_.Type.u8)
        features = steps.input().preprocess()
        features.convert_element_type(openvino_.Type.f32).scale(255.0)
        return openvino.compile_model(name, steps.build())
    except InferenceError:
        raise
    except RuntimeError as error:
        raise ArchitectureError(
            f"OpenVINO can't run {path.name} on pictures of {side} x {side} pixels."
        ) from error


def _sizes(model: Model) -> list[int | None]:
    """Of its input; None where any will do."""
    shape = model.inputs[0].partial_shape
    if shape.rank.is_dynamic:
        return []
    return [None if size.is_dynamic else size.get_length() for size in shape]


def _refuse_unwhole(path: Path) -> None:
    """A graph may name any file of the machine as that of its weights, which nobody
    has verified: OpenVINO is never given one.
    """
    with path.open("rb") as file:
        beginning = file.read(len(_ARCHIVE))
        if beginning == _ARCHIVE:
            raise ForeignFileError(f"{path.name} is an archive, not an ONNX file.")
        if not beginning:
            raise CorruptWeightsError(f"{path.name} is empty.")
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            if content.find(_ELSEWHERE) >= 0:
                raise ForeignFileError(
                    f"{path.name} keeps its weights in another file beside it: export"
                    " it again with all in one file."
                )


def _refusal(name: str, error: str) -> WeightsError:
    """What OpenVINO has to say, in a sentence."""
    if lacking := _LACKING.search(error):
        return ArchitectureError(
            f"OpenVINO has no operation {lacking[1].strip()}, which {name} needs."
        )
    return CorruptWeightsError(f"{name} is cut short, damaged or no ONNX file.")
