"""Changing which version a deployment runs, and keeping the record of it.

The database holds the wish (`active_version`); workers follow it and report back here.
"""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.inference.exceptions import NotVerifiedError
from apps.inference.models import Activation, Deployment, ModelVersion


@transaction.atomic
def activate(
    deployment: Deployment,
    version: ModelVersion,
    requested_by: AbstractBaseUser | None = None,
) -> Activation | None:
    """Ask the workers to switch `deployment` to `version`.

    Returns:
        The activation to watch, or None when the version is active already.

    Raises:
        NotVerifiedError: nobody knows whether it would answer.
    """
    locked = Deployment.objects.select_for_update().get(pk=deployment.pk)
    if locked.active_version_id == version.pk:
        return None
    if version.state != ModelVersion.State.VERIFIED:
        raise NotVerifiedError(f"{version} has not been verified, so it can't answer.")
    locked.activations.filter(state__in=Activation.UNDER_WAY).update(
        state=Activation.State.SUPERSEDED,
        reason="Another version was chosen before it answered.",
        step="",
        finished_at=timezone.now(),
    )
    activation = Activation.objects.create(
        deployment=locked,
        from_version_id=locked.active_version_id,
        to_version=version,
        requested_by_id=requested_by.pk if requested_by else None,
    )
    locked.active_version = version
    locked.save(update_fields=["active_version"])
    return activation


def is_wanted(deployment_id: int, version_id: int) -> bool:
    """Whether it is still the version that the deployment is to run."""
    return Deployment.objects.filter(
        pk=deployment_id, active_version_id=version_id
    ).exists()


def tell_loading(deployment_id: int, version_id: int, step: str) -> None:
    """A worker has begun to load the version, and says how."""
    _under_way(deployment_id, version_id).update(
        state=Activation.State.LOADING, step=step
    )


def confirm_activation(deployment_id: int, version_id: int) -> None:
    """A worker answers with the version now. The first worker to say so is recorded."""
    under_way = _under_way(deployment_id, version_id)
    # Workers say it every second, and a needless update would lock SQLite.
    if under_way.exists():
        under_way.update(
            state=Activation.State.SWITCHED, step="", finished_at=timezone.now()
        )


def roll_back(deployment_id: int, version_id: int, reason: str) -> None:
    """A worker could not load the version: the one before it stays the active one.

    Where nobody has asked for it just now (a worker that starts, a second worker) it
    stays what is wanted, and the operator reads of it as a failed activation.
    """
    if _under_way(deployment_id, version_id).exists():
        _roll_back(deployment_id, version_id, reason)
    elif not _failure(deployment_id, version_id, reason).exists():
        _write_failure(deployment_id, version_id, reason)


@transaction.atomic
def _write_failure(deployment_id: int, version_id: int, reason: str) -> None:
    """Once, though several workers may fail in the same moment."""
    active = (
        Deployment.objects.select_for_update()
        .filter(pk=deployment_id, active_version_id=version_id)
        .first()
    )
    if active and not _failure(deployment_id, version_id, reason).exists():
        Activation.objects.create(
            deployment=active,
            to_version_id=version_id,
            state=Activation.State.FAILED,
            reason=reason,
            finished_at=timezone.now(),
        )


@transaction.atomic
def _roll_back(deployment_id: int, version_id: int, reason: str) -> None:
    requested = _under_way(deployment_id, version_id).select_for_update().first()
    if requested is None:
        return
    requested.state = Activation.State.ROLLED_BACK
    requested.reason, requested.step = reason, ""
    requested.finished_at = timezone.now()
    requested.save(update_fields=["state", "reason", "step", "finished_at"])
    version_before = _version_before(requested)
    if version_before is not None:
        Deployment.objects.filter(
            pk=deployment_id, active_version_id=version_id
        ).update(active_version_id=version_before)


def _under_way(deployment_id: int, version_id: int) -> QuerySet[Activation]:
    return Activation.objects.filter(
        deployment_id=deployment_id,
        to_version_id=version_id,
        state__in=Activation.UNDER_WAY,
    )


def _failure(deployment_id: int, version_id: int, reason: str) -> QuerySet[Activation]:
    return Activation.objects.filter(
        deployment_id=deployment_id,
        to_version_id=version_id,
        state=Activation.State.FAILED,
        reason=reason,
    )


def _version_before(activation: Activation | None) -> int | None:
    """The version to go back to, past those that never answered either.

    Two operators in a row may have asked for versions that fail one after the other, or
    that the next one's took the place of.
    """
    never_answered = {Activation.State.ROLLED_BACK, Activation.State.SUPERSEDED}
    version_id = None
    while activation is not None and activation.state in never_answered:
        version_id = activation.from_version_id
        activation = activation.deployment.activations.filter(
            to_version_id=version_id, pk__lt=activation.pk
        ).first()
    return version_id
