"""Exported detectors: each layout, each format, on every engine that can run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from apps.inference import weights
from apps.inference.comparison import Bounds, are_finite, compare
from apps.inference.conversion import convert
from apps.inference.engines import OPENVINO, OPENVINO_F32, TENSORRT, TORCH_CPU
from apps.inference.engines import openvino as openvino_engine
from apps.inference.engines.choice import available_engines
from apps.inference.exceptions import ConfigError, EngineError, LabelsError
from apps.inference.predictors import exported, yolov5
from apps.inference.predictors.families import engines_of
from apps.inference.predictors.layouts import (
    END_TO_END,
    LAYOUTS,
    YOLOV5,
    YOLOV8,
    candidates,
    select,
)
from apps.inference.types import Box, Frame
from apps.inference.verifying import verification

from .exports import (
    LABELS,
    OF_YOLOV5,
    OF_YOLOV8,
    SIDE,
    Sees,
    onnx_file,
    torchscript,
)
from .pictures import RED, frame_of, plain, with_rectangle
from .versions import YOLOV5_CONFIG, write_json, write_yolov5

BOX, OTHER = Box(32, 24, 64, 48), Box(72, 56, 104, 80)
ENGINES = {
    "torchscript": [TORCH_CPU, OPENVINO, OPENVINO_F32],
    "onnx": [OPENVINO, OPENVINO_F32],
}


def frame(box: Box = BOX, *, rotation: int = 0) -> Frame:
    return frame_of(with_rectangle(plain(128, 96), box, RED), rotation=rotation)


def export(
    directory: Path, kind: str, layout: str, *, batch: int | None = None
) -> Path:
    """A version's directory."""
    metadata: dict[str, Any] = OF_YOLOV5 if layout == YOLOV5 else OF_YOLOV8
    metadata = {**metadata, "batch": batch or 1}
    path, network = directory / f"best.{kind}", Sees(layout, batch=batch)
    if kind == "onnx":
        dynamic = () if batch else (0,)
        onnx_file(path, network, metadata, batch=batch or 1, dynamic=dynamic)
    else:
        torchscript(path, network, metadata, batch=batch or 1)
    version = directory / "version"
    version.mkdir()
    convert(path, version)
    return version


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ENGINES)
def test_what_is_red_is_found_on_every_engine(tmp_path: Path, kind: str, layout: str):
    version = export(tmp_path, kind, layout)
    reference = None
    for engine in ENGINES[kind]:
        predictor = exported.load(version, engine=engine)
        assert predictor.engine == engine
        upright, turned = predictor.predict([frame(), frame(rotation=90)])
        best = upright.detections[0]
        assert best.label == "hot dog"
        assert best.score > 0.8
        # The best cell of 8 pixels, which is 16 in the frame, and its box 48.
        box = best.box
        assert (box.x2 - box.x1, box.y2 - box.y1) == pytest.approx((48, 48), abs=0.5)
        assert BOX.x1 < (box.x1 + box.x2) / 2 < BOX.x2
        assert BOX.y1 < (box.y1 + box.y2) / 2 < BOX.y2
        assert turned.detections == upright.detections
        answers = predictor.examine([frame(), frame(rotation=90)])
        reference = reference or answers
        assert are_finite(answers)
        assert compare(reference, answers, Bounds()).keeps(Bounds())
        assert predictor.predict([]) == []


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_overlapping_boxes_are_thinned_out_once(tmp_path: Path, kind: str, layout: str):
    [prediction] = exported.load(
        export(tmp_path, kind, layout), engine=ENGINES[kind][-1]
    ).predict([frame()])
    # The end-to-end network is trusted to have done so.
    assert (len(prediction.detections) < 5) == (layout != END_TO_END)
    scores = [each.score for each in prediction.detections]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_baked_batch_is_found_out_and_larger_ones_are_split(
    tmp_path: Path, kind: str, batch: int
):
    version = export(tmp_path, kind, YOLOV8, batch=batch)
    assert weights.read_config(version)["batch"] == batch
    for engine in ENGINES[kind]:
        predictor = exported.load(version, engine=engine)
        frames = [frame(box) for box in (BOX, OTHER, BOX, OTHER)]
        together = predictor.predict(frames)
        alone = [predictor.predict([each])[0] for each in frames]
        assert [each.detections for each in together] == [
            each.detections for each in alone
        ]
        assert together[0].detections != together[1].detections


