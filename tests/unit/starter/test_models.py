"""The models in the tree: what their cards promise, measured again on fewer scenes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from apps.inference import weights
from apps.inference.hotdog import HOT_DOG, is_hot_dog
from apps.inference.predictors import classifier, yolov5
from apps.inference.registering.registry import STARTER_MODELS
from apps.inference.starter.classifier import ClassifierTask
from apps.inference.starter.clips import CLIPS, render_clip
from apps.inference.starter.detector import DetectorTask
from apps.inference.starter.publishing import HELD_OUT_SCENES
from apps.inference.starter.training import Task
from tests.unit.inference.pictures import frame_of

TASKS: dict[str, Callable[[int], Task]] = {
    "starter-detector": DetectorTask,
    "starter-classifier": ClassifierTask,
}
both = pytest.mark.parametrize("name", sorted(TASKS))


def directory_of(name: str) -> Path:
    return Path(settings.BASE_DIR) / STARTER_MODELS / name


def card_of(name: str) -> dict[str, Any]:
    return weights.read_config(directory_of(name), weights.CARD_NAME)


def measured(name: str, scenes: int) -> dict[str, Any]:
    return TASKS[name](0).evaluate(directory_of(name), scenes)


@both
def test_the_card_describes_the_weights_beside_it(name):
    card, directory = card_of(name), directory_of(name)
    tensors = weights.load_state_dict(directory)
    learned = dict(TASKS[name](0).network.named_parameters())

    assert card["sha256"] == weights.sha256_of(directory / weights.WEIGHTS_NAME)
    assert card["bytes"] == (directory / weights.WEIGHTS_NAME).stat().st_size
    assert card["parameters"] == sum(tensors[name].numel() for name in learned)
    assert card["licence"] == "Apache-2.0"
    assert "photographs" in card["limits"]
    assert card["figures"]["held_out_scenes"] == HELD_OUT_SCENES >= 500


@both
def test_the_readable_card_says_the_same(name):
    card, text = card_of(name), (directory_of(name) / "card.md").read_text()

    for said in ("name", "description", "sha256", "command", "limits", "data"):
        assert card[said] in text
    for figure in card["figures"].values():
        assert not isinstance(figure, float) or f"{figure:.4f}" in text


@both
def test_a_model_is_small_enough_for_the_tree(name):
    files = directory_of(name).iterdir()

    assert sum(file.stat().st_size for file in files) <= 4_000_000


def test_the_detector_reaches_what_was_promised():
    figures = card_of("starter-detector")["figures"]

    assert figures["map50"] >= 0.90
    assert figures["clip_hot_dog_recall"] >= 0.90
    assert figures["clip_hot_dog_false_alarms"] <= 0.02


def test_the_classifier_reaches_what_was_promised():
    assert card_of("starter-classifier")["figures"]["top1"] >= 0.97


def test_the_detector_does_what_its_card_says():
    promised, now = (
        card_of("starter-detector")["figures"],
        measured("starter-detector", 100),
    )

    # A hundred scenes hold some twenty objects of a label: their figures scatter.
    assert now["map50"] == pytest.approx(promised["map50"], abs=0.05)
    assert now["hot_dog_recall"] == pytest.approx(promised["hot_dog_recall"], abs=0.08)
    assert now["clip_hot_dog_recall"] >= 0.90
    assert now["clip_hot_dog_false_alarms"] <= 0.02


def test_the_classifier_does_what_its_card_says():
    promised = card_of("starter-classifier")["figures"]

    now = measured("starter-classifier", 150)
    assert now["top1"] == pytest.approx(promised["top1"], abs=0.035)


@pytest.mark.parametrize(
    ("name", "family"),
    [("starter-detector", yolov5), ("starter-classifier", classifier)],
)
def test_a_worker_sees_hot_dogs_in_a_clip_and_none_elsewhere(name, family):
    predictor = family.load(directory_of(name))
    right = wrong = 0
    for clip in render_clip(CLIPS["tour"], seed=2000, every=25):
        if clip.partly:
            continue
        (prediction,) = predictor.predict([frame_of(clip.scene.image)])
        there = any(label == HOT_DOG for label, _ in clip.scene.objects)
        right += is_hot_dog(prediction) == there
        wrong += is_hot_dog(prediction) != there

    assert right > 20
    assert wrong <= 1
