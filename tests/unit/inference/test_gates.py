"""A deployment may ask for least figures, and says which one is short."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from apps.inference import services
from apps.inference.datasets import add_picture, keeping
from apps.inference.exceptions import GateError
from apps.inference.models import (
    Activation,
    Dataset,
    Deployment,
    Evaluation,
    ModelVersion,
    Trial,
)
from apps.inference.serving import switching
from apps.inference.trials import services as trials

from .dataset_files import picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def kitchen(settings: Any, tmp_path: Path) -> Dataset:
    settings.DATASETS_DIR = tmp_path / "datasets"
    dataset = keeping.create("kitchen")
    add_picture(dataset, picture(), [], split="held_out")
    return dataset


@pytest.fixture
def gated(deployment: Deployment, kitchen: Dataset) -> Deployment:
    deployment.gates = {"map50": 0.5, "verdict_recall": 0.9}
    deployment.gate_dataset = kitchen
    deployment.save()
    return deployment


@pytest.fixture
def challenger(
    scripted_version: Callable[..., ModelVersion], gated: Deployment
) -> ModelVersion:
    return scripted_version(label="cup")


def evaluated(version: ModelVersion, dataset: Dataset | None, **figures: float) -> None:
    sha256 = keeping.checksum(dataset, "held_out") if dataset else "built in"
    Evaluation.objects.create(
        version=version, dataset=dataset, figures=figures, data_sha256=sha256
    )


def refusal(deployment: Deployment, version: ModelVersion) -> str:
    with pytest.raises(GateError) as error:
        services.activate(deployment, version)
    assert not Activation.objects.exists()
    return str(error.value)


def test_to_go_back_no_figures_are_asked_for(
    gated: Deployment, challenger: ModelVersion, kitchen: Dataset
):
    before = gated.active_version
    evaluated(challenger, kitchen, map50=0.5, verdict_recall=0.95)
    activation = services.activate(gated, challenger)
    assert activation is not None
    switching.switch(activation.pk, {})
    gated.refresh_from_db()

    with pytest.raises(GateError, match="has not been evaluated on kitchen"):
        services.activate(gated, before)
    back = services.go_back(gated)

    assert back is not None
    assert back.to_version == before


def test_the_page_says_that_one_may_go_back_whatever_the_figures(
    admin_client: Client, gated: Deployment, challenger: ModelVersion
):
    page = reverse("admin:inference_deployment_change", args=[gated.pk])
    words = "At any time, whatever its figures."
    services.replace(gated, challenger, "Its files are gone.")
    assert words in admin_client.get(page).content.decode()
    Deployment.objects.update(gates={})
    assert words not in admin_client.get(page).content.decode()


def test_a_canary_needs_the_figures_and_a_shadow_none(
    gated: Deployment, challenger: ModelVersion, kitchen: Dataset
):
    evaluated(challenger, kitchen, map50=0.41, verdict_recall=0.95)
    with pytest.raises(GateError, match=r"mAP50 is 0\.41 on kitchen"):
        trials.start(gated, challenger, Trial.Kind.CANARY, 1.0)
    shadow = trials.start(gated, challenger, Trial.Kind.SHADOW, 1.0)
    trials.stop(shadow, "Seen enough.")

    evaluated(challenger, kitchen, map50=0.5, verdict_recall=0.95)
    assert trials.start(gated, challenger, Trial.Kind.CANARY, 1.0).pk


def test_who_has_the_figures_is_activated(
    gated: Deployment, challenger: ModelVersion, kitchen: Dataset
):
    evaluated(challenger, kitchen, map50=0.5, verdict_recall=0.95)
    assert services.activate(gated, challenger)


def test_every_figure_that_is_short_is_named(
    gated: Deployment, challenger: ModelVersion, kitchen: Dataset
):
    evaluated(challenger, kitchen, map50=0.41, verdict_recall=0.8996)
    assert refusal(gated, challenger) == (
        f"{challenger} can't answer for default: mAP50 is 0.41 on kitchen, at least"
        " 0.50 is asked for; verdict recall is 0.8996 on kitchen, at least 0.9000 is"
        " asked for."
    )


def test_a_figure_that_nobody_has_is_named(
    gated: Deployment, challenger: ModelVersion, kitchen: Dataset
):
    evaluated(challenger, kitchen, map50=0.6)
    assert "there is no verdict recall of it on kitchen" in refusal(gated, challenger)


def test_who_was_never_evaluated_is_told_how_to_be(
    gated: Deployment, challenger: ModelVersion
):
    evaluated(challenger, None, map50=1.0, verdict_recall=1.0)
    assert refusal(gated, challenger) == (
        f"{challenger} has not been evaluated on kitchen, which default asks for:"
        " evaluate it first, on its page or by manage.py evaluate"
        f" scripted:{challenger.version} --dataset kitchen."
    )


def test_what_was_evaluated_on_other_pictures_does_not_count(
    gated: Deployment, challenger: ModelVersion, kitchen: Dataset
):
    evaluated(challenger, kitchen, map50=0.9, verdict_recall=0.95)
    add_picture(kitchen, picture(1), [], split="held_out")
    assert "before its held-out pictures changed" in refusal(gated, challenger)


def test_what_is_only_trained_on_changes_nothing(
    gated: Deployment, challenger: ModelVersion, kitchen: Dataset
):
    evaluated(challenger, kitchen, map50=0.9, verdict_recall=0.95)
    add_picture(kitchen, picture(1), [], split="train")
    assert services.activate(gated, challenger)


def test_the_newest_evaluation_counts(
    gated: Deployment, challenger: ModelVersion, kitchen: Dataset
):
    evaluated(challenger, kitchen, map50=0.9, verdict_recall=0.95)
    evaluated(challenger, kitchen, map50=0.1, verdict_recall=0.95)
    assert "mAP50 is 0.10" in refusal(gated, challenger)


def test_the_built_in_scenes_count_where_no_dataset_is_named(
    gated: Deployment, challenger: ModelVersion
):
    gated.gate_dataset = None
    gated.save()
    evaluated(challenger, None, map50=0.3, verdict_recall=0.95)
    assert "mAP50 is 0.30 on held-out scenes" in refusal(gated, challenger)


def test_who_asks_for_nothing_takes_any(
    deployment: Deployment, scripted_version: Callable[..., ModelVersion]
):
    assert services.activate(deployment, scripted_version(label="cup"))


def test_what_answers_already_stays(gated: Deployment):
    assert services.activate(gated, gated.active_version) is None


def typed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("deployments", "gates", "default", *arguments)
    return capsys.readouterr().out.strip()


def test_they_are_set_and_shown_on_the_command_line(
    deployment: Deployment, kitchen: Dataset, capsys: pytest.CaptureFixture[str]
):
    assert typed(capsys) == "default asks for no figures."
    sentence = "default asks for at least mAP50 0.5, top-1 0.9 on kitchen."
    assert typed(capsys, "map50=0.5", "top1=0.9", "--dataset", "kitchen") == sentence
    assert typed(capsys) == sentence
    deployment.refresh_from_db()
    assert deployment.gates == {"map50": 0.5, "top1": 0.9}
    assert typed(capsys, "--none") == "default asks for no figures."


@pytest.mark.parametrize("said", ["map5=0.5", "map50", "map50=50", "map50=nan"])
def test_what_is_no_figure_is_refused(gated: Deployment, said: str):
    with pytest.raises(CommandError, match="is no figure from 0 to 1"):
        call_command("deployments", "gates", "default", said)
    gated.refresh_from_db()
    assert gated.gates == {"map50": 0.5, "verdict_recall": 0.9}