@pytest.mark.parametrize("kind", ENGINES)
def test_our_own_yolov5_answers_alike_whether_exported_or_not(
    tmp_path: Path, kind: str
):
    own, version = tmp_path / "own", tmp_path / "version"
    own.mkdir()
    version.mkdir()
    write_yolov5(own)
    write_json(own / "config.json", {**YOLOV5_CONFIG, "input_size": [SIDE, SIDE]})
    network = yolov5.YOLOv5(2, 0.33, 0.125)
    weights.fill(network, weights.load_state_dict(own))
    write = onnx_file if kind == "onnx" else torchscript
    assert convert(write(tmp_path / f"a.{kind}", network.eval(), OF_YOLOV5), version)
    assert weights.read_config(version)["layout"] == YOLOV5

    frames = [frame(), frame(OTHER, rotation=90), frame_of(plain(128, 96))]
    ours = yolov5.load(own, engine=TORCH_CPU)
    theirs = exported.load(version, engine=engines_of(version)[0])
    for mine, other in zip(ours.predict(frames), theirs.predict(frames), strict=True):
        assert mine.detections
        assert len(mine.detections) == len(other.detections)
    answers = zip(ours.examine(frames), theirs.examine(frames), strict=True)
    for said, expected in answers:
        torch.testing.assert_close(said.scores, expected.scores, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(said.boxes, expected.boxes, rtol=1e-3, atol=1e-2)


def test_places_without_a_box_agree_wherever_they_are():
    box = [10.0, 10, 30, 30, 0.9, 1]
    full = torch.tensor([[box, [0.0] * 6, [0, 0, 0, 0, 0, -1]]])
    other = full[:, [2, 0, 1]]
    answers, others = (
        candidates(END_TO_END, each, labels_count=2, side=SIDE)
        for each in (full, other)
    )
    assert compare(answers, others, Bounds()).keeps(Bounds())
    moved = torch.tensor([[[20.0, 20, 40, 40, 0.9, 1], [0.0] * 6, [0.0] * 6]])
    elsewhere = candidates(END_TO_END, moved, labels_count=2, side=SIDE)
    assert not compare(answers, elsewhere, Bounds()).keeps(Bounds())


def test_a_label_that_nobody_named_is_left_out():
    rows = torch.tensor([[[1.0, 1, 9, 9, 0.8, 2], [1, 1, 9, 9, 0.7, 1]]])
    [kept] = select(
        END_TO_END, rows, labels_count=2, score_threshold=0.25, iou_threshold=0.45
    )
    assert kept.labels.tolist() == [1]


def test_the_versions_files_are_the_export_and_our_configuration(tmp_path: Path):
    version = export(tmp_path, "torchscript", YOLOV8)
    assert {path.name for path in version.iterdir()} == {
        "config.json",
        "model.torchscript",
    }
    original = tmp_path / "best.torchscript"
    assert weights.checksum(version) == weights.sha256_of(original)
    assert weights.read_config(version) == {
        "family": "exported",
        "labels": LABELS,
        "input_size": [SIDE, SIDE],
        "batch": None,
        "layout": YOLOV8,
        "score_threshold": 0.25,
        "iou_threshold": 0.45,
    }


def test_a_version_may_be_copied_from_another_machine(tmp_path: Path):
    version = export(tmp_path, "onnx", YOLOV8)
    other = tmp_path / "other"
    other.mkdir()
    convert(version, other)
    assert weights.checksum(other) == weights.checksum(version)
    assert exported.load(other).engine in {OPENVINO, OPENVINO_F32}


def test_a_size_that_nobody_says_is_found_out(tmp_path: Path, target: Path):
    metadata = {"names": OF_YOLOV8["names"]}
    network = Sees(YOLOV8, side=320)
    path = torchscript(tmp_path / "a.torchscript", network, metadata, size=(320, 320))
    assert convert(path, target) == ""
    assert weights.read_config(target)["input_size"] == [320, 320]


def test_an_onnx_of_any_size_takes_that_of_its_metadata(tmp_path: Path, target: Path):
    class Pools(nn.Module):
        def forward(self, features: Tensor) -> Tensor:
            cells = nn.functional.avg_pool2d(features, 8).flatten(2)
            return torch.cat([cells, cells], dim=1)

    path = onnx_file(tmp_path / "a.onnx", Pools(), OF_YOLOV8, dynamic=(0, 2, 3))
    convert(path, target)
    config = weights.read_config(target)
    assert (config["input_size"], config["batch"]) == ([SIDE, SIDE], None)
    assert exported.load(target, engine=OPENVINO_F32).predict([frame()])


def test_half_precision_becomes_single(tmp_path: Path, target: Path):
    network = nn.Sequential(nn.Conv2d(3, 3, 1), Sees(YOLOV8))
    path = tmp_path / "a.torchscript"
    torchscript(path, network, OF_YOLOV8, is_half=True)
    convert(path, target)
    assert exported.load(target, engine=TORCH_CPU).predict([frame()])


@pytest.mark.parametrize(
    ("kind", "engines"),
    [
        ("torchscript", [TORCH_CPU, OPENVINO, OPENVINO_F32]),
        ("onnx", [OPENVINO_F32, OPENVINO]),
    ],
)
def test_verification_takes_the_references_that_can_run_the_file(
    tmp_path: Path, kind: str, engines: list[str]
):
    version = export(tmp_path, kind, END_TO_END)
    tried = verification.engines_to_try(TENSORRT, engines_of(version))
    here = [name for name in engines if name in available_engines()]
    assert [name for name in tried if name in engines] == here
    assert TENSORRT not in tried
    outcome = verification.verify(version, exported.__name__, tried)
    assert {each.engine: each.reason for each in outcome.engines} == dict.fromkeys(
        tried, ""
    )


def test_an_engine_that_cannot_run_the_file_says_so(tmp_path: Path):
    version = export(tmp_path, "onnx", YOLOV8)
    with pytest.raises(EngineError, match=r"torch-cpu can't run model\.onnx; openvino"):
        exported.load(version, engine=TORCH_CPU)


def test_onnx_without_openvino_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    version = export(tmp_path, "onnx", YOLOV8)
    missing = "the package openvino isn't installed"
    monkeypatch.setattr(openvino_engine, "missing", lambda: missing)
    sentence = f"An ONNX file is run by OpenVINO, and {missing}: install it"
    other = tmp_path / "other"
    other.mkdir()
    for act in (
        lambda: convert(tmp_path / "best.onnx", other),
        lambda: exported.load(version, engine=OPENVINO),
        lambda: exported.load(version),
    ):
        with pytest.raises(EngineError, match=sentence):
            act()


@pytest.mark.parametrize(
    ("change", "error", "why"),
    [
        ({"family": "yolov5"}, ConfigError, "field family"),
        ({"labels": []}, ConfigError, "field labels"),
        ({"labels": ["hot dog"]}, LabelsError, "names 1 labels, .* answers for 2"),
        ({"input_size": [64, 96]}, ConfigError, "twice the same number"),
        ({"input_size": 64}, ConfigError, "twice the same number"),
        ({"batch": 0}, ConfigError, "field batch"),
        ({"layout": "yolov9"}, ConfigError, "field layout"),
        ({"layout": END_TO_END}, ConfigError, "in the layout yolov8, not end-to-end"),
        ({"score_threshold": 2}, ConfigError, "field score_threshold"),
    ],
)
def test_a_configuration_that_was_changed_is_refused(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], why: str
):
    version = export(tmp_path, "torchscript", YOLOV8)
    write_json(version / "config.json", {**weights.read_config(version), **change})
    with pytest.raises(error, match=why):
        exported.load(version, engine=TORCH_CPU)


def test_weights_alone_are_no_export(tmp_path: Path):
    version = export(tmp_path, "torchscript", YOLOV8)
    (version / "model.torchscript").rename(version / "model.safetensors")
    with pytest.raises(ConfigError, match="holds weights alone"):
        exported.load(version)
