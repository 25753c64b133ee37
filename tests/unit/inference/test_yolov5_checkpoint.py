from __future__ import annotations

import argparse
import datetime
import json
import os
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from apps.inference.conversion import torch_pickle, yolov5_checkpoint
from apps.inference.conversion.yolov5_checkpoint import convert
from apps.inference.exceptions import (
    ArchitectureError,
    ConfigError,
    CorruptWeightsError,
    ForeignFileError,
    LabelsError,
    MissingFileError,
    NotFiniteError,
    StorageError,
    UntrustedPickleError,
)
from apps.inference.predictors import yolov5
from apps.inference.predictors.yolov5 import YOLOv5

from .networks import LiteralYOLOv5, lively
from .official import official, official_class, save
from .pictures import frame_of, noise

FIXTURES = sorted((Path(__file__).parents[3] / "../shared/fixtures").glob("*.pt"))
LABELS = ["hot dog", "pizza", "cup"]
CPU = torch.device("cpu")


def tiny(depth: float = 0.33, width: float = 0.125, labels: int = 3) -> YOLOv5:
    return YOLOv5(labels, depth, width).eval()


def checkpoint(network: nn.Module | None, **others: object) -> dict[str, object]:
    """The dictionary that official training leaves, once stripped."""
    return {"epoch": -1, "best_fitness": None, "model": network, "ema": None, **others}


@pytest.fixture
def target(tmp_path) -> Path:
    directory = tmp_path / "version"
    directory.mkdir()
    return directory


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "some.pt"


def config_in(directory: Path) -> dict:
    return json.loads((directory / "config.json").read_text())


def refused(error: type[Exception], match: str, path: Path, target: Path) -> None:
    with pytest.raises(error, match=match) as caught:
        convert(path, target)
    assert type(caught.value) is error
    assert list(target.iterdir()) == []


# What is converted


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.stem)
def test_answers_as_the_official_implementation_does(fixture, target):
    convert(fixture, target)
    with np.load(fixture.with_suffix(".npz")) as arrays:
        images, expected = (torch.from_numpy(arrays[name]) for name in "xy")
    answer = answer_of(target, YOLOv5(80), images)
    torch.testing.assert_close(answer, expected, rtol=1e-3, atol=1e-4)
    config = config_in(target)
    assert (config["depth_multiple"], config["width_multiple"]) == (0.33, 0.25)
    assert (config["labels"][0], config["labels"][79]) == ("person", "toothbrush")
    assert config["anchors"] == [list(level) for level in yolov5.DEFAULT_ANCHORS]


@pytest.mark.parametrize("root", ["models.yolo.DetectionModel", "models.yolo.Model"])
def test_answers_as_a_literal_reading_of_the_architecture_does(root, path, target):
    network = lively(tiny()).half().double()
    save(path, checkpoint(official(network, LABELS, root=root).half()))
    convert(path, target)
    images = torch.rand(1, 3, 64, 96, dtype=torch.float64)
    answer = answer_of(target, tiny().double(), images)
    torch.testing.assert_close(answer, LiteralYOLOv5(network.state_dict())(images))


def answer_of(directory: Path, network: YOLOv5, images: torch.Tensor) -> torch.Tensor:
    tensors = load_file(directory / "model.safetensors")
    assert {t.dtype for t in tensors.values()} == {torch.float16, torch.int64}
    network.eval().load_state_dict(tensors)
    with torch.inference_mode():
        return network(images)


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
    network.model["24"].anchors.fill_(2)
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
    [prediction] = yolov5.load(target, device=CPU).predict([frame_of(noise(160, 120))])
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
    assert yolov5.load(target, device=CPU)


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
    assert yolov5.load(target, device=CPU)


