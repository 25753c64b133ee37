from __future__ import annotations

import shutil
import socket
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageClassification

from apps.inference import weights
from apps.inference.engines import TORCH_CPU
from apps.inference.exceptions import (
    ArchitectureError,
    ConfigError,
    CorruptWeightsError,
    MissingFileError,
    NotFiniteError,
)
from apps.inference.predictors import classifier, transformers_detector

from .pictures import frame_of, noise
from .transformers_versions import (
    DETECTORS,
    RESNET,
    write_transformers_classifier,
    write_transformers_detector,
)
from .versions import write_json

VIT_RECIPE = {
    "image_processor_type": "ViTImageProcessor",
    "size": {"height": 32, "width": 32},
}
DETR_RECIPE = {
    "image_processor_type": "RTDetrImageProcessor",
    "size": {"height": 64, "width": 64},
}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    directory = tmp_path_factory.mktemp("classifier")
    return write_transformers_classifier(directory, "vit", VIT_RECIPE)


@pytest.fixture
def version(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "version")


@pytest.fixture(scope="module")
def pristine_detector(tmp_path_factory):
    directory = tmp_path_factory.mktemp("detector")
    return write_transformers_detector(directory, "detr", DETR_RECIPE)


@pytest.fixture
def detector(pristine_detector, tmp_path):
    return shutil.copytree(pristine_detector, tmp_path / "detector")


def change_config(version: Any, **changes: object) -> None:
    config = {**weights.read_config(version), **changes}
    config = {name: value for name, value in config.items() if value is not ...}
    write_json(version / "config.json", config)


def change_weights(version: Any, **changes: Any) -> None:
    tensors = {**load_file(version / "model.safetensors"), **changes}
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    save_file(tensors, version / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture
def network_calls(monkeypatch):
    """Who is asked for outside this machine; nobody can be reached."""
    calls: list[object] = []

    def refuse(*args: object, **kwargs: object) -> None:
        calls.append(args)
        raise OSError("a test tried to reach the network")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return calls


def test_loading_reaches_for_no_network(version, detector, network_calls):
    frame = frame_of(noise(64, 48))
    for family, directory in (
        (classifier, version),
        (transformers_detector, detector),
    ):
        change_config(directory, _name_or_path="someone/model")
        assert len(family.load(directory, engine=TORCH_CPU).predict([frame])) == 1
    assert network_calls == []


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone_config": None, "backbone": "microsoft/resnet-50"},
        {"backbone_config": ..., "backbone": "resnet50", "use_timm_backbone": True},
        {"backbone_config": ..., "backbone": "resnet50", "use_timm_backbone": False},
        {"backbone_config": ...},
        {"backbone_config": None, "use_timm_backbone": True},
        {"backbone_config": {"model_type": "timm_backbone", "backbone": "resnet18"}},
        {"backbone_config": {**RESNET, "auto_map": {"AutoConfig": "a.B"}}},
        {"backbone_config": {**RESNET, "backbone": "microsoft/resnet-50"}},
        {"auto_map": {"AutoConfig": "foreign.Config"}},
        {"quantization_config": {"quant_method": "bitsandbytes"}},
        {"transformers_weights": "other.safetensors"},
    ],
    ids=str,
)
def test_what_would_look_elsewhere_is_refused(detector, network_calls, changes):
    (detector / "foreign.py").write_text("raise SystemExit('this ran')")
    change_config(detector, **changes)
    with pytest.raises(
        ConfigError, match=r"(comes from .* timm|auto_map|quantization|transformers_)"
    ):
        transformers_detector.load(detector, engine=TORCH_CPU)
    assert network_calls == []


def test_a_backbone_of_transformers_is_built_without_a_name(detector, network_calls):
    change_config(detector, backbone_config=..., use_timm_backbone=False)
    with pytest.raises(ArchitectureError):
        transformers_detector.load(
            detector, engine=TORCH_CPU
        )  # the default is a larger one
    assert network_calls == []


