"""Bringing model versions from the disk into the database."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import transaction

from apps.inference import services, weights
from apps.inference.models import (
    DEFAULT_DEPLOYMENT,
    Deployment,
    ModelVersion,
    RegisteredModel,
)

STARTER_MODELS = Path("apps/inference/starter/models")
STARTER_DETECTOR, STARTER_CLASSIFIER = "starter-detector", "starter-classifier"
STARTER_NAMES = (STARTER_DETECTOR, STARTER_CLASSIFIER)


@transaction.atomic
def register_version(
    *, name: str, family: str, directory: Path, version: str | None = None
) -> ModelVersion:
    """Register the weights in `directory` (relative to the checkout, or absolute).

    They come with this repository, whose tests have verified them. Registering the same
    weights again changes nothing; other weights in the same place become a new version,
    named after their checksum unless told otherwise.

    Raises:
        WeightsError: the directory holds no weights, or a card that can't be read.
    """
    path = Path(settings.BASE_DIR) / directory
    sha256 = weights.checksum(path)
    has_card = (path / weights.CARD_NAME).exists()
    card = weights.read_config(path, weights.CARD_NAME) if has_card else {}
    model, _ = RegisteredModel.objects.update_or_create(
        name=name,
        defaults={
            "family": family,
            "description": card.get("description", ""),
            "licence": card.get("licence", ""),
        },
    )
    registered, _ = ModelVersion.objects.get_or_create(
        model=model,
        version=version or sha256[:8],
        defaults={
            "directory": str(directory),
            "sha256": sha256,
            "card": card,
            "state": ModelVersion.State.VERIFIED,
        },
    )
    if not registered.golden and (path / weights.GOLDEN_NAME).exists():
        registered.golden = weights.read_config(path, weights.GOLDEN_NAME)["answers"]
        registered.save(update_fields=["golden"])
    return registered


def register_starters() -> None:
    """Register the models in the tree; the detector answers unless another one does."""
    detector = register_version(
        name=STARTER_DETECTOR,
        family="yolov5",
        directory=STARTER_MODELS / STARTER_DETECTOR,
    )
    register_version(
        name=STARTER_CLASSIFIER,
        family="classifier",
        directory=STARTER_MODELS / STARTER_CLASSIFIER,
    )
    deployment, created = Deployment.objects.get_or_create(
        name=DEFAULT_DEPLOYMENT, defaults={"active_version": detector}
    )
    if not created:
        _follow_new_weights(deployment)


def _follow_new_weights(deployment: Deployment) -> None:
    """Where a starter was trained anew, its old version's weights are gone for good."""
    active = deployment.active_version
    newest = (
        ModelVersion.objects.filter(
            model=active.model,
            directory=active.directory,
            sha256=weights.checksum(active.path),
        )
        .exclude(pk=active.pk)
        .first()
    )
    if newest is not None:
        services.replace(deployment, newest, "The starter was trained anew.")