def test_multiples_are_those_that_the_file_says_where_they_fit(path, target):
    yaml = {"depth_multiple": 0.35, "width_multiple": 0.124}
    save(path, checkpoint(official(tiny(), LABELS, yaml=yaml)))
    convert(path, target)
    config = config_in(target)
    assert (config["depth_multiple"], config["width_multiple"]) == (0.35, 0.124)
    assert yolov5.load(target, device=CPU)


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
    assert yolov5.load(target, device=CPU)


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
    network.model[24].register_buffer(  # type: ignore[index,operator,union-attr]
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
    assert yolov5.load(target, device=CPU)


def test_no_code_of_the_file_is_imported(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    allowed = set(torch.serialization.get_safe_globals())
    convert(path, target)
    assert "models" not in sys.modules
    assert set(torch.serialization.get_safe_globals()) == allowed


# What is refused for being another network


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


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_must_be_numbers(value, path, target):
    network = tiny()
    network.model["9"].cv1.conv.weight.data[0, 0] = value
    save(path, checkpoint(official(network.half(), LABELS)))
    match = r"model\.9\.cv1\.conv\.weight holds NaN or infinity"
    refused(NotFiniteError, match, path, target)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_anchors_must_be_sizes(value, path, target):
    network = tiny()
    network.model["24"].anchors[1, 1, 1] = value
    save(path, checkpoint(official(network, LABELS)))
    refused(ArchitectureError, "anchors aren't sizes", path, target)


def swap(network, path, name, *arguments, **attributes):
    """Put an object of another class in the place of a part, children and all."""
    parent, _, own = path.rpartition(".")
    part = network.get_submodule(path)
    other = name(*arguments) if callable(name) else official_class(name)()
    other.__dict__.update({**part.__dict__, **other.__dict__} if arguments else {})
    for child_name, child in part.named_children():
        other.add_module(child_name, child)
    for kind in ("_parameters", "_buffers"):
        other.__dict__[kind].update(part.__dict__[kind])
    for attribute in ("i", "f", "add", "stride", "d"):
        if attribute in part.__dict__:
            setattr(other, attribute, part.__dict__[attribute])
    for attribute, value in attributes.items():
        setattr(other, attribute, value)
    network.get_submodule(parent).add_module(own, other)


def put(path, attribute, value):
    return lambda network: setattr(network.get_submodule(path), attribute, value)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda n: swap(n, "model.0", "models.common.Focus"), "release 5 or older"),
        (
            lambda n: swap(n, "model.8", "models.common.C3TR"),
            r"model\.8 is .*C3TR, not",
        ),
        (lambda n: swap(n, "model.9", "models.common.SPP"), r"model\.9 is .*SPP, not"),
        (lambda n: swap(n, "model.24", "models.yolo.IDetect"), "IDetect, not"),
        (lambda n: swap(n, "model.3.act", nn.LeakyReLU), "LeakyReLU, not .*SiLU"),
        (lambda n: swap(n, "model.2.m.0", "models.common.Ghost"), "Ghost, not"),
        (lambda n: swap(n, "model.9.m", nn.AvgPool2d, 5), "AvgPool2d, not"),
        (put("model.2.m.0", "add", False), "another add, not of True"),
        (put("model.13.m.0", "add", True), "another add, not of False"),
        (put("model.5.bn", "eps", 1e-5), r"another eps, not of 0\.001"),
        (put("model.5.conv", "stride", (1, 1)), "another stride"),
        (put("model.5.conv", "padding", (0, 0)), "another padding"),
        (put("model.5.conv", "dilation", (2, 2)), "another dilation"),
        (put("model.5.conv", "groups", 2), "another groups"),
        (put("model.5.conv", "padding_mode", "reflect"), "another padding_mode"),
        (put("model.9.m", "kernel_size", 3), "another kernel_size"),
        (put("model.11", "mode", "bilinear"), "another mode"),
        (put("model.11", "scale_factor", 3.0), "another scale_factor"),
        (put("model.12", "d", 2), "another d"),
        (put("model.12", "f", [-1, 5]), r"model\.12 is wired otherwise"),
        (put("model.4", "f", torch.ones(2)), r"model\.4 is wired otherwise"),
        (put("model.24", "stride", torch.tensor([4.0, 8, 16])), "other strides"),
        (put("model.24", "stride", torch.ones(1).expand(10**12)), "other strides"),
        (
            lambda n: n.get_submodule("model").add_module("25", nn.SiLU()),
            r"model\.25 is .*SiLU, not absent",
        ),
        (
            lambda n: n.get_submodule("model.3").add_module("extra", nn.SiLU()),
            r"model\.3\.extra is .*SiLU, not absent",
        ),
        (lambda n: delattr(n.get_submodule("model.3"), "bn"), r"3\.bn is missing"),
        (
            lambda n: delattr(n.get_submodule("model.3.conv"), "weight"),
            r"1, first model\.3\.conv\.weight",
        ),
        (
            put("model.3.conv", "weight", nn.Parameter(torch.zeros(1).expand(9**9, 9))),
            r"1, first model\.3\.conv\.weight",
        ),
        (
            put("model.3.conv", "bias", nn.Parameter(torch.zeros(8))),
            r"1, first model\.3\.conv\.bias",
        ),
        (put("model.24", "anchors", torch.ones(3, 10**6, 2)), "has no anchors"),
        (put("model.24", "anchors", torch.ones(3, 2)), "has no anchors"),
        (
            put("model.24.m.0", "weight", nn.Parameter(torch.zeros(25, 16, 1, 1))),
            "last layer isn't that",
        ),
        (
            lambda n: n.get_submodule("model.4.m").add_module("9", nn.SiLU()),
            "its depth is",
        ),
        (
            put("model.0.conv", "weight", nn.Parameter(torch.zeros(9, 3, 6, 6))),
            "its width is 9 to 128",
        ),
    ],
)
def test_another_network_is_refused(change, match, path, target):
    network = official(tiny(), LABELS)
    change(network)
    save(path, checkpoint(network))
    refused(ArchitectureError, match, path, target)


