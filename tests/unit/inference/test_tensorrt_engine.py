"""What TensorRT has compiled is kept; torch plays torch-tensorrt and the GPU."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from apps.inference.engines import cuda, tensorrt
from apps.inference.engines.network import Network
from apps.inference.engines.tensorrt import TensorRTEngine
from apps.inference.engines.torch import CPU
from apps.inference.preprocessing import Featurize

PICTURES = torch.randint(
    256, (8, 4, 6, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


class TorchTensorRT(ModuleType):
    """Compiles nothing, and notes the shapes that it was asked to compile."""

    def __init__(self) -> None:
        super().__init__("torch_tensorrt")
        self.compiled: list[tuple[int, ...]] = []
        self.dynamo = SimpleNamespace(compile=self._compile)

    def _compile(
        self, exported: ExportedProgram, *, arg_inputs: Sequence[Tensor]
    ) -> nn.Module:
        self.compiled.append(tuple(arg_inputs[0].shape))
        return exported.module()

    def save(self, module: nn.Module, path: str, *, arg_inputs: Sequence[Any]) -> None:
        torch.export.save(torch.export.export(module, tuple(arg_inputs)), path)

    def load(self, path: str) -> ExportedProgram:
        try:
            return torch.export.load(path)
        except Exception as error:
            raise ValueError("The file doesn't correspond to a program") from error


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "hot-dog-emporium" / "networks"


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> TorchTensorRT:
    library = TorchTensorRT()
    monkeypatch.setitem(sys.modules, "torch_tensorrt", library)
    monkeypatch.setattr(tensorrt, "version", lambda name: "1.0")
    monkeypatch.setattr(cuda, "current_device", lambda: CPU)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    stream = SimpleNamespace(synchronize=lambda: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    return library


def engine(identity: str | None = "some files") -> TensorRTEngine:
    torch.manual_seed(0)
    module = nn.Sequential(Featurize(), nn.Conv2d(3, 2, 1))
    return tensorrt.build(Network(lambda: module, PICTURES[:1], identity=identity))


def test_each_power_of_two_is_compiled_once_and_kept(library: TorchTensorRT):
    answers = [engine()(PICTURES[:count]) for count in (1, 3, 4, 8)]
    assert library.compiled == [(1, 4, 6, 3), (4, 4, 6, 3), (8, 4, 6, 3)]
    for answer in answers:
        torch.testing.assert_close(answer, answers[-1][: len(answer)])
    torch.manual_seed(0)
    expected = nn.Sequential(Featurize(), nn.Conv2d(3, 2, 1))(PICTURES)
    torch.testing.assert_close(answers[-1].float(), expected, rtol=0.01, atol=0.01)


def test_all_shapes_of_a_network_lie_in_one_folder_and_go_together(shelf: Path):
    for count in (1, 2):
        engine()(PICTURES[:count])
    engine("other files")(PICTURES[:1])
    assert sorted(len(list(folder.iterdir())) for folder in shelf.iterdir()) == [1, 2]


def test_what_cannot_be_read_is_compiled_again(
    library: TorchTensorRT, shelf: Path, caplog: pytest.LogCaptureFixture
):
    engine()(PICTURES[:1])
    [file] = shelf.glob("*/*")
    file.write_bytes(file.read_bytes()[:100])
    with caplog.at_level(logging.WARNING):
        engine()(PICTURES[:1])
    engine()(PICTURES[:1])
    assert len(library.compiled) == 2
    assert "can't be read" in caplog.text


def test_a_full_disk_is_no_error(shelf: Path, caplog: pytest.LogCaptureFixture):
    shelf.parent.mkdir()
    shelf.write_text("a file stands where the folder should")
    with caplog.at_level(logging.WARNING):
        assert engine()(PICTURES[:1]).shape == (1, 2, 4, 6)
    assert "isn't kept" in caplog.text


def test_what_nobody_can_name_is_kept_nowhere(shelf: Path):
    engine(None)(PICTURES[:1])
    assert not shelf.exists()
