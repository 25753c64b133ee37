"""The starter detector: which network it is, how it learns, how well it does.

Knows the scenes and the YOLOv5 network; not the loop that trains nor who asks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import Dataset

from apps.inference import weights
from apps.inference.boxes import Kept, non_max_suppression
from apps.inference.hotdog import HOT_DOG, VERDICT_SCORE
from apps.inference.predictors.yolov5_network import STRIDES, Detect, YOLOv5
from apps.inference.preprocessing import featurize, letterbox
from apps.inference.starter.camera import compress
from apps.inference.starter.clips import CLIPS, render_clip
from apps.inference.starter.composition import Scene
from apps.inference.starter.datasets import (
    DETECTOR_INPUT_SIZE,
    TRAINED_LABELS,
    DetectorExamples,
    collate_objects,
    held_out_seed,
)
from apps.inference.starter.detection_loss import detection_loss
from apps.inference.starter.metrics import Answer, average_precision, matched
from apps.inference.starter.scenes import LABELS, render_scene

# Shapes of what scenes show, in input pixels, three a level.
ANCHORS = (
    (34, 16, 22, 34, 42, 32),
    (74, 30, 40, 62, 62, 52),
    (116, 58, 80, 92, 140, 120),
)
_ANCHORS_PER_LEVEL = len(ANCHORS[0]) // 2
CONFIG: dict[str, Any] = {
    "family": "yolov5",
    "depth_multiple": 0.33,
    "width_multiple": 0.25,
    "labels": list(LABELS),
    "anchors": [list(level) for level in ANCHORS],
    "strides": list(STRIDES),
    "input_size": list(DETECTOR_INPUT_SIZE),
    "score_threshold": 0.5,
    "iou_threshold": 0.45,
}
_HOT_DOG = LABELS.index(HOT_DOG)
_FIRST_CLIP_SEED = 1000
_SCENES_PER_CLIP = 25
_CLIP_STRIDE = 50
_CLIP_JPEG_QUALITY = 40


class DetectorTask:
    name = "starter-detector"
    description = (
        "YOLOv5n at 320 × 256 pixels, trained on procedurally drawn scenes: finds hot "
        "dogs and five other foods, and leaves buns and sausages alone."
    )
    evaluation = (
        "mAP50 as COCO counts it, on held-out scenes of 320 × 240 pixels. The other "
        "figures take detections that score at least 0.5: recall is the share of hot "
        "dogs found with IoU ≥ 0.5, false alarms the share of pictures without one in "
        "which one is seen. Clips are rendered at 640 × 480 and compressed hard."
    )
    labels = LABELS
    steps = 5000
    batch_size = 16
    learning_rate = 2e-3

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.seed = seed
        self.network = build_detector(TRAINED_LABELS)
        self._anchors = cast(Detect, self.network.model["24"]).anchors

    def examples(self) -> Dataset[Any]:
        return DetectorExamples(self.seed)

    def collate(self, examples: list[Any]) -> tuple[Tensor, Tensor]:
        return collate_objects(examples)

    def loss(self, images: Tensor, targets: Tensor) -> Tensor:
        features = images.contiguous(memory_format=torch.channels_last) / 255
        levels = cast("list[Tensor]", self.network(features))
        return detection_loss(levels, targets, self._anchors, STRIDES)

    def save(self, network: nn.Module, directory: Path) -> None:
        """Write the version; half precision halves the file and costs no accuracy."""
        tensors = {
            name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
            for name, tensor in without_decoys(network.state_dict()).items()
        }
        save_file(tensors, directory / weights.WEIGHTS_NAME)
        config = json.dumps(CONFIG, indent=2)
        (directory / weights.CONFIG_NAME).write_text(config + "\n")

    def evaluate(self, directory: Path, scenes: int) -> dict[str, Any]:
        """Measure the version in a directory on so many held-out scenes and clips."""
        clips = max(1, scenes // _SCENES_PER_CLIP)
        network = build_detector(LABELS)
        weights.fill(network, weights.load_state_dict(directory))
        network.eval()
        return {
            "held_out_scenes": scenes,
            **scene_figures(list(_answer(network, _held_out(scenes)))),
            **clip_figures(list(_answer(network, _clip_scenes(clips)))),
        }


def build_detector(labels: Sequence[str]) -> YOLOv5:
    return YOLOv5(
        labels_count=len(labels),
        depth_multiple=CONFIG["depth_multiple"],
        width_multiple=CONFIG["width_multiple"],
        anchors=ANCHORS,
    )


def without_decoys(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Cut the look-alikes' scores out of the head: they only helped to learn."""
    return {
        name: _without_decoys(tensor) if name.startswith("model.24.m.") else tensor
        for name, tensor in tensors.items()
    }


