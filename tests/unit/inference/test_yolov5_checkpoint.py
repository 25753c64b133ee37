from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from apps.inference.conversion import yolov5_checkpoint
from apps.inference.conversion.yolov5_checkpoint import convert
from apps.inference.engines import TORCH_CPU
from apps.inference.exceptions import (
    ArchitectureError,
    ConfigError,
    ForeignFileError,
    LabelsError,
    StorageError,
)
from apps.inference.labels import COCO_LABELS
from apps.inference.predictors import yolov5
from apps.inference.predictors.yolov5 import YOLOv5

from .networks import LiteralYOLOv5, lively
from .official import LABELS, checkpoint, official, official_class, refused, save, tiny
from .pictures import frame_of, noise

# Checkpoints of the official implementation with its answers, where they are at hand.
FIXTURES = sorted((Path(__file__).parents[3] / "../shared/fixtures").glob("*.pt"))


def config_in(directory: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((directory / "config.json").read_text())
    return config


@pytest.fixture(
    params=["models.yolo.DetectionModel", "models.yolo.Model", *FIXTURES],
    ids=lambda param: getattr(param, "stem", param),
)
def published(request, path) -> tuple[Path, torch.Tensor, torch.Tensor]:
    """A checkpoint of an 80-label nano, images and the answer it should give."""
    if request.param in FIXTURES:
        with np.load(request.param.with_suffix(".npz")) as arrays:
            images, answer = (torch.from_numpy(arrays[name]) for name in "xy")
        return request.param, images, answer
    network = lively(YOLOv5(80)).half().double()
    pickled = official(network, list(COCO_LABELS), root=request.param)
    save(path, checkpoint(pickled.half()))
    images = torch.rand(1, 3, 64, 96, dtype=torch.float64)
    return path, images, LiteralYOLOv5(network.state_dict())(images)


def test_answers_as_the_official_implementation_does(published, target):
    path, images, expected = published
    convert(path, target)
    answer = answer_of(target, YOLOv5(80).to(images.dtype), images)
    torch.testing.assert_close(answer, expected, rtol=1e-3, atol=1e-4)
    config = config_in(target)
    assert (config["depth_multiple"], config["width_multiple"]) == (0.33, 0.25)
    assert (config["labels"][0], config["labels"][79]) == ("person", "toothbrush")
    assert config["anchors"] == [list(level) for level in yolov5.DEFAULT_ANCHORS]


def answer_of(directory: Path, network: YOLOv5, images: torch.Tensor) -> torch.Tensor:
    tensors = load_file(directory / "model.safetensors")
    assert {t.dtype for t in tensors.values()} == {torch.float16, torch.int64}
    network.eval().load_state_dict(tensors)
    with torch.inference_mode():
        answer: torch.Tensor = network(images)
    return answer


@pytest.mark.parametrize(
    ("depth", "width"),
    [
        pytest.param(0.33, 0.25, id="n"),
        pytest.param(0.33, 0.50, id="s"),
        pytest.param(0.67, 0.75, id="m"),
        pytest.param(1.00, 1.00, id="l"),
        pytest.param(1.33, 1.25, id="x"),
    ],
)
def test_every_size_comes_over_whole(depth, width, path, target):
    with torch.device("meta"):
        network = YOLOv5(3, depth, width).half()
    network = network.to_empty(device="cpu")
    for number, tensor in enumerate(network.state_dict().values()):
        # Enough to tell tensors and their ends apart, and quickly made.
        tensor.fill_(number / 64)
        tensor.view(-1)[-1] = -1
    network.get_buffer("model.24.anchors").fill_(2)
    save(path, checkpoint(official(network, LABELS)))

    convert(path, target)
    tensors, expected = load_file(target / "model.safetensors"), network.state_dict()
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)
    config = config_in(target)
    assert (config["depth_multiple"], config["width_multiple"]) == (depth, width)


