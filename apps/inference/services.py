"""Choosing which version a deployment runs, and keeping the record of it.

What answers is `Deployment.active_version`. An activation that is under way is a wish:
workers make it true and report in `switching.py`.
"""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from apps.inference.evaluating import gates
from apps.inference.exceptions import InferenceError, NotVerifiedError
from apps.inference.models import Activation, Deployment, ModelVersion

State = Activation.State


@transaction.atomic
def activate(
    deployment: Deployment,
    version: ModelVersion,
    requested_by: AbstractBaseUser | None = None,
    note: str = "",
) -> Activation | None:
    """Ask the workers to switch `deployment` to `version`.

    What somebody else has asked for and doesn't answer yet is superseded.

    Returns:
        The activation to watch, which is another's if it is of the same version; or
        None when the version is active already and nothing else is under way.

    Raises:
        NotVerifiedError: nobody knows whether it would answer.
        GateError: its figures aren't what the deployment asks for.
    """
    locked = Deployment.objects.select_for_update().get(pk=deployment.pk)
    version = verified(version)
    wished = _under_way(locked)
    if version.pk not in (locked.active_version_id, wished and wished.to_version_id):
        gates.refuse_short(locked, version)
    return _ask_for(version, locked, requested_by, note)


@transaction.atomic
def go_back(
    deployment: Deployment,
    requested_by: AbstractBaseUser | None = None,
    note: str = "",
    to: ModelVersion | None = None,
) -> Activation | None:
    """Ask for the version that answered before; see `activate`.

    It is asked neither for figures nor for what came of verifying it anew: this is for
    emergencies, and workers check what they load. If whoever asks says which one that
    is (`to`), it is gone back to nothing else.

    Raises:
        InferenceError: there was none, or another has come between.
    """
    locked = Deployment.objects.select_for_update().get(pk=deployment.pk)
    before = version_before(locked)
    if before is None:
        raise InferenceError(f"Nothing answered for {deployment} before.")
    if to is not None and to != before:
        raise InferenceError(
            f"Nothing was changed: {locked.active_version} answers now, and {before}"
            " did before."
        )
    return _ask_for(before, locked, requested_by, note)


def _under_way(deployment: Deployment) -> Activation | None:
    return deployment.activations.filter(state__in=Activation.UNDER_WAY).first()


def _ask_for(
    version: ModelVersion,
    deployment: Deployment,
    requested_by: AbstractBaseUser | None,
    note: str,
) -> Activation | None:
    """Write the wish down; the deployment is locked."""
    under_way = _under_way(deployment)
    if under_way and under_way.to_version_id == version.pk:
        return under_way
    is_active = deployment.active_version_id == version.pk
    if is_active and not under_way:
        return None
    now = timezone.now()
    if under_way:
        under_way.state, under_way.step = State.SUPERSEDED, ""
        under_way.reason = "Another version was chosen before it answered."
        under_way.changed_at = under_way.finished_at = now
        under_way.save()
    return Activation.objects.create(
        deployment=deployment,
        from_version_id=deployment.active_version_id,
        to_version=version,
        requested_by_id=requested_by.pk if requested_by else None,
        note=note[: Activation._meta.get_field("note").max_length],
        # What answers already needs no worker: only the wish is called off.
        state=State.SWITCHED if is_active else State.REQUESTED,
        finished_at=now if is_active else None,
    )


def version_before(deployment: Deployment) -> ModelVersion | None:
    """What answered before what answers now."""
    switched = deployment.activations.filter(
        state=State.SWITCHED, to_version=deployment.active_version_id
    )
    last = (
        switched.exclude(from_version=deployment.active_version_id)
        .select_related("from_version__model")
        .first()
    )
    return last.from_version if last else None


@transaction.atomic
def replace(deployment: Deployment, version: ModelVersion, note: str) -> None:
    """Make a version the active one at once, where the files of the old are gone."""
    locked = Deployment.objects.select_for_update().get(pk=deployment.pk)
    now = timezone.now()
    Activation.objects.create(
        deployment=locked,
        from_version_id=locked.active_version_id,
        to_version=version,
        note=note,
        state=State.SWITCHED,
        finished_at=now,
    )
    locked.active_version = version
    locked.save(update_fields=["active_version"])


def may_answer(deployment: Deployment, version: ModelVersion) -> bool:
    """Whether a version is verified, or what a deployment may go back to anyhow."""
    is_verified = version.state == ModelVersion.State.VERIFIED
    return is_verified or version == version_before(deployment)


def verified(version: ModelVersion) -> ModelVersion:
    """As it is written down, and stays until the transaction ends.

    Raises:
        NotVerifiedError: nobody knows whether it would answer.
    """
    found = (
        ModelVersion.objects.select_for_update(of=("self",))
        .select_related("model")
        .filter(pk=version.pk)
        .first()
    )
    if found is None:
        raise NotVerifiedError(f"{version} has been removed, so it can't answer.")
    if found.state != ModelVersion.State.VERIFIED:
        raise NotVerifiedError(f"{found} has not been verified, so it can't answer.")
    return found
