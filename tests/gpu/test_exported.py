"""An export on the GPU sees what it sees on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.inference.comparison import Bounds, compare
from apps.inference.conversion import convert
from apps.inference.engines import TORCH_CPU, TORCH_CUDA
from apps.inference.predictors import exported
from apps.inference.predictors.layouts import LAYOUTS
from tests.parity import starter_frames
from tests.unit.inference.exports import OF_YOLOV8, Sees, torchscript


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_export_answers_as_on_the_cpu(tmp_path: Path, layout: str):
    path = torchscript(tmp_path / "a.torchscript", Sees(layout), OF_YOLOV8)
    version = tmp_path / "version"
    version.mkdir()
    convert(path, version)
    frames = starter_frames()[:8]
    ours = exported.load(version, engine=TORCH_CUDA)
    theirs = exported.load(version, engine=TORCH_CPU)
    assert ours.engine == TORCH_CUDA
    answers = ours.examine(frames)
    assert compare(theirs.examine(frames), answers, Bounds()).keeps(Bounds())
    for mine, other in zip(ours.predict(frames), theirs.predict(frames), strict=True):
        assert len(mine.detections) == len(other.detections)
