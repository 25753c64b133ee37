"""Official YOLOv5 checkpoints (`.pt`) made into a version's own files.

The pickled network is read without its code, compared with ours and stored as
safetensors and `config.json`; or refused, and nothing is stored. Must not know where
the file came from, nor what becomes of the version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from apps.inference import weights
from apps.inference.conversion.names import labels_of
from apps.inference.conversion.torch_pickle import Remnant, TorchPickle
from apps.inference.conversion.yolov5_architecture import (
    EXPORT_IT,
    HEAD,
    PickledNetwork,
    fitting_tensors,
    multiples,
    refuse_other_layers,
)
from apps.inference.exceptions import (
    ArchitectureError,
    ForeignFileError,
    LabelsError,
    StorageError,
)
from apps.inference.predictors.fields import Fields
from apps.inference.predictors.yolov5_config import YOLOv5Config
from apps.inference.predictors.yolov5_network import STRIDES, YOLOv5

# A camera's usual picture, and the thresholds with which the official program detects.
INPUT_SIZE = (640, 480)
SCORE_THRESHOLD = 0.25
IOU_THRESHOLD = 0.45

_FAMILY = re.compile(r"(?:models|utils)\.[\w.]+")
_NETWORKS = {"models.yolo.DetectionModel", "models.yolo.Model"}
_OTHER_TASKS = {
    "models.yolo.Segment": "outlines things",
    "models.yolo.SegmentationModel": "outlines things",
    "models.common.Classify": "classifies whole pictures",
    "models.yolo.ClassificationModel": "classifies whole pictures",
}


def convert(
    checkpoint: Path, directory: Path, *, input_size: tuple[int, int] = INPUT_SIZE
) -> None:
    """Write the files of a version that `predictors.yolov5.load` takes.

    `input_size` is (width, height) in pixels, multiples of 32.

    Raises:
        WeightsError: with a sentence for the operator; the directory is as it was.
    """
    root = _network_in(checkpoint)
    theirs = PickledNetwork(root)
    _refuse_other_releases(theirs)
    refuse_other_layers(theirs)
    config = _config_of(root, theirs, input_size)
    checked = YOLOv5Config.read(Fields(weights.CONFIG_NAME, config))
    with torch.device("meta"):
        ours = YOLOv5(
            len(checked.labels),
            checked.depth_multiple,
            checked.width_multiple,
            checked.anchors,
        )
    _store(directory, fitting_tensors(theirs, ours), config)


def _network_in(path: Path) -> Remnant:
    """The averaged network where the file has one, as officially."""
    pickle = TorchPickle(path)
    if any(name.startswith("ultralytics.") for name in pickle.names):
        raise ForeignFileError(
            "This file was saved by Ultralytics' newer package, not by YOLOv5."
            f" {EXPORT_IT}"
        )
    for name, task in _OTHER_TASKS.items():
        if name in pickle.names:
            raise ArchitectureError(
                f"This YOLOv5 {task} instead of finding them in boxes, which nothing"
                " here can show."
            )
    content = pickle.load(_FAMILY)
    if isinstance(content, dict):
        average = content.get("ema")
        content = average if isinstance(average, Remnant) else content.get("model")
    if not isinstance(content, Remnant):
        raise ForeignFileError(
            "The file holds no network, perhaps bare tensors: a YOLOv5 checkpoint has"
            " its network under `model`."
        )
    if content.pickled_name not in _NETWORKS:
        raise ArchitectureError(
            f"The file holds a network of another family, {content.pickled_name}."
            f" {EXPORT_IT}"
        )
    return content


def _refuse_other_releases(theirs: PickledNetwork) -> None:
    """What people do have, and what deserves better than the name of a layer."""
    if theirs.kind("model.0") == "models.common.Focus":
        raise ArchitectureError(
            "This model was made by YOLOv5 of release 5 or older, whose layers differ"
            f" from those of 6 and 7. {EXPORT_IT}"
        )
    if len(theirs.strides()) == 4 and max(theirs.strides()) == 64:
        raise ArchitectureError(
            "This is a P6 model, which looks at pictures of 1280 pixels at four scales;"
            f" n, s, m, l and x look at three. {EXPORT_IT}"
        )


def _config_of(
    root: Remnant, theirs: PickledNetwork, input_size: tuple[int, int]
) -> dict[str, Any]:
    anchors = _anchors(theirs)
    labels = labels_of(root.state.get("names"))
    _refuse_other_count(theirs, labels, anchors)
    said = root.state.get("yaml")
    said = said if isinstance(said, dict) else {}
    depth, width = multiples(
        theirs, said.get("depth_multiple"), said.get("width_multiple")
    )
    return {
        "family": "yolov5",
        "depth_multiple": depth,
        "width_multiple": width,
        "labels": labels,
        "anchors": anchors,
        "strides": list(STRIDES),
        "input_size": list(input_size),
        "score_threshold": SCORE_THRESHOLD,
        "iou_threshold": IOU_THRESHOLD,
    }


def _anchors(theirs: PickledNetwork) -> list[list[float]]:
    """In pixels, one list a level: [w, h, w, h, …]. The file has them in cells."""
    cells = theirs.tensors.get(f"{HEAD}.anchors")
    # Stored sizes may claim any length; a level has three shapes, as a rule.
    if cells is None or cells.dim() != 3 or cells.numel() > 10 * 2 * len(STRIDES):
        raise ArchitectureError(f"The network has no anchors. {EXPORT_IT}")
    if not bool((cells.isfinite() & (cells > 0)).all()):
        raise ArchitectureError(
            "The network's anchors aren't sizes: one isn't above 0."
        )
    pixels = cells.double() * torch.tensor(STRIDES).view(-1, 1, 1)
    return [level.flatten().tolist() for level in pixels]


def _refuse_other_count(
    theirs: PickledNetwork, labels: list[str], anchors: list[list[float]]
) -> None:
    head = theirs.tensors.get(f"{HEAD}.m.0.weight")
    shapes_count = len(anchors[0]) // 2
    if head is None or head.dim() == 0 or head.shape[0] % shapes_count:
        raise ArchitectureError(
            f"The network's last layer isn't that of a YOLOv5. {EXPORT_IT}"
        )
    known = head.shape[0] // shapes_count - 5
    if known != len(labels):
        raise LabelsError(
            f"The file names {len(labels)} labels, but its weights answer for {known}."
        )


def _store(
    directory: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any]
) -> None:
    """Both files or none: they get their names when both are written."""
    names = (weights.WEIGHTS_NAME, weights.CONFIG_NAME)
    parts = [directory / f".{name}.part" for name in names]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        save_file(dict(tensors), parts[0])
        parts[1].write_text(json.dumps(config, indent=2) + "\n")
        # safetensors lets its own user alone read; the worker may run as another.
        parts[0].chmod(parts[1].stat().st_mode)
        for part, name in zip(parts, names, strict=True):
            part.replace(directory / name)
    except (OSError, SafetensorError) as error:
        for part in parts:
            part.unlink(missing_ok=True)
        raise StorageError(
            f"The model's files can't be written to {directory.name}: {error}."
        ) from error
