from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from apps.inference import weights
from apps.inference.exceptions import (
    ArchitectureError,
    ChecksumError,
    ConfigError,
    CorruptWeightsError,
    InferenceError,
    MissingFileError,
    NotFiniteError,
    WeightsError,
)


@pytest.fixture
def version(tmp_path):
    save_file(nn.Linear(3, 2).state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"family": "line"}')
    return tmp_path


def test_sha256_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "some.bin"
    path.write_bytes(b"mustard")
    assert weights.sha256_of(path) == hashlib.sha256(b"mustard").hexdigest()


def test_the_registered_weights_verify(version):
    sha256 = weights.sha256_of(version / "model.safetensors")
    weights.verify(version, sha256)
    weights.verify(version, sha256.upper())


def test_other_weights_do_not_verify(version):
    sha256 = weights.sha256_of(version / "model.safetensors")
    with (version / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ChecksumError, match="checksum differs"):
        weights.verify(version, sha256)


@pytest.mark.parametrize(
    "read",
    [
        lambda directory: weights.verify(directory, "0" * 64),
        weights.load_state_dict,
        lambda directory: weights.sha256_of(directory / "model.safetensors"),
    ],
)
def test_missing_weights_are_named(tmp_path, read):
    with pytest.raises(MissingFileError, match=r"no file model\.safetensors"):
        read(tmp_path)


def test_a_config_is_its_json_object(version):
    assert weights.read_config(version) == {"family": "line"}


def test_a_missing_config_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"no file config\.json"):
        weights.read_config(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe{}", b"family: yolov5", b"[" * 100_000],
    ids=["empty", "open", "binary", "yaml", "deep"],
)
def test_a_config_that_is_no_json_is_refused(version, content):
    (version / "config.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.json isn't readable as JSON"):
        weights.read_config(version)


@pytest.mark.parametrize("content", ["[]", "3", "null"])
def test_a_config_that_is_no_object_is_refused(version, content):
    (version / "config.json").write_text(content)
    with pytest.raises(ConfigError, match="must hold a JSON object"):
        weights.read_config(version)


def test_tensors_come_back_as_saved(version):
    tensors = weights.load_state_dict(version)
    assert {name: tuple(t.shape) for name, t in tensors.items()} == {
        "weight": (2, 3),
        "bias": (2,),
    }


@pytest.mark.parametrize("kept", [0, 4, 40, -1])
def test_weights_cut_short_are_refused(version, kept):
    path = version / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CorruptWeightsError, match="cut short"):
        weights.load_state_dict(version)


def test_a_pickle_in_disguise_is_refused(version):
    torch.save(nn.Linear(3, 2).state_dict(), version / "model.safetensors")
    with pytest.raises(CorruptWeightsError, match="isn't a safetensors file"):
        weights.load_state_dict(version)


@pytest.fixture
def parts(tmp_path):
    """A version in two files, as transformers writes what is large."""
    for name, tensors in (
        ("b.safetensors", {"weight": torch.ones(2)}),
        ("a.safetensors", {"bias": torch.zeros(2)}),
    ):
        save_file(tensors, tmp_path / name)
    write_index(tmp_path, {"weight": "b.safetensors", "bias": "a.safetensors"})
    return tmp_path


def write_index(directory: Path, weight_map: Any) -> None:
    index = json.dumps({"metadata": {}, "weight_map": weight_map})
    (directory / "model.safetensors.index.json").write_text(index)


def test_weights_in_parts_come_back_as_one(parts):
    assert weights.load_state_dict(parts).keys() == {"weight", "bias"}


def test_weights_in_parts_verify_until_one_changes(parts):
    lines = "".join(
        f"{hashlib.sha256((parts / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("a.safetensors", "b.safetensors")
    )
    sha256 = weights.checksum(parts)
    assert sha256 == hashlib.sha256(lines.encode()).hexdigest()
    weights.verify(parts, sha256)
    save_file({"bias": torch.ones(2)}, parts / "a.safetensors")
    with pytest.raises(ChecksumError):
        weights.verify(parts, sha256)


@pytest.mark.parametrize("name", weights.EXPORT_NAMES)
def test_an_export_stands_in_the_place_of_weights(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"mustard")
    assert weights.weight_files(tmp_path) == [path]
    sha256 = weights.checksum(tmp_path)
    assert sha256 == weights.sha256_of(path)
    weights.verify(tmp_path, sha256)
    path.write_bytes(b"ketchup")
    with pytest.raises(ChecksumError, match=f"{name} has changed"):
        weights.verify(tmp_path, sha256)


@pytest.mark.parametrize("name", weights.EXPORT_NAMES)
def test_weights_of_our_own_go_before_an_export(version, name):
    (version / name).write_bytes(b"mustard")
    assert weights.weight_files(version) == [version / "model.safetensors"]


def test_weights_in_one_file_have_its_checksum(version):
    path = version / "model.safetensors"
    assert weights.checksum(version) == weights.sha256_of(path)


@pytest.mark.parametrize(
    "weight_map",
    [
        None,
        {},
        [],
        {"weight": 3},
        {"weight": "../a.safetensors"},
        {"weight": "/etc/a.safetensors"},
        {"weight": "a.bin"},
    ],
)
def test_an_index_of_files_elsewhere_is_refused(parts, weight_map):
    write_index(parts, weight_map)
    with pytest.raises(ConfigError, match="safetensors file beside it"):
        weights.load_state_dict(parts)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_that_are_no_numbers_are_refused(version, number, dtype):
    tensors = {"good": torch.ones(3), "lost": torch.tensor([1, number], dtype=dtype)}
    save_file(tensors, version / "model.safetensors")
    with pytest.raises(NotFiniteError, match="NaN or infinite numbers, first in lost"):
        weights.load_state_dict(version)


def test_a_network_takes_tensors_that_fit(version):
    network = nn.Linear(3, 2)
    tensors = weights.load_state_dict(version)
    weights.fill(network, tensors)
    assert torch.equal(network.weight, tensors["weight"])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"bias": None}, "bias"),
        ({"extra": torch.zeros(1)}, "extra"),
        ({"weight": torch.zeros(3, 2)}, "weight"),
        ({"weight": torch.zeros(2, 3, dtype=torch.int8)}, "weight"),
    ],
    ids=["missing", "unknown", "misshapen", "quantised"],
)
def test_tensors_that_do_not_fit_are_refused(version, change, named):
    tensors = {**weights.load_state_dict(version), **change}
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    with pytest.raises(ArchitectureError, match=f"size: 1, first {named}"):
        weights.fill(nn.Linear(3, 2), tensors)


def test_every_refusal_is_an_inference_error():
    assert issubclass(ArchitectureError, WeightsError)
    assert issubclass(WeightsError, InferenceError)


def test_registering_needs_no_torch():
    code = (
        "import sys, apps.inference.weights;"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
