"""Adding deployments, changing how they answer, and taking them out again.

Which version answers is changed in `services` alone. Workers and web processes read
what is written here within a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ProtectedError

from apps.inference.exceptions import InferenceError, InUseError, NotVerifiedError
from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment, ModelVersion

# What may be changed at any time, under live sessions.
SETTINGS = (
    "title",
    "queue",
    "age_budget_ms",
    "min_score",
    "hot_dog_score",
    "most_failed_share",
    "most_p95_ms",
    "sample_share",
    "sample_uncertain",
    "retention_days",
)


def add(name: str, version: ModelVersion, settings: dict[str, Any]) -> Deployment:
    """Have a version answer under a new name, on a page of its own.

    Raises:
        InferenceError: the name or a setting can't be used, or nobody has verified the
            version.
    """
    if version.state != ModelVersion.State.VERIFIED:
        raise NotVerifiedError(f"{version} has not been verified, so it can't answer.")
    deployment = Deployment(name=name, active_version=version, **settings)
    _check(deployment, {"name", *settings})
    deployment.save()
    return deployment


def change(deployment: Deployment, settings: dict[str, Any]) -> None:
    """Write those of `SETTINGS` that are given.

    Raises:
        InferenceError: one of them can't be used; nothing is changed.
    """
    for name, value in settings.items():
        setattr(deployment, name, value)
    _check(deployment, settings)
    deployment.save(update_fields=list(settings))


def why_it_stays(deployment: Deployment) -> str:
    """What keeps a deployment from being removed; empty if nothing does."""
    if deployment.name == DEFAULT_DEPLOYMENT:
        return f"{deployment} stays, for the page at / asks for it."
    if deployment.sessions.exists():
        return (
            f"{deployment} stays, for sessions have used it and their records name it."
        )
    if deployment.activations.exists() or deployment.trials.exists():
        return f"{deployment} stays, for the record of its activations is kept."
    return ""


@transaction.atomic
def remove(deployment: Deployment) -> None:
    """Remove a deployment that nothing has ever used.

    Raises:
        InUseError: it stays, and why.
    """
    if reason := why_it_stays(deployment):
        raise InUseError(reason)
    try:
        deployment.delete()
    except ProtectedError as error:
        raise InUseError(f"{deployment} stays, for somebody uses it now.") from error


def _check(deployment: Deployment, names: Iterable[str]) -> None:
    """
    Raises:
        InferenceError: with a sentence for each field that can't be used.
    """
    given = set(names)
    others = {field.name for field in Deployment._meta.fields} - given
    try:
        deployment.full_clean(exclude=others)
    except ValidationError as error:
        sentences = (
            f"{name}: {' '.join(messages)}"
            for name, messages in error.message_dict.items()
        )
        raise InferenceError(" ".join(sentences)) from error