def test_an_adapter_is_refused(version, network_calls):
    write_json(version / "adapter_config.json", {"base_model_name_or_path": "a/b"})
    with pytest.raises(ConfigError, match="makes this an adapter"):
        classifier.load(version, engine=TORCH_CPU)
    assert network_calls == []


@pytest.mark.parametrize("where", ["attn_implementation", "backbone"])
def test_a_kernel_is_never_fetched(detector, network_calls, where):
    kernel: dict[str, Any] = {"attn_implementation": "someone/kernel"}
    if where == "backbone":
        kernel = {"backbone_config": {**DETECTORS["detr"]["backbone_config"], **kernel}}
    change_config(detector, **kernel)
    assert transformers_detector.load(detector, engine=TORCH_CPU).engine == "torch-cpu"
    assert network_calls == []


def test_a_package_that_is_not_there_is_named(version):
    change_config(version, model_type="dinat")
    with pytest.raises(ConfigError, match="needs the package natten"):
        classifier.load(version, engine=TORCH_CPU)


def in_parts(version: Any) -> None:
    network = AutoModelForImageClassification.from_pretrained(version)
    (version / "model.safetensors").unlink()
    network.save_pretrained(version, max_shard_size="20KB")


def test_weights_in_parts_answer_as_in_one(version):
    frame = frame_of(noise(64, 48))
    [before] = classifier.load(version, engine=TORCH_CPU).predict([frame])
    in_parts(version)
    assert len(list(version.glob("model-*.safetensors"))) > 1
    [after] = classifier.load(version, engine=TORCH_CPU).predict([frame])
    assert after.classifications == before.classifications


def test_a_missing_part_is_named(version):
    in_parts(version)
    part = min(version.glob("model-*.safetensors"))
    part.unlink()
    with pytest.raises(MissingFileError, match=f"no file {part.name}"):
        classifier.load(version, engine=TORCH_CPU)


def test_a_part_cut_short_is_named(version):
    in_parts(version)
    part = min(version.glob("model-*.safetensors"))
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(CorruptWeightsError, match=part.name):
        classifier.load(version, engine=TORCH_CPU)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"classifier.bias": None}, "classifier.bias"),
        ({"classifier.more": torch.zeros(2)}, "classifier.more"),
        ({"vit.layernorm.bias": torch.zeros(3)}, "vit.layernorm.bias"),
    ],
)
def test_weights_that_do_not_fit_are_refused(version, changes, named):
    change_weights(version, **changes)
    with pytest.raises(ArchitectureError, match=f"size: 1, first {named}"):
        classifier.load(version, engine=TORCH_CPU)


def test_counts_of_batches_may_be_there_or_not(tmp_path):
    write_transformers_classifier(tmp_path, "resnet", VIT_RECIPE)
    tensors = load_file(tmp_path / "model.safetensors")
    counters = [name for name in tensors if name.endswith("num_batches_tracked")]
    change_weights(
        tmp_path,
        **{counters[0]: None, "resnet.more.num_batches_tracked": torch.tensor(3)},
    )
    assert classifier.load(tmp_path, engine=TORCH_CPU).engine == "torch-cpu"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(version, number):
    change_weights(version, **{"classifier.bias": torch.full((6,), number)})
    with pytest.raises(NotFiniteError, match=r"first in classifier\.bias"):
        classifier.load(version, engine=TORCH_CPU)


def test_a_recipe_of_another_size_than_the_network_takes_is_refused(version):
    write_json(
        version / "preprocessor_config.json",
        {**VIT_RECIPE, "size": {"height": 48, "width": 40}},
    )
    with pytest.raises(ArchitectureError, match="can't answer a picture of 40 x 48"):
        classifier.load(version, engine=TORCH_CPU)


def test_a_recipe_that_fits_frames_of_one_shape_only_is_refused(version):
    write_json(
        version / "preprocessor_config.json",
        {**VIT_RECIPE, "size": {"shortest_edge": 32}},
    )
    with pytest.raises(ArchitectureError, match="can't answer a picture of 42 x 32"):
        classifier.load(version, engine=TORCH_CPU)
