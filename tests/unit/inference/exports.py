"""Detectors exported as Ultralytics' programs export them, tiny and seeing red."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from apps.inference.predictors.layouts import END_TO_END, YOLOV8

SIDE = 64
LABELS = ["hot dog", "plate"]  # what is red, and what is blue
# As YOLOv5's export.py writes it, and as `yolo export` does.
OF_YOLOV5 = {
    "shape": [1, 3, SIDE, SIDE],
    "stride": 32,
    "names": dict(enumerate(LABELS)),
}
OF_YOLOV8 = {
    "description": "Ultralytics YOLOv8n model",
    "author": "Ultralytics",
    "license": "AGPL-3.0 License (https://ultralytics.com/license)",
    "stride": 32,
    "task": "detect",
    "batch": 1,
    "imgsz": [SIDE, SIDE],
    "names": dict(enumerate(LABELS)),
}


class Sees(nn.Module):
    """Boxes around the cells of three grids, scored by how red and how blue they are.

    Like an export, it takes pictures of one size only; of `batch` too, if given.
    """

    cells: Tensor

    def __init__(self, layout: str, *, batch: int | None = None, side: int = SIDE):
        super().__init__()
        self.layout, self.batch = layout, batch
        grids = []
        for stride in (8, 16, 32):
            along = (torch.arange(side // stride) + 0.5) * stride
            y, x = torch.meshgrid(along, along, indexing="ij")
            size = torch.full_like(x, 3.0 * stride)
            grids.append(torch.stack([x, y, size, size]).flatten(1))
        self.register_buffer("cells", torch.cat(grids, dim=1))

    def forward(self, features: Tensor) -> Any:
        if self.batch:
            features = features.reshape(self.batch, 3, *features.shape[2:])
        colours = torch.cat(
            [functional.avg_pool2d(features, n).flatten(2) for n in (8, 16, 32)], dim=2
        )
        red, _, blue = colours.unbind(dim=1)
        scores = torch.stack([red - blue, blue - red], dim=1).clamp(0, 1)
        boxes = self.cells + 0 * scores[:, :1]
        if self.layout == YOLOV8:
            return torch.cat([boxes, scores], dim=1)
        if self.layout == END_TO_END:
            return self.best(boxes.transpose(1, 2), scores)
        certain = torch.ones_like(scores[:, :1])
        one = torch.cat([boxes, certain, scores], dim=1).transpose(1, 2)
        none = one * torch.tensor([1.0, 1, 1, 1, 0, 1, 1])
        return torch.cat([one, none, none], dim=1), [one]

    def best(self, boxes: Tensor, scores: Tensor) -> Tensor:
        of_best, labels = scores.max(dim=1)
        of_best, places = of_best.topk(10, dim=1)
        rows = boxes.gather(1, places[..., None].repeat(1, 1, 4))
        center, half = rows[..., :2], rows[..., 2:] / 2
        label = labels.gather(1, places).float()
        return torch.cat(
            [center - half, center + half, of_best[..., None], label[..., None]], dim=2
        )


def torchscript(
    path: Path,
    network: nn.Module,
    metadata: dict[str, Any] | None,
    *,
    batch: int = 1,
    size: tuple[int, int] = (SIDE, SIDE),
    is_half: bool = False,
) -> Path:
    """Size is (height, width)."""
    written = {} if metadata is None else {"config.txt": json.dumps(metadata)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
            network, torch.rand(batch, 3, *size), strict=False, check_trace=False
        )
        if is_half:
            traced.half()
        torch.jit.save(traced, path, _extra_files=written)
    return path


def program(path: Path, network: nn.Module, metadata: dict[str, Any]) -> Path:
    """Compiled from its code, so that it may do what a trace would not show."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted: Any = torch.jit.script(network)
        written = {"config.txt": json.dumps(metadata)}
        torch.jit.save(scripted, path, _extra_files=written)
    return path


def onnx_file(
    path: Path,
    network: nn.Module,
    metadata: dict[str, Any],
    *,
    batch: int = 1,
    dynamic: tuple[int, ...] = (),
) -> Path:
    """`dynamic` are the dimensions of the pictures that aren't baked in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.rand(batch, 3, SIDE, SIDE),),
            path,
            input_names=["images"],
            output_names=["output0"],
            dynamic_axes={"images": {each: f"d{each}" for each in dynamic}},
            dynamo=False,
        )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {k: str(v) for k, v in metadata.items()})
    onnx.save(model, path)
    return path