def test_a_converted_version_predicts(path, target):
    save(path, checkpoint(official(lively(tiny()), LABELS)))
    convert(path, target, input_size=(128, 96))
    [prediction] = yolov5.load(target, engine=TORCH_CPU).predict(
        [frame_of(noise(160, 120))]
    )
    assert {found.label for found in prediction.detections} <= set(LABELS)


def test_the_thresholds_are_those_of_the_official_program(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    convert(path, target)
    config = config_in(target)
    assert config["input_size"] == [640, 480]
    assert (config["score_threshold"], config["iou_threshold"]) == (0.25, 0.45)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (LABELS, LABELS),
        (dict(enumerate(LABELS)), LABELS),
        ({2: "cup", 0: "hot dog", 1: "pizza"}, LABELS),
        ([0, 1, 2], ["0", "1", "2"]),
        (["a ", "b", "👨‍🍳 ketchup"], ["a", "b", "👨‍🍳 ketchup"]),
    ],
    ids=["list", "dictionary", "unordered", "numbers", "words"],
)
def test_labels_come_from_the_file(names, labels, path, target):
    save(path, checkpoint(official(tiny(), names)))
    convert(path, target)
    assert config_in(target)["labels"] == labels
    yolov5.load(target, engine=TORCH_CPU)


def test_the_average_is_preferred(path, target):
    model, average = official(tiny(), LABELS), official(tiny(), ["a", "b", "c"])
    save(path, checkpoint(model, ema=average))
    convert(path, target)
    assert config_in(target)["labels"] == ["a", "b", "c"]


def test_a_network_alone_will_do(path, target):
    save(path, official(tiny(), LABELS))
    convert(path, target)
    assert config_in(target)["labels"] == LABELS


@pytest.mark.parametrize(
    "yaml",
    [
        {"depth_multiple": 1.0, "width_multiple": 1.0},
        {"depth_multiple": "deep", "width_multiple": float("nan")},
        {"depth_multiple": True, "width_multiple": [0.5]},
    ],
    ids=["other", "nonsense", "odd"],
)
@pytest.mark.parametrize(("depth", "width"), [(0.5, 0.375), (0.1, 0.05)])
def test_multiples_are_found_where_the_file_lies(depth, width, yaml, path, target):
    save(path, checkpoint(official(tiny(depth, width), LABELS, yaml=yaml)))
    convert(path, target)
    yolov5.load(target, engine=TORCH_CPU)


def test_multiples_are_those_that_the_file_says_where_they_fit(path, target):
    yaml = {"depth_multiple": 0.35, "width_multiple": 0.124}
    save(path, checkpoint(official(tiny(), LABELS, yaml=yaml)))
    convert(path, target)
    config = config_in(target)
    assert (config["depth_multiple"], config["width_multiple"]) == (0.35, 0.124)
    yolov5.load(target, engine=TORCH_CPU)


def test_single_precision_stays_and_noncontiguous_tensors_are_straightened(
    path, target
):
    network = tiny().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save(path, checkpoint(official(network, LABELS)))
    convert(path, target)
    tensors = load_file(target / "model.safetensors")
    weight = tensors["model.1.conv.weight"]
    assert weight.dtype == torch.float32
    assert torch.equal(weight, network.model["1"].conv.weight)


def test_anchors_are_stored_in_pixels(path, target):
    anchors = [[8, 16, 24, 32], [30, 40, 50, 60], [100, 200, 300, 400]]
    network = YOLOv5(3, 0.33, 0.125, anchors)
    save(path, checkpoint(official(network, LABELS)))
    convert(path, target)
    assert config_in(target)["anchors"] == anchors
    yolov5.load(target, engine=TORCH_CPU)


