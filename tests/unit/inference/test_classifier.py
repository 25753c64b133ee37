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
from apps.inference.i420 import i420_to_rgb, upright
from apps.inference.predictors import classifier
from apps.inference.predictors.classifier import ClassifierPredictor
from apps.inference.predictors.processors import PROCESSOR_OF_MODEL_TYPE
from apps.inference.predictors.recipe import Recipe
from apps.inference.types import Box, Frame

from .networks import engine_of
from .pictures import BLUE, GREEN, RED, frame_of, noise, plain, with_rectangle
from .transformers_versions import CLASSIFIERS, write_transformers_classifier
from .versions import FOODS, RECIPE, write_classifier, write_json


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return write_classifier(tmp_path_factory.mktemp("classifier"))


@pytest.fixture
def version(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "version")


def processor_of(directory: Path) -> Any:
    load_processor: Any = AutoImageProcessor.from_pretrained
    return load_processor(directory, backend="pil")


def oracle(directory: Path, frame: Frame) -> Tensor:
    """The scores that transformers gives the upright picture, by its own processor."""
    image = upright(i420_to_rgb(frame), frame.rotation)
    network = AutoModelForImageClassification.from_pretrained(directory).eval()
    with torch.inference_mode():
        features = processor_of(directory)(images=image, return_tensors="pt")
        return cast(Tensor, network(**features).logits.softmax(1)[0])


# The sizes of pictures that tiny networks take, 32 but for these.
SIDES = {"bit": 96, "efficientnet": 64, "levit": 64, "mobilevit": 64, "focalnet": 32}


@pytest.mark.parametrize("model_type", CLASSIFIERS)
def test_answers_as_transformers_does(tmp_path, model_type):
    side = SIDES.get(model_type, 32)
    recipe: dict[str, Any] = {
        "image_processor_type": PROCESSOR_OF_MODEL_TYPE[model_type],
        "size": {"height": side, "width": side},
        "do_center_crop": False,
    }
    if recipe["image_processor_type"] == "ConvNextImageProcessor":
        recipe["size"] = {"shortest_edge": side}
    write_transformers_classifier(tmp_path, model_type, recipe)
    predictor = classifier.load(tmp_path, engine=TORCH_CPU)
    frames = [frame_of(noise(*size), rotation=90) for size in ((320, 240), (180, 320))]
    for frame, prediction in zip(frames, predictor.predict(frames), strict=True):
        expected = oracle(tmp_path, frame)
        scores = [best.score for best in prediction.classifications]
        assert len(scores) == 5
        assert scores == sorted(scores, reverse=True)
        assert prediction.detections == ()
        for best in prediction.classifications:
            assert best.score == pytest.approx(
                expected[FOODS.index(best.label)].item(), abs=0.02
            )
        assert expected.std() > 0.01  # or any answer would do


def test_labels_that_are_independent_each_have_a_score_of_their_own(version):
    change_config(version, problem_type="multi_label_classification")
    frame = frame_of(noise(320, 240))
    [prediction] = classifier.load(version, engine=TORCH_CPU).predict([frame])
    network = AutoModelForImageClassification.from_pretrained(version).eval()
    image = i420_to_rgb(frame)
    with torch.inference_mode():
        features = processor_of(version)(images=image, return_tensors="pt")
        expected = network(**features).logits.sigmoid()[0].sort(descending=True).values
    assert [best.score for best in prediction.classifications] == pytest.approx(
        expected[:5].tolist(), abs=0.02
    )


class MeanColour(nn.Module):
    """Stands in for a network: logits are the brightness of the channels."""

    def forward(self, features: Tensor) -> Tensor:
        return features.mean(dim=(2, 3))


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_sees_colours_and_the_middle_of_the_upright_frame(rotation):
    recipe = Recipe.read(RECIPE)
    predictor = ClassifierPredictor(
        engine_of(MeanColour(), recipe), ["red", "green", "blue"], recipe
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
        ("model_type", "bert"),
        ("model_type", ["vit"]),
        ("problem_type", "regression"),
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
