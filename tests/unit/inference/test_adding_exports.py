"""Exports brought in from end to end, verified on the engines that can run them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from apps.inference.exceptions import InferenceError
from apps.inference.models import Deployment, ModelVersion
from apps.inference.predictors import exported
from apps.inference.predictors.layouts import END_TO_END, YOLOV5, YOLOV8
from apps.inference.registering import adding, asking
from apps.inference.services import activate
from apps.inference.serving.loading import load_version

from .exports import OF_YOLOV5, OF_YOLOV8, Sees, onnx_file, torchscript

pytestmark = pytest.mark.django_db
State = ModelVersion.State


@pytest.fixture(autouse=True)
def models_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.MODELS_DIR = tmp_path / "models"
    return tmp_path / "models"


def add(path: Path) -> ModelVersion:
    version = asking.request_version("mine", f"file:{path}")
    try:
        adding.bring_in(version)
    finally:
        version = ModelVersion.objects.select_related("model").get(pk=version.pk)
    return version


@pytest.mark.parametrize("layout", [YOLOV5, YOLOV8, END_TO_END])
@pytest.mark.parametrize("kind", ["torchscript", "onnx"])
def test_an_export_is_brought_in_and_answers(
    tmp_path: Path, deployment: Deployment, kind: str, layout: str
):
    write = torchscript if kind == "torchscript" else onnx_file
    metadata = OF_YOLOV5 if layout == YOLOV5 else OF_YOLOV8
    version = add(write(tmp_path / f"best.{kind}", Sees(layout), metadata))
    assert version.state == State.VERIFIED
    assert version.model.family == "exported"
    assert version.card["licence"] == "AGPL-3.0"
    tried = [each["engine"] for each in version.verification["engines"]]
    reference = "openvino-f32" if kind == "onnx" else "torch-cpu"
    assert tried[0] == reference
    assert len(tried) > 1
    assert not any(each["reason"] for each in version.verification["engines"])

    activate(deployment, version)
    loaded = load_version(version)
    assert loaded.predictor.engine == version.engine


def test_a_baked_batch_may_be_verified(tmp_path: Path):
    path = onnx_file(tmp_path / "best.onnx", Sees(YOLOV8, batch=1), OF_YOLOV8)
    version = add(path)
    assert version.state == State.VERIFIED


def test_a_truncated_export_fails_with_a_sentence(tmp_path: Path, models_dir: Path):
    path = torchscript(tmp_path / "best.torchscript", Sees(YOLOV8), OF_YOLOV8)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InferenceError, match="cut short, damaged"):
        add(path)
    assert ModelVersion.objects.get().state == State.FAILED
    assert not [each for each in models_dir.rglob("*") if each.is_file()]


def test_a_program_is_not_opened_once_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = torchscript(tmp_path / "best.torchscript", Sees(YOLOV8), OF_YOLOV8)
    version = add(path)
    with (version.path / "model.torchscript").open("ab") as file:
        file.write(b"\0")

    def load(*_: object, **__: object) -> None:
        raise AssertionError("it was opened")

    monkeypatch.setattr(exported, "load", load)
    for act in (load_version, adding.verify):
        with pytest.raises(InferenceError, match="checksum differs"):
            act(version)