def _without_decoys(head: Tensor) -> Tensor:
    by_anchor = head.view(_ANCHORS_PER_LEVEL, -1, *head.shape[1:])
    return by_anchor[:, : 5 + len(LABELS)].flatten(0, 1)


def scene_figures(answers: list[Answer]) -> dict[str, Any]:
    by_label = {
        label: precision
        for number, label in enumerate(LABELS)
        if (precision := average_precision(answers, number)) is not None
    }
    recall, false_alarms = _hot_dog_rates(answers)
    return {
        "map50": round(sum(by_label.values()) / len(by_label), 4),
        "ap50": {label: round(precision, 4) for label, precision in by_label.items()},
        "hot_dog_recall": recall,
        "hot_dog_false_alarms": false_alarms,
    }


def clip_figures(answers: list[Answer]) -> dict[str, Any]:
    recall, false_alarms = _hot_dog_rates(answers)
    return {
        "clip_frames": len(answers),
        "clip_hot_dog_recall": recall,
        "clip_hot_dog_false_alarms": false_alarms,
    }


def _hot_dog_rates(answers: list[Answer]) -> tuple[float, float]:
    """(share of hot dogs found, share of pictures without one that claim one)."""
    there = found = empty = alarms = 0
    for answer in answers:
        wanted = answer.boxes[answer.labels == _HOT_DOG]
        seen = answer.found
        certain = seen.boxes[(seen.labels == _HOT_DOG) & (seen.scores >= VERDICT_SCORE)]
        there += len(wanted)
        found += int(matched(certain, wanted).sum())
        empty += not len(wanted)
        alarms += not len(wanted) and len(certain) > 0
    return round(found / max(there, 1), 4), round(alarms / max(empty, 1), 4)


def _held_out(scenes: int) -> Iterator[Scene]:
    return (render_scene(held_out_seed(index)) for index in range(scenes))


def _clip_scenes(clips: int) -> Iterator[Scene]:
    """Every fiftieth frame of some clips, but those that show a thing by halves."""
    for clip in range(clips):
        seed = _FIRST_CLIP_SEED + clip
        for frame in render_clip(CLIPS["tour"], seed=seed, every=_CLIP_STRIDE):
            if not frame.partly:
                picture = compress(frame.scene.image, _CLIP_JPEG_QUALITY)
                yield Scene(np.asarray(picture, np.uint8), frame.scene.objects)


@torch.inference_mode()
def _answer(network: nn.Module, scenes: Iterable[Scene]) -> Iterator[Answer]:
    for scene in scenes:
        boxes = torch.tensor([box for _, box in scene.objects]).view(-1, 4)
        labels = torch.tensor(
            [LABELS.index(label) for label, _ in scene.objects], dtype=torch.int64
        )
        yield Answer(_detect(network, scene.image), boxes, labels)


def _detect(network: nn.Module, image: NDArray[np.uint8]) -> Kept:
    """All candidates, however unlikely, in pixels of the image."""
    fitted, geometry = letterbox(image, DETECTOR_INPUT_SIZE)
    kept = non_max_suppression(
        network(featurize([fitted])),
        score_threshold=0.001,
        iou_threshold=CONFIG["iou_threshold"],
    )[0]
    return kept._replace(boxes=geometry.to_frame(kept.boxes))
