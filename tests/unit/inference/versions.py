"""Model versions on disk as a trainer would leave them, tiny and random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForImageClassification

from apps.inference.predictors.yolov5 import DEFAULT_ANCHORS, STRIDES, YOLOv5

from .networks import lively

YOLOV5_CONFIG: dict[str, Any] = {
    "family": "yolov5",
    "depth_multiple": 0.33,
    "width_multiple": 0.125,
    "labels": ["hot dog", "pizza"],
    "anchors": [list(level) for level in DEFAULT_ANCHORS],
    "strides": list(STRIDES),
    "input_size": [128, 96],
    "score_threshold": 0.25,
    "iou_threshold": 0.45,
}

RECIPE: dict[str, Any] = {
    "image_processor_type": "ConvNextImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": 64},
    "crop_pct": 0.875,
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}

FOODS = ["pizza", "hot dog", "donut", "cake", "apple", "banana"]


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def write_yolov5(directory: Path) -> Path:
    torch.manual_seed(0)
    network = lively(YOLOv5(2, 0.33, 0.125))
    save_file(network.state_dict(), directory / "model.safetensors")
    write_json(directory / "config.json", YOLOV5_CONFIG)
    return directory


def write_classifier(directory: Path, architecture: str = "resnet") -> Path:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        architecture,
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        id2label=dict(enumerate(FOODS)),
        label2id={label: number for number, label in enumerate(FOODS)},
    )
    build: Any = AutoModelForImageClassification.from_config
    network = build(config)
    with torch.no_grad():
        network.train()(torch.rand(8, 3, 64, 64))  # statistics of its own
    save_file(network.state_dict(), directory / "model.safetensors")
    config.save_pretrained(directory)
    write_json(directory / "preprocessor_config.json", RECIPE)
    return directory
