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

    What somebody else has asked for and doesn't answer yet is superseded. What answered
    before is asked neither for figures nor for what came of verifying it anew: in an
    emergency one must be able to go back, and workers check what they load.

    Returns:
        The activation to watch, which is another's if it is of the same version; or
        None when the version is active already and nothing else is under way.

    Raises:
        NotVerifiedError: nobody knows whether it would answer.
        GateError: its figures aren't what the deployment asks for.
    """
    locked = Deployment.objects.select_for_update().get(pk=deployment.pk)
    is_before = version == version_before(locked)
    version = _written_down(version) if is_before else verified(version)
    under_way = locked.activations.filter(state__in=Activation.UNDER_WAY).first()
    if under_way and under_way.to_version_id == version.pk:
        return under_way
    is_active = locked.active_version_id == version.pk
    if is_active and not under_way:
        return None
    if not is_active and not is_before:
        gates.refuse_short(locked, version)
    now = timezone.now()
    if under_way:
        under_way.state, under_way.step = State.SUPERSEDED, ""
        under_way.reason = "Another version was chosen before it answered."
        under_way.changed_at = under_way.finished_at = now
        under_way.save()
    return Activation.objects.create(
        deployment=locked,
        from_version_id=locked.active_version_id,
        to_version=version,
        requested_by_id=requested_by.pk if requested_by else None,
        note=note[: Activation._meta.get_field("note").max_length],
        # What answers already needs no worker: only the wish is called off.
        state=State.SWITCHED if is_active else State.REQUESTED,
        finished_at=now if is_active else None,
    )


def go_back(
    deployment: Deployment,
    requested_by: AbstractBaseUser | None = None,
    note: str = "",
) -> Activation | None:
    """Ask for the version that answered before; see `activate`.

    Raises:
        InferenceError: there was none, or it can't answer any more.
    """
    before = version_before(deployment)
    if before is None:
        raise InferenceError(f"Nothing answered for {deployment} before.")
    return activate(deployment, before, requested_by, note)


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
    found = _written_down(version)
    if found.state != ModelVersion.State.VERIFIED:
        raise NotVerifiedError(f"{found} has not been verified, so it can't answer.")
    return found


def _written_down(version: ModelVersion) -> ModelVersion:
    found = (
        ModelVersion.objects.select_for_update(of=("self",))
        .select_related("model")
        .filter(pk=version.pk)
        .first()
    )
    if found is None:
        raise NotVerifiedError(f"{version} has been removed, so it can't answer.")
    return found
