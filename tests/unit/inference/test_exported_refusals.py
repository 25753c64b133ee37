"""Exports that can't be trusted or understood, each refused in its own sentence."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn

from apps.inference.conversion import convert, torchscript_archive
from apps.inference.exceptions import (
    ArchitectureError,
    CorruptWeightsError,
    ForeignFileError,
    InferenceError,
    LabelsError,
    NotFiniteError,
    UntrustedPickleError,
)
from apps.inference.predictors.layouts import END_TO_END, YOLOV5, YOLOV8, recognise

from .exports import OF_YOLOV5, OF_YOLOV8, SIDE, Sees, onnx_file, program, torchscript

Refuse = Callable[[type[Exception], str, Path], None]


@pytest.fixture
def refuse(target: Path) -> Refuse:
    def fail(error: type[Exception], why: str, path: Path) -> None:
        with pytest.raises(InferenceError, match=why) as caught:
            convert(path, target)
        assert type(caught.value) is error
        assert str(caught.value).endswith(".")
        assert "\n" not in str(caught.value)
        assert not (target / "config.json").exists()

    return fail


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return torchscript(tmp_path / "best.torchscript", Sees(YOLOV8), OF_YOLOV8)


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_truncated_program(refuse: Refuse, good: Path, share: float):
    refuse(CorruptWeightsError, "cut short, damaged or no Torch", cut(good, share))


def test_a_damaged_program(refuse: Refuse, good: Path, tmp_path: Path):
    broken = tmp_path / "broken.torchscript"
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(broken, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            is_pickle = info.filename.endswith("data.pkl")
            new.writestr(info, content[:20] if is_pickle else content)
    refuse(CorruptWeightsError, "cut short or damaged", broken)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_truncated_graph(refuse: Refuse, tmp_path: Path, share: float):
    network = nn.Sequential(nn.Conv2d(3, 3, 1), Sees(YOLOV8))
    path = cut(onnx_file(tmp_path / "a.onnx", network, OF_YOLOV8), share)
    refuse(CorruptWeightsError, "cut short, damaged or no ONNX", path)


@pytest.mark.parametrize("name", ["a.torchscript", "a.onnx"])
def test_an_empty_file(refuse: Refuse, tmp_path: Path, name: str):
    (tmp_path / name).touch()
    refuse(CorruptWeightsError, "empty|cut short", tmp_path / name)


def test_another_archive(refuse: Refuse, tmp_path: Path):
    path = tmp_path / "a.torchscript"
    torch.save(nn.Conv2d(3, 8, 1).state_dict(), path)
    refuse(ForeignFileError, "archive of something else", path)
    other = path.rename(tmp_path / "a.onnx")
    refuse(ForeignFileError, "is an archive, not an ONNX file", other)


@pytest.mark.parametrize("metadata", [None, {}, {"names": {}}, {"stride": 32}])
def test_labels_that_nobody_names(refuse: Refuse, tmp_path: Path, metadata):
    path = torchscript(tmp_path / "a.torchscript", Sees(YOLOV8), metadata)
    refuse(LabelsError, "doesn't name its labels: export it again", path)
    path = onnx_file(tmp_path / "a.onnx", Sees(YOLOV8), metadata or {})
    refuse(LabelsError, "doesn't name its labels: export it again", path)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ({"0": "a", "2": "b"}, "number its labels"),
        (["a", "a"], "names two labels alike: a"),
        ({"0": "a", "1": ""}, "isn't a readable name"),
        ("hot dog", "doesn't name its labels"),
        ({"zero": "a", "one": "b"}, "number its labels"),
    ],
)
def test_labels_that_are_none(refuse: Refuse, tmp_path: Path, names: Any, why: str):
    metadata = {**OF_YOLOV8, "names": names}
    path = torchscript(tmp_path / "a.torchscript", Sees(YOLOV8), metadata)
    refuse(LabelsError, why, path)


@pytest.mark.parametrize("layout", [YOLOV5, YOLOV8])
def test_another_number_of_labels(refuse: Refuse, tmp_path: Path, layout: str):
    metadata = {**OF_YOLOV5, "names": ["a", "b", "c"]}
    path = torchscript(tmp_path / "a.torchscript", Sees(layout), metadata)
    refuse(LabelsError, "names 3 labels, but its network answers for 2", path)


def test_another_task(refuse: Refuse, tmp_path: Path):
    metadata = {**OF_YOLOV8, "task": "segment"}
    path = torchscript(tmp_path / "a.torchscript", Sees(YOLOV8), metadata)
    refuse(ArchitectureError, "for the task segment", path)


@pytest.mark.parametrize(
    ("size", "why"),
    [
        ([480, 640], "640 x 480 pixels, which isn't square"),
        ([8, 8], "8 x 8 pixels, and here they may have 32 to 2048 a side"),
        ([100_000, 100_000], "100000 x 100000 pixels"),
        ([96, 96], "answers no pictures of 96 x 96 pixels"),
    ],
)
def test_an_odd_size(refuse: Refuse, tmp_path: Path, size: list[int], why: str):
    metadata = {**OF_YOLOV8, "imgsz": size}
    path = torchscript(tmp_path / "a.torchscript", Sees(YOLOV8), metadata)
    refuse(ArchitectureError, why, path)


class Answers(nn.Module):
    """A program, not a trace: it may look at the picture."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, features: Tensor) -> Tensor:
        if self.kind == "changing":
            count = 3 + int((features.std() * 50).item())
            return torch.zeros(features.shape[0], count, 6)
        if self.kind == "none":
            return torch.zeros(features.shape[0], 0, 6)
        if self.kind == "labels":
            return torch.zeros(features.shape[0], 2)
        if self.kind == "choosy" and features.std() > 0.1:
            raise ValueError("a picture that I don't like")
        return torch.zeros(features.shape[0], 300, 6)


