from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from apps.inference import weights
from apps.inference.exceptions import ConfigError, MissingFileError
from apps.inference.models import (
    DEFAULT_DEPLOYMENT,
    Deployment,
    ModelVersion,
    RegisteredModel,
)
from apps.inference.registering import registry
from apps.inference.registering.registry import register_starters, register_version

pytestmark = pytest.mark.django_db


def register(directory: Path, version: str | None = None) -> ModelVersion:
    return register_version(
        name="scripted", family="scripted", directory=directory, version=version
    )


def test_a_version_is_named_after_its_weights_and_knows_its_card(
    scripted_model: Callable[..., Path],
):
    directory = scripted_model()
    card = {"description": "Says what it is told.", "licence": "CC0", "mAP50": 0.9}
    (directory / "card.json").write_text(json.dumps(card))

    version = register(directory)

    assert version.path == directory
    assert version.version == version.sha256[:8]
    assert len(version.sha256) == 64
    assert version.card == card
    assert (version.model.description, version.model.licence) == (
        "Says what it is told.",
        "CC0",
    )


def test_registering_again_changes_nothing(scripted_model: Callable[..., Path]):
    directory = scripted_model()
    first = register(directory)
    assert register(directory) == first
    assert (RegisteredModel.objects.count(), ModelVersion.objects.count()) == (1, 1)


def test_other_weights_in_the_same_place_are_another_version(
    scripted_model: Callable[..., Path],
):
    directory = scripted_model()
    first = register(directory)
    (directory / "model.safetensors").write_bytes(b"trained for longer")

    second = register(directory)

    assert second != first
    assert second.model == first.model
    assert second.sha256 != first.sha256
    first.refresh_from_db()
    assert first.sha256[:8] == first.version


def test_a_name_may_be_given(scripted_model: Callable[..., Path]):
    assert register(scripted_model(), version="2026-11").version == "2026-11"


def test_a_directory_of_the_checkout_is_found_on_every_node(
    scripted_model: Callable[..., Path], settings: Settings
):
    directory = scripted_model()
    settings.BASE_DIR = directory.parent

    version = register(Path(directory.name))

    assert version.directory == directory.name
    assert version.path == directory


def test_without_weights_nothing_is_registered(tmp_path: Path):
    with pytest.raises(MissingFileError):
        register(tmp_path)
    assert RegisteredModel.objects.count() == 0


def test_a_card_that_is_no_json_is_refused(scripted_model: Callable[..., Path]):
    directory = scripted_model()
    (directory / "card.json").write_text("{")
    with pytest.raises(ConfigError, match=r"card\.json isn't readable"):
        register(directory)
    assert RegisteredModel.objects.count() == 0


@pytest.fixture
def starters(tmp_path: Path, settings: Settings) -> Path:
    """A checkout that has starter models, and their folder."""
    settings.BASE_DIR = tmp_path
    for name in ("starter-detector", "starter-classifier"):
        directory = tmp_path / registry.STARTER_MODELS / name
        directory.mkdir(parents=True)
        (directory / "model.safetensors").write_bytes(name.encode())
    return tmp_path / registry.STARTER_MODELS


def active() -> ModelVersion:
    return Deployment.objects.get(name=DEFAULT_DEPLOYMENT).active_version


@pytest.mark.usefixtures("starters")
def test_the_starter_detector_answers_at_first():
    register_starters()
    assert active().model.name == "starter-detector"
    assert {
        version.model.name: version.model.family
        for version in ModelVersion.objects.all()
    } == {"starter-detector": "yolov5", "starter-classifier": "classifier"}


def test_what_the_operator_chose_stays(starters: Path):
    register_starters()
    deployment = Deployment.objects.get()
    deployment.active_version = ModelVersion.objects.get(
        model__name="starter-classifier"
    )
    deployment.save()
    # Even when the tree brings a new detector.
    (starters / "starter-detector" / "model.safetensors").write_bytes(b"newer")

    register_starters()

    assert active().model.name == "starter-classifier"
    assert ModelVersion.objects.filter(model__name="starter-detector").count() == 2


def test_a_starter_that_was_trained_anew_takes_the_place_of_its_old_version(
    starters: Path,
):
    register_starters()
    before = active()
    (starters / "starter-detector" / "model.safetensors").write_bytes(b"newer")

    register_starters()

    # The old weights are gone, so nothing could load the old version any more.
    assert active() != before
    assert active().sha256 == weights.sha256_of(active().path / "model.safetensors")
