"""Bringing model versions from the disk into the database."""

from __future__ import annotations

import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction

from apps.inference import services, sources, weights
from apps.inference.exceptions import InferenceError
from apps.inference.models import (
    DEFAULT_DEPLOYMENT,
    Deployment,
    ModelVersion,
    RegisteredModel,
)

STARTER_MODELS = Path("apps/inference/starter/models")


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
    return registered


def request_version(
    name: str,
    source: str,
    *,
    sha256: str = "",
    added_by: AbstractBaseUser | None = None,
) -> ModelVersion:
    """Write down that a version of a model is wanted; `adding.bring_in` gets it.

    Args:
        name: of the model, which may be registered already.
        source: as `sources.parse` reads it.
        sha256: what the file's checksum must be, if anybody knows.
        added_by: who wants it.

    Raises:
        InferenceError: the name or the source can't be used.
    """
    try:
        validate_slug(name)
    except ValidationError as error:
        raise InferenceError(
            f"A model's name has letters, digits, - and _ only, unlike {name!r}."
        ) from error
    parsed = sources.parse(source)
    with transaction.atomic():
        model, _ = RegisteredModel.objects.get_or_create(name=name)
        return ModelVersion.objects.create(
            model=model,
            # Until there are weights to be named after.
            version=f"new-{secrets.token_hex(4)}",
            source=str(parsed),
            expected_sha256=sha256.strip().lower(),
            state=ModelVersion.State.ADDING,
            added_by_id=added_by.pk if added_by else None,
        )


def fail_version(version_id: int, reason: str) -> None:
    """Mark a version failed, with the sentence that the operator reads."""
    ModelVersion.objects.filter(pk=version_id).update(
        state=ModelVersion.State.FAILED, reason=reason
    )


def register_starters() -> None:
    """Register the models in the tree; the detector answers unless another one does."""
    detector = register_version(
        name="starter-detector",
        family="yolov5",
        directory=STARTER_MODELS / "starter-detector",
    )
    register_version(
        name="starter-classifier",
        family="classifier",
        directory=STARTER_MODELS / "starter-classifier",
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
        services.activate(deployment, newest)