def test_p6_is_refused_as_such(path, target):
    network = official(tiny(), LABELS)
    head = network.get_submodule("model.24")
    head.stride = torch.tensor([8.0, 16, 32, 64])
    network.get_submodule("model").add_module("24", nn.SiLU())
    network.get_submodule("model").add_module("33", head)
    save(path, checkpoint(network))
    refused(ArchitectureError, "This is a P6 model", path, target)


@pytest.mark.parametrize(
    ("root", "layer", "match"),
    [
        ("models.yolo.SegmentationModel", "models.yolo.Segment", "outlines things"),
        ("models.yolo.DetectionModel", "models.yolo.Segment", "outlines things"),
        ("models.yolo.ClassificationModel", "models.common.Classify", "classifies"),
    ],
)
def test_other_tasks_are_refused_as_such(root, layer, match, path, target):
    network = official(tiny(), LABELS, root=root)
    swap(network, "model.24", layer)
    save(path, checkpoint(network))
    refused(ArchitectureError, match, path, target)


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


def test_a_network_that_holds_itself_is_refused(path, target):
    network = official(tiny(), LABELS)
    network.get_submodule("model.3").add_module("again", network)
    save(path, checkpoint(network))
    refused(ArchitectureError, "nests its layers deeper", path, target)


def test_a_network_that_repeats_itself_without_end_is_refused(path, target):
    network = official(tiny(), LABELS)
    block: nn.Module = nn.SiLU()
    for _ in range(5):
        block = nn.Sequential(*[block] * 20)
    network.get_submodule("model").add_module("blocks", block)
    save(path, checkpoint(network))
    refused(ArchitectureError, "more layers than any", path, target)


def test_a_network_without_layers_is_refused(path, target):
    network = official(tiny(), LABELS)
    del network.model
    save(path, checkpoint(network))
    refused(ArchitectureError, r"model\.0 is missing, not", path, target)