def test_the_input_size_may_be_chosen(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    convert(path, target, input_size=(320, 256))
    assert config_in(target)["input_size"] == [320, 256]


def test_an_impossible_input_size_is_refused_before_anything_is_written(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    with pytest.raises(ConfigError, match="input_size"):
        convert(path, target, input_size=(100, 100))
    assert list(target.iterdir()) == []


def test_what_training_leaves_in_a_checkpoint_does_no_harm(path, target):
    network = official(tiny(), LABELS)
    network.loss = official_class("utils.loss.ComputeLoss")()
    network.hyp = {"lr0": 0.01}  # type: ignore[assignment]
    network.register_buffer("class_weights", torch.full((3,), torch.nan))
    # As release 5 registered it, beside the anchors.
    network.model[24].register_buffer(  # type: ignore[index,union-attr]
        "anchor_grid", torch.ones(3, 1, 3, 1, 1, 2)
    )
    rest = {
        "best_fitness": np.array([0.5]),
        "fitness": np.float64(0.5),
        "opt": argparse.Namespace(weights=Path("yolov5s.pt")),
        "date": datetime.datetime(2022, 11, 22, tzinfo=datetime.UTC),
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}},
        "device": torch.device("cpu"),
        "dtype": torch.float16,
    }
    save(path, checkpoint(network, **rest))
    convert(path, target)
    yolov5.load(target, engine=TORCH_CPU)


def test_training_on_several_cards_makes_no_difference(path, target):
    convert_all: Any = nn.SyncBatchNorm.convert_sync_batchnorm
    network = convert_all(official(tiny(), LABELS))
    save(path, checkpoint(network))
    assert b"SyncBatchNorm" in path.read_bytes()
    convert(path, target)
    yolov5.load(target, engine=TORCH_CPU)


def test_no_code_of_the_file_is_imported(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    allowed = set(torch.serialization.get_safe_globals())
    convert(path, target)
    assert "models" not in sys.modules
    assert set(torch.serialization.get_safe_globals()) == allowed


def test_the_count_of_labels_must_be_that_of_the_weights(path, target):
    save(path, checkpoint(official(tiny(), ["hot dog", "pizza"])))
    refused(LabelsError, "names 2 labels, but its weights answer for 3", path, target)


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (None, "doesn't name its labels"),
        ([], "doesn't name its labels"),
        ({0: "a", 1: "b", 3: "c"}, "doesn't number its labels"),
        (["a", "a", "b"], "names two labels alike: a"),
        (["a", "", "b"], "isn't a readable name"),
        (["a", "b\x1b[2J", "c"], "isn't a readable name"),
        (["a", "\ud800", "c"], "isn't a readable name"),
        (["a", None, "b"], "isn't a readable name"),
    ],
)
def test_labels_must_be_different_readable_names(names, match, path, target):
    save(path, checkpoint(official(tiny(), names)))
    refused(LabelsError, match, path, target)


def test_networks_of_the_newer_package_are_refused_as_such(path, target):
    network = official_class("ultralytics.nn.tasks.DetectionModel")()
    save(path, checkpoint(network))
    match = "Ultralytics' newer package.*Export it to ONNX or TorchScript"
    refused(ForeignFileError, match, path, target)


@pytest.mark.parametrize(
    "content",
    [{"model": {"weight": torch.ones(1)}}, {"weight": torch.ones(1)}, [1], {}],
)
def test_bare_tensors_are_refused(content, path, target):
    refused(ForeignFileError, "holds no network", save(path, content), target)


def test_a_network_of_another_family_is_named(path, target):
    save(path, checkpoint(nn.Linear(1, 1)))
    refused(ArchitectureError, r"torch\.nn\.modules\.linear\.Linear", path, target)


def test_a_full_disk_leaves_nothing_behind(path, target, monkeypatch):
    save(path, checkpoint(official(tiny(), LABELS)))

    def fill_up(_: object, to: Path) -> None:
        to.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(yolov5_checkpoint, "save_file", fill_up)
    refused(StorageError, "No space left on device", path, target)


def test_both_files_can_be_read_by_the_same_people(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    convert(path, target)
    modes = {file.stat().st_mode for file in target.iterdir()}
    assert len(modes) == 1
