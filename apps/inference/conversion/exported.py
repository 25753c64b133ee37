"""Exported networks (`.torchscript`, `.onnx`) made into a version's own files.

The file stays as it is; `config.json` beside it says what its metadata say and what is
found out by trying it. Must not know where the file came from.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from apps.inference import weights
from apps.inference.conversion import torchscript_archive
from apps.inference.conversion.export_metadata import Metadata
from apps.inference.conversion.yolov5_checkpoint import IOU_THRESHOLD, SCORE_THRESHOLD
from apps.inference.engines import OPENVINO_F32, onnx, torchscript
from apps.inference.engines.exports import refuse_missing_openvino
from apps.inference.exceptions import ArchitectureError, CorruptWeightsError
from apps.inference.predictors.exported import (
    FAMILY,
    LARGEST_BATCH,
    LARGEST_SIDE,
    SMALLEST_SIDE,
)
from apps.inference.predictors.layouts import recognise
from apps.inference.preprocessing import Featurize, blank, stack

SUFFIXES = {Path(name).suffix: name for name in weights.EXPORT_NAMES}

# Tried where nothing says which it is, those that people export first.
_SIDES = (640, 1280, 320, 416, 512, 960, 1024, 256, 384, 768, 224, 1536)

# What torch and OpenVINO raise, and what is no tensor.
_UNANSWERED = (RuntimeError, TypeError, IndexError, torch.jit.Error)

# Takes pictures, uint8 [B, S, S, 3].
Run = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class _Probed:
    side: int
    batch: int | None  # the only one that it takes; None if it takes any
    shape: tuple[int, ...]  # of an answer


def convert(path: Path, directory: Path) -> str:
    """Write the files of a version that `predictors.exported.load` takes.

    Returns:
        The licence, empty where nothing says which.

    Raises:
        WeightsError, EngineError: with a sentence for the operator.
    """
    suffix = path.suffix.lower()
    export = directory / SUFFIXES[suffix]
    refuse_missing_openvino(export)
    shutil.copyfile(path, export)
    read = _torchscript if suffix == ".torchscript" else _onnx
    metadata, probed = read(export)
    layout = recognise(
        probed.shape, labels_count=len(metadata.labels), side=probed.side
    )
    config: dict[str, Any] = {
        "family": FAMILY,
        "labels": metadata.labels,
        "input_size": [probed.side, probed.side],
        "batch": probed.batch,
        "layout": layout,
        "score_threshold": SCORE_THRESHOLD,
        "iou_threshold": IOU_THRESHOLD,
    }
    text = json.dumps(config, indent=2) + "\n"
    (directory / weights.CONFIG_NAME).write_text(text)
    return metadata.licence(layout)


def _torchscript(export: Path) -> tuple[Metadata, _Probed]:
    metadata = Metadata.read(torchscript_archive.read_metadata(export))
    _refuse_odd(metadata.size)
    network, featurize = torchscript.load(export), Featurize()

    def run(pictures: Tensor) -> Tensor:
        answer: Tensor = network(featurize(pictures))
        return answer

    return metadata, _probe(lambda _: run, metadata.size, metadata.batch)


def _onnx(export: Path) -> tuple[Metadata, _Probed]:
    model = onnx.read(export)
    onnx.refuse_not_finite(model)
    metadata = Metadata.read(onnx.metadata(model))
    size = onnx.baked_size(model) or metadata.size
    _refuse_odd(size)
    return metadata, _probe(
        lambda side: onnx.compile_graph(export, side, OPENVINO_F32),
        size,
        metadata.batch,
    )


def _refuse_odd(size: tuple[int, int] | None) -> None:
    if size is None:
        return
    height, width = size
    if height != width:
        raise ArchitectureError(
            f"The network takes pictures of {width} x {height} pixels, which isn't"
            " square: export it again with one size, as --imgsz 640 does."
        )
    if not SMALLEST_SIDE <= width <= LARGEST_SIDE:
        raise ArchitectureError(
            f"The network takes pictures of {width} x {height} pixels, and here they"
            f" may have {SMALLEST_SIDE} to {LARGEST_SIDE} a side."
        )


def _probe(
    open_at: Callable[[int], Run], size: tuple[int, int] | None, said_batch: int | None
) -> _Probed:
    """Find out which pictures it takes and how many at once, by showing it some."""
    largest = min(said_batch or 1, LARGEST_BATCH)
    for side in (size[0],) if size else _SIDES:
        run = open_at(side)
        shapes = {
            count: shape
            for count in sorted({1, 2, largest})
            if (shape := _answer_shape(run, count, side)) is not None
        }
        if shapes:
            count = min(shapes)
            _refuse_changing(run, count, side, shapes[count])
            batch = None if {1, 2} <= shapes.keys() else count
            return _Probed(side, batch, shapes[count])
    pixels = f"{size[1]} x {size[0]} pixels" if size else "any usual size"
    raise ArchitectureError(
        f"The network answers no pictures of {pixels}, neither one nor several at once:"
        " the size that it was exported for isn't the one that its file says."
    )


@torch.inference_mode()
def _answer_shape(run: Run, count: int, side: int) -> tuple[int, ...] | None:
    """None where it can't answer so many, or answers for another number."""
    try:
        answer = run(stack([blank((side, side))] * count))
    except _UNANSWERED:
        return None
    return tuple(answer.shape) if answer.dim() and len(answer) == count else None


@torch.inference_mode()
def _refuse_changing(run: Run, count: int, side: int, shape: tuple[int, ...]) -> None:
    """Noise has other boxes than a grey wall; the number of places must be the same."""
    random = torch.Generator().manual_seed(0)
    size = (count, side, side, 3)
    noise = torch.randint(0, 256, size, generator=random, dtype=torch.uint8)
    try:
        seen = tuple(run(noise).shape)
    except _UNANSWERED as error:
        raise CorruptWeightsError(
            "The network answers one picture and fails at another."
        ) from error
    if seen != shape or not all(shape):
        raise ArchitectureError(
            "The network answers more boxes for one picture than for another, as some"
            " exports with NMS inside do: export it again without."
        )
