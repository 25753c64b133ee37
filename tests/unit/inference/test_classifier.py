from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModelForImageClassification

from apps.inference import weights
from apps.inference.engines import TORCH_CPU
from apps.inference.exceptions import (
    ArchitectureError,
    ConfigError,
    CorruptWeightsError,
    LabelsError,
    MissingFileError,
)
from apps.inference.predictors import classifier
from apps.inference.predictors.classifier import ClassifierPredictor, Recipe
from apps.inference.predictors.fields import Fields
from apps.inference.preprocessing import featurize, i420_to_rgb, upright
from apps.inference.types import Box, Frame

from .pictures import BLUE, GREEN, RED, frame_of, noise, plain, with_rectangle
from .versions import FOODS, RECIPE, write_classifier, write_json


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return write_classifier(tmp_path_factory.mktemp("classifier"))


@pytest.fixture
def version(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "version")


def read_recipe(**changes: object) -> Recipe:
    return Recipe.read(Fields("preprocessor_config.json", {**RECIPE, **changes}))


def oracle(directory: Path, frame: Frame) -> Tensor:
    """What transformers makes of the upright picture."""
    image = upright(i420_to_rgb(frame), frame.rotation)
    features = processor_of(directory)(images=image, return_tensors="pt")
    return cast(Tensor, features["pixel_values"])


def processor_of(directory: Path) -> Any:
    load_processor: Any = AutoImageProcessor.from_pretrained
    return load_processor(directory, backend="pil")


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize(("width", "height"), [(640, 480), (202, 358), (50, 40)])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"resample": 2},
        {"crop_pct": 0.95, "size": {"shortest_edge": 96}},
        {"size": 64, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.6, 0.7]},
    ],
    ids=["imagenet", "bilinear", "larger", "legacy"],
)
def test_prepares_pictures_as_transformers_does(
    tmp_path, changes, width, height, rotation
):
    write_json(tmp_path / "preprocessor_config.json", {**RECIPE, **changes})
    recipe = read_recipe(**changes)
    frame = frame_of(noise(width, height), rotation=rotation)
    ours = featurize([recipe.prepare(frame)], mean=recipe.mean, std=recipe.std)
    theirs = oracle(tmp_path, frame)
    assert ours.shape == theirs.shape
    # In levels of eight bits: neither a shifted pixel nor another filter would pass.
    levels = (ours - theirs).abs() * torch.tensor(recipe.std).view(3, 1, 1) * 255
    assert levels.mean() < 0.05
    assert levels.max() < 1.5


def test_answers_as_transformers_does(version):
    frame = frame_of(noise(320, 240))
    network = AutoModelForImageClassification.from_pretrained(version).eval()
    with torch.inference_mode():
        expected = network(oracle(version, frame)).logits.softmax(1)[0]
    [prediction] = classifier.load(version, engine=TORCH_CPU).predict([frame])
    scores = {best.label: best.score for best in prediction.classifications}
    assert scores == pytest.approx(
        {label: expected[FOODS.index(label)].item() for label in scores}, abs=0.01
    )


@pytest.mark.parametrize("architecture", classifier.ARCHITECTURES)
def test_gives_the_five_likeliest_labels_best_first(tmp_path, architecture):
    predictor = classifier.load(
        write_classifier(tmp_path, architecture), engine=TORCH_CPU
    )
    assert predictor.engine == "torch-cpu"
    [prediction] = predictor.predict([frame_of(noise(160, 120))])
    scores = [best.score for best in prediction.classifications]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert len({best.label for best in prediction.classifications} & set(FOODS)) == 5
    assert prediction.detections == ()


class MeanColour(nn.Module):
    """Stands in for a network: logits are the brightness of the channels."""

    def forward(self, features: Tensor) -> Tensor:
        return features.mean(dim=(2, 3))


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_sees_colours_and_the_middle_of_the_upright_frame(rotation):
    predictor = ClassifierPredictor(
        MeanColour(), ["red", "green", "blue"], read_recipe(), TORCH_CPU
    )
    middle = with_rectangle(plain(320, 120, colour=BLUE), Box(100, 0, 220, 120), GREEN)
    frames = [
        frame_of(image, rotation=rotation) for image in (plain(64, 48, RED), middle)
    ]
    predictions = predictor.predict(frames)
    assert [p.classifications[0].label for p in predictions] == ["red", "green"]
    assert [len(p.classifications) for p in predictions] == [3, 3]
    assert predictions[0].timings == predictions[1].timings
    assert predictor.predict([]) == []