@pytest.mark.parametrize("name", ["x" * 41, "a b", "", 3])
def test_layers_have_names(name, path, target):
    network = official(tiny(), LABELS)
    network.get_submodule("model.3")._modules[name] = nn.SiLU()
    save(path, checkpoint(network))
    refused(ArchitectureError, "names its layers as no", path, target)


# What is refused for being dangerous or broken


class Calls:
    """Pickles as a call that loading makes."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def write_archive(path, data: bytes, **parts: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some/data.pkl", data)
        archive.writestr("some/version", "3\n")
        for name, part in parts.items():
            archive.writestr(f"some/{name}", part)
    return path


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
@pytest.mark.parametrize("write", [write_archive, Path.write_bytes])
def test_a_pickle_that_runs_a_command_is_refused_by_name(write, protocol, path, target):
    marker = target.parent / "pwned"
    call = Calls(os.system, f"touch {marker}")
    data = pickle.dumps(checkpoint(official_like(call)), protocol)
    if write is Path.write_bytes and protocol < 2:
        data = b"\x80\x02" + data  # else it isn't told from text
    write(path, data)
    refused(UntrustedPickleError, r"asks for `posix\.system`", path, target)
    assert not marker.exists()


def official_like(part: object) -> dict[str, object]:
    return {"names": LABELS, "model": part}


@pytest.mark.parametrize(
    "function",
    [eval, bytearray, __import__, getattr, torch.load, torch.hub.load, np.fromfile],
)
def test_only_what_networks_need_may_be_asked_for(function, path, target):
    save(path, checkpoint(official(tiny(), LABELS), extra=Calls(function, "1")))
    name = f"{function.__module__}.{function.__name__}"
    refused(UntrustedPickleError, f"asks for `{name}`", path, target)


def test_an_official_name_runs_nothing(path, target):
    """A module called `utils` may well lie on the path of whoever loads."""
    network = official(tiny(), LABELS)
    network.extra = Calls(official_class("utils.loss.Run"), "rm")  # type: ignore[assignment]
    save(path, checkpoint(network))
    convert(path, target)
    assert yolov5.load(target, device=CPU)


def test_a_refused_name_is_shown_readably(path, target):
    write_archive(path, b"\x80\x02c\x1b[2Jos\n\x07name" + b"x" * 999 + b"\n.")
    refused(UntrustedPickleError, r"`'\\x1b\[2Jos\.[^\x1b]{,80}`, which", path, target)


def test_several_refused_names_are_counted(path, target):
    calls = [Calls(eval, "1"), Calls(os.system, "true"), Calls(exec, "1")]
    save(path, checkpoint(None, extra=calls))
    refused(UntrustedPickleError, r"`builtins\.eval` and 2 more", path, target)


def test_nested_tuples_do_not_crash_the_loader(path, target):
    key = b")" + b"\x85" * 1_000_000
    write_archive(path, b"\x80\x02}" + key + b"Ns.")
    refused(UntrustedPickleError, "nests its contents deeper", path, target)


def test_tuples_nested_through_the_memo_do_not_either(path, target):
    key = b")q\x00" + b"h\x00\x85q\x00" * 100_000
    write_archive(path, b"\x80\x02}" + key + b"h\x00Ns.")
    refused(UntrustedPickleError, "nests its contents deeper", path, target)


def test_encoding_may_not_multiply(path, target):
    write_archive(
        path,
        b"\x80\x02c_codecs\nencode\nq\x00X\x01\x00\x00\x00aX\x06\x00\x00\x00latin1\x86R"
        + b"q\x01h\x00h\x01X\x03\x00\x00\x00hex\x86Rq\x01" * 50
        + b".",
    )
    refused(UntrustedPickleError, "fill the memory", path, target)


def test_a_huge_pickle_is_refused(path, target):
    write_archive(path, b"\x80\x02" + b"]" * torch_pickle.LARGEST_PICKLE + b".")
    refused(UntrustedPickleError, "more objects than any", path, target)


def test_a_compressed_bomb_is_refused(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("some/data/bomb", bytes(10_000_000))
    refused(UntrustedPickleError, "unpack to more than it is", path, target)


def test_overlapping_parts_are_refused(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    with zipfile.ZipFile(path, "a") as archive:
        for entry in archive.infolist()[:]:
            if entry.file_size > 10_000:
                twin = zipfile.ZipInfo(f"{entry.filename}0")
                for field in ("header_offset", "CRC", "compress_size", "file_size"):
                    setattr(twin, field, getattr(entry, field))
                archive.filelist.append(twin)
        archive._didModify = True  # type: ignore[attr-defined]
    refused(UntrustedPickleError, "unpack to more than it is", path, target)


def test_tensors_must_lie_inside_their_storage(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    parts = parts_of(path)
    [pickled] = [name for name in parts if name.endswith("data.pkl")]
    # A count of elements, after the device: "cpu" and its memo, then BININT.
    before = parts[pickled]
    place = before.index(b"X\x03\x00\x00\x00cpu") + 8
    place = before.index(b"M", place)
    parts[pickled] = before[:place] + b"M\xff\xff" + before[place + 3 :]
    write_parts(path, parts)
    refused(CorruptWeightsError, "can't make sense of its contents", path, target)


def parts_of(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_parts(path, parts: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


def test_protocols_that_the_loader_does_not_know_are_refused(path, target):
    with pytest.warns(UserWarning, match="protocol 4"):
        refused(
            CorruptWeightsError,
            "can't make sense of its contents",
            write_archive(path, pickle.dumps({"model": [1]}, 4)),
            target,
        )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02}",
        b"\x80\x02\xfe.",
        b"\x80\x02h\x09.",
        b"\x80\x02s.",
    ],
    ids=["empty", "nothing", "no end", "no opcode", "no memo", "no stack"],
)
def test_a_pickle_that_is_none_is_refused(data, path, target):
    write_archive(path, data)
    refused(CorruptWeightsError, "table of contents is damaged", path, target)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(share, path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(CorruptWeightsError, "cut short or damaged", path, target)


def test_a_flipped_bit_is_found(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused(CorruptWeightsError, "don't match its checksums", path, target)


def test_a_part_may_be_there_but_once(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    name = next(name for name in parts_of(path) if name.endswith("data.pkl"))
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(path, "a") as archive,
    ):
        archive.writestr(name, b"\x80\x02N.")
    refused(CorruptWeightsError, "the same part twice", path, target)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>Sign in</html>", "is a web page"),
        (b"\xef\xbb\xbf\n <html>", "is a web page"),
        (b"not a model", "isn't one that PyTorch saved"),
        (struct.pack("<Q", 2) + b"{}", "isn't one that PyTorch saved"),
        (pickle.dumps({"model": 1}, 2), "PyTorch before 1.6"),
    ],
)
def test_files_of_other_kinds_are_told_apart(content, match, path, target):
    path.write_bytes(content)
    refused(ForeignFileError, match, path, target)


def test_the_format_before_zip_is_refused(path, target):
    torch.save({"model": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    refused(ForeignFileError, "PyTorch before 1.6", path, target)


def test_other_archives_are_told_apart(path, target):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    refused(ForeignFileError, "not one of PyTorch's", path, target)
    write_archive(path, b"\x80\x02N.", **{"constants.pkl": b"\x80\x02)."})
    refused(ForeignFileError, "a TorchScript export", path, target)


def test_a_missing_file_is_named(path, target):
    refused(MissingFileError, r"There is no file some\.pt", path, target)


def test_an_unreadable_file_is_named(path, target, monkeypatch):
    path.write_bytes(b"PK")

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    refused(MissingFileError, r"some\.pt can't be read: Permission", path, target)


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