@pytest.mark.parametrize(
    ("kind", "error", "why"),
    [
        ("changing", ArchitectureError, "more boxes for one picture than for another"),
        ("none", ArchitectureError, "more boxes for one picture than for another"),
        (
            "labels",
            ArchitectureError,
            r"answers \[1, 2\], which is none of the layouts",
        ),
        ("choosy", CorruptWeightsError, "answers one picture and fails at another"),
    ],
)
def test_odd_answers(
    refuse: Refuse, tmp_path: Path, kind: str, error: type[Exception], why: str
):
    path = program(tmp_path / "a.torchscript", Answers(kind), OF_YOLOV8)
    refuse(error, why, path)


def test_a_graph_that_answers_a_changing_number(refuse: Refuse, tmp_path: Path):
    class Chooses(nn.Module):
        def forward(self, features: Tensor) -> Tensor:
            chosen = (features.flatten(1)[0] > 0.5).nonzero()[:, 0].float()
            return chosen[None, :, None].repeat(1, 1, 6)

    path = onnx_file(tmp_path / "a.onnx", Chooses(), OF_YOLOV8)
    refuse(ArchitectureError, "more boxes for one picture than for another", path)


class Saves(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        torch.save(features, "/tmp/stolen")
        return features


class Reads(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return torch.from_file("/etc/hostname", size=1, dtype=torch.uint8)


class NeedsGPU(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features + torch.zeros(1, device="cuda:0")


def test_a_program_that_runs_on_a_gpu_alone(refuse: Refuse, tmp_path: Path):
    path = program(tmp_path / "a.torchscript", NeedsGPU(), OF_YOLOV8)
    refuse(ArchitectureError, "exported on a GPU and runs nowhere else", path)


def test_a_program_without_end(
    refuse: Refuse, good: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torchscript_archive, "_LARGEST_PROGRAM", 100)
    refuse(ForeignFileError, "a program longer than any network's", good)


@pytest.mark.parametrize(("network", "by"), [(Saves, "save"), (Reads, "from_file")])
def test_a_program_that_reaches_for_files(
    refuse: Refuse, tmp_path: Path, network: type[nn.Module], by: str
):
    path = program(tmp_path / "a.torchscript", network(), OF_YOLOV8)
    refuse(UntrustedPickleError, f"reaches for files of this machine, by {by}", path)
    assert not Path("/tmp/stolen").exists()


def test_weights_that_are_no_numbers(refuse: Refuse, tmp_path: Path):
    network = nn.Sequential(nn.Conv2d(3, 3, 1), Sees(YOLOV8))
    for parameter in network.parameters():
        nn.init.constant_(parameter, torch.nan)
    path = torchscript(tmp_path / "a.torchscript", network, OF_YOLOV8)
    refuse(NotFiniteError, "NaN", path)


def test_an_onnx_file_of_weights_that_are_no_numbers(refuse: Refuse, tmp_path: Path):
    network = Sees(YOLOV8)
    network.cells[0, 0] = torch.nan
    path = onnx_file(tmp_path / "a.onnx", network, OF_YOLOV8)
    refuse(NotFiniteError, "^The weights hold NaN or infinite numbers, first in", path)


def test_a_folder_of_several_models_says_which(refuse: Refuse, good: Path):
    good.with_name("a.onnx").touch()
    refuse(ForeignFileError, "but a.onnx, best.torchscript: give the path", good.parent)


@pytest.mark.parametrize("is_absolute", [False, True])
def test_weights_in_another_file(refuse: Refuse, tmp_path: Path, is_absolute: bool):
    network = nn.Sequential(nn.Conv2d(3, 3, 1), Sees(YOLOV8))
    path = onnx_file(tmp_path / "a.onnx", network, OF_YOLOV8)
    model = onnx.load(path)
    onnx.save(
        model, path, save_as_external_data=True, location="a.data", size_threshold=0
    )
    assert (tmp_path / "a.data").exists()
    if is_absolute:
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = str(tmp_path / "a.data")
        path.write_bytes(model.SerializeToString())
    refuse(ForeignFileError, "keeps its weights in another file beside it", path)


def test_an_operation_that_openvino_lacks(refuse: Refuse, tmp_path: Path):
    path = onnx_file(tmp_path / "a.onnx", Sees(YOLOV8), OF_YOLOV8)
    model = onnx.load(path)
    model.graph.node[-1].op_type = "Foozle"
    onnx.save(model, path)
    refuse(ArchitectureError, r"no operation Foozle\S*, which model\.onnx needs", path)


def test_a_graph_that_takes_no_pictures(refuse: Refuse, tmp_path: Path):
    path = onnx_file(tmp_path / "a.onnx", nn.AvgPool2d(8), OF_YOLOV8)
    model = onnx.load(path)
    shape = model.graph.input[0].type.tensor_type.shape
    shape.dim[1].dim_value = 4
    onnx.save(model, path)
    refuse(ArchitectureError, "takes something else than pictures", path)


@pytest.mark.parametrize(
    ("shape", "labels_count", "side", "layout"),
    [
        ((1, 25200, 85), 80, 640, YOLOV5),
        ((1, 84, 8400), 80, 640, YOLOV8),
        ((1, 300, 6), 80, 640, END_TO_END),
        # With one label the last length is 6 in two layouts.
        ((1, 25200, 6), 1, 640, YOLOV5),
        ((1, 102000, 6), 1, 1280, YOLOV5),  # P6, of four scales
        ((1, 300, 6), 1, 640, END_TO_END),
        ((1, 5, 8400), 1, 640, YOLOV8),
        ((1, 6, 8400), 2, 640, YOLOV8),
        ((1, 300, 6), 296, 640, END_TO_END),
    ],
)
def test_a_layout_is_recognised_by_its_shape(
    shape: tuple[int, ...], labels_count: int, side: int, layout: str
):
    assert recognise(shape, labels_count=labels_count, side=side) == layout


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        (OF_YOLOV5, "AGPL-3.0"),
        (OF_YOLOV8, "AGPL-3.0"),
        ({"names": OF_YOLOV8["names"]}, ""),
        ({"names": OF_YOLOV8["names"], "license": "Apache-2.0"}, "Apache-2.0"),
        ({"names": OF_YOLOV8["names"], "author": "Ultralytics"}, "AGPL-3.0"),
    ],
)
def test_the_licence_is_that_of_the_metadata(
    tmp_path: Path, target: Path, metadata: dict[str, Any], licence: str
):
    metadata = {"imgsz": [SIDE, SIDE], **metadata}
    path = torchscript(tmp_path / "a.torchscript", Sees(YOLOV8), metadata)
    assert convert(path, target) == licence


def test_other_endings_are_told_what_is_read(tmp_path: Path, target: Path):
    path = tmp_path / "a.tflite"
    path.touch()
    expected = re.escape("exported as .torchscript or .onnx.")
    with pytest.raises(ForeignFileError, match=expected):
        convert(path, target)