def test_a_batch_is_its_frames_one_by_one(version):
    predictor = classifier.load(version, engine=TORCH_CPU)
    frames = [frame_of(noise(160, 120, seed), rotation=90 * seed) for seed in range(3)]
    for frame, prediction in zip(frames, predictor.predict(frames), strict=True):
        [single] = predictor.predict([frame])
        for one, other in zip(
            prediction.classifications, single.classifications, strict=True
        ):
            assert one.label == other.label
            assert one.score == pytest.approx(other.score, abs=1e-5)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "preprocessor_config.json"]
)
def test_a_missing_file_is_named(version, name):
    (version / name).unlink()
    with pytest.raises(MissingFileError, match=f"no file {name}"):
        classifier.load(version, engine=TORCH_CPU)


def test_weights_cut_short_are_refused(version):
    path = version / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptWeightsError):
        classifier.load(version, engine=TORCH_CPU)


def test_a_pickle_is_no_substitute_for_safetensors(version):
    (version / "model.safetensors").unlink()
    torch.save({}, version / "pytorch_model.bin")
    with pytest.raises(MissingFileError):
        classifier.load(version, engine=TORCH_CPU)


def change_config(version, **changes: object) -> None:
    config = {**weights.read_config(version), **changes}
    config = {name: value for name, value in config.items() if value is not ...}
    write_json(version / "config.json", config)


def test_labels_that_the_weights_do_not_know_are_refused(version):
    change_config(version, id2label={"0": "hot dog", "1": "pizza"})
    with pytest.raises(LabelsError, match=r"as many labels .* know: 6, not 2"):
        classifier.load(version, engine=TORCH_CPU)


@pytest.mark.parametrize(
    "change", [{"depths": [2, 1, 1, 1]}, {"hidden_sizes": [8, 16, 24, 40]}]
)
def test_weights_of_another_network_are_refused(version, change):
    change_config(version, **change)
    with pytest.raises(ArchitectureError, match="first "):
        classifier.load(version, engine=TORCH_CPU)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "vit"),
        ("id2label", {}),
        ("id2label", {"0": "hot dog", "2": "pizza"}),
        ("id2label", {"0": 3}),
        ("id2label", ["hot dog"]),
    ],
)
def test_a_wrong_field_is_named(version, field, value):
    change_config(version, **{field: value})
    with pytest.raises(ConfigError, match=f"The field {field} in config.json"):
        classifier.load(version, engine=TORCH_CPU)


@pytest.mark.parametrize("field", ["model_type", "id2label"])
def test_a_missing_field_is_named(version, field):
    change_config(version, **{field: ...})
    with pytest.raises(ConfigError, match=f"config.json lacks the field {field}"):
        classifier.load(version, engine=TORCH_CPU)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", 384),
        ("size", {"height": 224, "width": 224}),
        ("size", {"shortest_edge": 0}),
        ("resample", 1),
        ("resample", [3]),
        ("crop_pct", None),
        ("image_mean", [0.5]),
        ("image_std", [0.5, 0.5, 0]),
        ("do_resize", False),
        ("do_normalize", False),
    ],
)
def test_a_recipe_that_is_not_ours_is_refused(field, value):
    with pytest.raises(ConfigError, match=f"The field {field} in preprocessor_config"):
        read_recipe(**{field: value})


def test_reads_what_transformers_saves(version):
    processor_of(version).save_pretrained(version)
    saved = weights.read_config(version, "preprocessor_config.json")
    assert Recipe.read(Fields("preprocessor_config.json", saved)) == read_recipe()


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_sizes": []},
        {"hidden_sizes": None},
        {"depths": "deep"},
        {"layer_type": "unheard of"},
        {"hidden_act": "unheard of"},
        {"embedding_size": -3},
    ],
)
def test_a_network_that_cannot_be_built_is_refused(version, change):
    change_config(version, **change)
    with pytest.raises(ConfigError, match="a network that transformers can't build"):
        classifier.load(version, engine=TORCH_CPU)


def test_a_kernel_is_never_fetched(version):
    change_config(version, attn_implementation="someone/kernel")
    assert classifier.load(version, engine=TORCH_CPU).engine == "torch-cpu"


def test_foreign_code_is_never_run(version):
    (version / "foreign.py").write_text("raise SystemExit('this ran')")
    change_config(
        version,
        auto_map={
            "AutoConfig": "foreign.Config",
            "AutoModelForImageClassification": "foreign.Network",
        },
    )
    assert classifier.load(version, engine=TORCH_CPU).engine == "torch-cpu"
