"""What was compiled once is read the next time, and is what it was."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from apps.inference import weights
from apps.inference.engines import OPENVINO, OPENVINO_F32, TORCH_CPU, keeping
from apps.inference.engines.choice import compile_network
from apps.inference.engines.network import Network, nothing_built
from apps.inference.exceptions import NotKeptError
from apps.inference.predictors import classifier, yolov5
from tests.parity import calm_detector, pictures, starter, starter_frames

from .versions import write_classifier


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "hot-dog-emporium" / "networks"


class Builder:
    """Counts how often a network is built."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> nn.Module:
        self.times += 1
        return calm_detector()


def network(builder: Builder, identity: str | None = "some files") -> Network:
    return Network(builder, pictures(1, 128, 96), identity=identity)


@pytest.mark.parametrize("engine", [OPENVINO, OPENVINO_F32])
def test_a_network_is_built_once_and_answers_as_it_did(engine: str) -> None:
    builder = Builder()
    batch = pictures(3, 128, 96)
    first = compile_network(network(builder), engine)(batch).clone()
    second = compile_network(network(builder), engine)(batch)
    assert builder.times == 1
    assert torch.equal(first, second)


def test_what_is_kept_needs_no_building() -> None:
    builder = Builder()
    with nothing_built(), pytest.raises(NotKeptError):
        compile_network(network(builder), OPENVINO)
    assert builder.times == 0
    compile_network(network(builder), OPENVINO)

    with nothing_built():
        compile_network(network(builder), OPENVINO)

    assert builder.times == 1


@pytest.mark.parametrize("engine", [None, TORCH_CPU])
def test_no_other_engine_builds_what_may_not_be_built(engine: str | None) -> None:
    with nothing_built(), pytest.raises(NotKeptError):
        compile_network(network(Builder(), identity=None), engine)


def test_both_precisions_are_of_one_network() -> None:
    builder = Builder()
    compile_network(network(builder), OPENVINO)
    assert compile_network(network(builder), OPENVINO_F32).precision == "float32"
    assert builder.times == 1


@pytest.mark.parametrize(
    "other",
    [
        {"identity": "other files"},
        {"example": pictures(1, 64, 64)},
        {"is_resizable": True},
    ],
)
def test_another_network_is_another_network(other: dict[str, object]) -> None:
    builder = Builder()
    facts = {"example": pictures(1, 128, 96), "identity": "some files"}
    compile_network(Network(builder, **facts), OPENVINO)  # type: ignore[arg-type]
    compile_network(Network(builder, **{**facts, **other}), OPENVINO)  # type: ignore[arg-type]
    assert builder.times == 2


def test_code_that_changes_builds_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keeping.key_of("some files")
    monkeypatch.setattr(keeping, "_digest_of_code", lambda: "another digest")
    assert keeping.key_of("some files") != before


def test_what_nobody_can_name_is_kept_nowhere(shelf: Path) -> None:
    compile_network(network(Builder(), identity=None), OPENVINO)
    assert not shelf.exists()


def test_torch_builds_its_own(shelf: Path) -> None:
    compile_network(network(Builder()), TORCH_CPU)
    assert not shelf.exists()


def test_what_cannot_be_read_is_built_again(
    shelf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    builder = Builder()
    compile_network(network(builder), OPENVINO)
    [file] = shelf.glob("*/*.bin")
    file.write_bytes(file.read_bytes()[:100])

    with caplog.at_level(logging.WARNING):
        compile_network(network(builder), OPENVINO)
    compile_network(network(builder), OPENVINO)

    assert builder.times == 2
    assert "can't be read" in caplog.text


def test_a_cache_that_takes_nothing_is_no_error(
    shelf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.parent.mkdir()
    shelf.write_text("a file stands where the folder should")
    with caplog.at_level(logging.WARNING):
        compile_network(network(Builder()), OPENVINO)
    assert "isn't kept" in caplog.text


def test_half_a_network_is_never_found(shelf: Path) -> None:
    def stop_halfway(folder: Path) -> None:
        (folder / "half").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keeping.keep("a" * 64, stop_halfway)
    assert keeping.find("a" * 64) is None
    assert list(shelf.iterdir()) == []


def test_what_is_not_used_for_longest_goes_first(shelf: Path) -> None:
    names = [f"{number:064}" for number in range(keeping.MOST_KEPT)]
    for age, name in enumerate(names):
        keeping.keep(name, lambda folder: None)
        os.utime(shelf / name, (1000 - age, 1000 - age))
    keeping.find(names[-1])  # the oldest, which is used now

    keeping.keep("f" * 64, lambda folder: None)

    assert {path.name for path in shelf.iterdir()} == {*names, "f" * 64} - {names[-2]}


def test_the_starter_models_are_read_without_torch_building_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = starter_frames()[:1]
    loads = (yolov5.load, "starter-detector"), (classifier.load, "starter-classifier")
    before = [load(starter(name)).predict(frames)[0] for load, name in loads]
    for module in (yolov5, classifier):
        monkeypatch.setattr(module, "_build", None)
    after = [load(starter(name)).predict(frames)[0] for load, name in loads]
    for one, other in zip(before, after, strict=True):
        assert one.detections == other.detections
        assert one.classifications == other.classifications


def test_what_is_kept_needs_no_transformers(tmp_path: Path) -> None:
    directory = write_classifier(tmp_path)
    classifier.load(directory, engine=OPENVINO)
    load = f"""
import sys
from pathlib import Path
from apps.inference.engines.network import nothing_built
from apps.inference.predictors import classifier
with nothing_built():
    classifier.load(Path({str(directory)!r}), engine={OPENVINO!r})
print("transformers" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", load], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_another_label_makes_another_version(tmp_path: Path) -> None:
    version = shutil.copytree(starter("starter-detector"), tmp_path / "version")
    before = weights.fingerprint(version)
    (version / "card.md").write_text("other words")
    assert weights.fingerprint(version) == before
    config = version / "config.json"
    config.write_text(config.read_text() + "\n")
    assert weights.fingerprint(version) != before
