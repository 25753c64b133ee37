"""What workers write of an activation: how far it is, that it answers, that it doesn't.

Every change is guarded: what was overtaken meanwhile stays as it is. Each transaction
locks the deployment first, so that two can't wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.inference import services
from apps.inference.models import Activation, Deployment
from apps.inference.trials.ending import end_by_activation

State = Activation.State
_UNDER_WAY = Q(state__in=Activation.UNDER_WAY)
_WATCHED = Q(state=State.SWITCHED, finished_at=None)
# A wait is said again now and then, so that it doesn't look like a wait without end.
_SAID_EVERY = timedelta(minutes=1)


def open_activations(deployments: Iterable[Deployment]) -> list[Activation]:
    """Those under way, and those in their first minute, of some deployments."""
    return list(
        Activation.objects.filter(_UNDER_WAY | _WATCHED, deployment__in=deployments)
        .select_related("deployment", "from_version", "to_version__model")
        .order_by("pk")
    )


def is_under_way(activation_id: int) -> bool:
    return Activation.objects.filter(_UNDER_WAY, pk=activation_id).exists()


def tell(activation: Activation, state: str, step: str) -> None:
    """How far it is. Said every second, and a needless update would lock SQLite."""
    if (activation.state, activation.step) == (state, step):
        return
    changes: dict[str, Any] = {"state": state, "step": step}
    if activation.state != state:
        changes["changed_at"] = timezone.now()
    _write(activation, changes)


def wait(activation: Activation, step: str) -> None:
    """Nobody can do anything for it now, which isn't its fault."""
    is_said = (activation.state, activation.step) == (State.REQUESTED, step)
    if is_said and timezone.now() - activation.changed_at < _SAID_EVERY:
        return
    changes = {"state": State.REQUESTED, "step": step, "changed_at": timezone.now()}
    _write(activation, changes)


def _write(activation: Activation, changes: dict[str, Any]) -> None:
    Activation.objects.filter(_UNDER_WAY, pk=activation.pk).update(**changes)
    for name, value in changes.items():
        setattr(activation, name, value)


@transaction.atomic
def switch(activation_id: int, figures: dict[str, Any]) -> bool:
    """Its version answers from now on; whether it was still under way, and may."""
    activation = _locked(activation_id)
    if not activation.is_under_way:
        return False
    deployment, now = activation.deployment, timezone.now()
    version = activation.to_version
    if not services.may_answer(deployment, version):
        reason = f"{version} was verified anew meanwhile, and failed: {version.reason}"
        roll_back(activation_id, reason, figures)
        return False
    deployment.activations.filter(_WATCHED).update(finished_at=now)
    # Another may have been taken back since this one was asked for.
    activation.from_version_id = deployment.active_version_id
    activation.state, activation.step = State.SWITCHED, ""
    activation.changed_at = now
    activation.figures = {**activation.figures, **figures}
    activation.save()
    deployment.active_version_id = activation.to_version_id
    deployment.save(update_fields=["active_version"])
    end_by_activation(deployment)
    return True


@transaction.atomic
def roll_back(
    activation_id: int, reason: str, figures: dict[str, Any] | None = None
) -> bool:
    """The version before stays what answers, or is so again; whether that is news."""
    activation = _locked(activation_id)
    if not (activation.is_under_way or activation.is_watched):
        return False
    deployment, now = activation.deployment, timezone.now()
    is_active = deployment.active_version_id == activation.to_version_id
    if activation.is_watched and is_active and activation.from_version_id:
        deployment.active_version_id = activation.from_version_id
        deployment.save(update_fields=["active_version"])
        end_by_activation(deployment)
    activation.state, activation.step = State.ROLLED_BACK, ""
    activation.reason = reason
    activation.changed_at = activation.finished_at = now
    activation.figures = {**activation.figures, **(figures or {})}
    activation.save()
    return True


@transaction.atomic
def finish(activation_id: int, figures: dict[str, Any]) -> bool:
    """Its first minute is over and all is well; whether that is news."""
    activation = _locked(activation_id)
    if not activation.is_watched:
        return False
    activation.finished_at = timezone.now()
    activation.figures = {**activation.figures, **figures}
    activation.save()
    return True


def write_failure(deployment_id: int, version_id: int, reason: str) -> None:
    """A worker can't load what is active, which nobody has asked for just now.

    The operator reads of it once, though several workers may say it every second.
    """
    failure = Activation.objects.filter(
        deployment_id=deployment_id,
        to_version_id=version_id,
        state=State.FAILED,
        reason=reason,
    )
    if failure.exists():
        return
    with transaction.atomic():
        active = (
            Deployment.objects.select_for_update()
            .filter(pk=deployment_id, active_version_id=version_id)
            .first()
        )
        if active and not failure.exists():
            Activation.objects.create(
                deployment=active,
                to_version_id=version_id,
                state=State.FAILED,
                reason=reason,
                finished_at=timezone.now(),
            )


def _locked(activation_id: int) -> Activation:
    """As it is written down, with its deployment, which nobody else changes now."""
    deployment = (
        Deployment.objects.select_for_update(of=("self",))
        .filter(activations=activation_id)
        .get()
    )
    activation = Activation.objects.get(pk=activation_id)
    activation.deployment = deployment
    return activation
