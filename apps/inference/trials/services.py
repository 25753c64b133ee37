"""Starting, stopping and promoting trials, and adding to what they have found out.

Every change is a guarded update: a trial that is over stays as it ended.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from apps.inference import services
from apps.inference.evaluating import gates
from apps.inference.exceptions import TrialError
from apps.inference.models import Activation, Deployment, ModelVersion, Trial
from apps.inference.tally import added
from apps.inference.trials import watching
from apps.inference.trials.ending import end
from apps.inference.words import percent

State = Trial.State
ARTICLED = {Trial.Kind.SHADOW: "a shadow", Trial.Kind.CANARY: "a canary"}


def running(deployment: Deployment) -> Trial | None:
    return (
        Trial.objects.select_related("version__model", "deployment")
        .filter(deployment=deployment, state=State.RUNNING)
        .first()
    )


@transaction.atomic
def start(
    deployment: Deployment,
    version: ModelVersion,
    kind: str,
    share: float,
    started_by: AbstractBaseUser | None = None,
) -> Trial:
    """Begin to try a version beside the one that a deployment runs.

    Args:
        deployment: one that nothing else is tried on.
        version: verified, and another one than the active.
        kind: of `Trial.Kind`. A canary answers, so it needs the figures that the
            deployment asks for.
        share: of the frames (shadow) or of the sessions (canary), above 0 up to 1.
        started_by: who wants it.

    Raises:
        TrialError, NotVerifiedError, GateError: with a sentence for the operator.
    """
    locked = Deployment.objects.select_for_update().get(pk=deployment.pk)
    version = services.verified(version)
    if locked.active_version_id == version.pk:
        raise TrialError(f"{version} is what {locked} runs: there is nothing to try.")
    if not 0 < share <= 1:  # which NaN isn't either
        raise TrialError("The share must be above 0 and not above 1, which is all.")
    if kind not in Trial.Kind.values:
        raise TrialError(f"A trial is a shadow or a canary, not {kind!r}.")
    if locked.activations.filter(state__in=Activation.UNDER_WAY).exists():
        raise TrialError(
            f"{locked} is about to run another version: wait until it does."
        )
    if other := running(locked):
        raise TrialError(
            f"{other.version} is tried on {locked} already, as"
            f" {ARTICLED[Trial.Kind(other.kind)]}: stop it first."
        )
    if kind == Trial.Kind.CANARY:
        gates.refuse_short(locked, version)
    return Trial.objects.create(
        deployment=locked,
        version=version,
        kind=kind,
        share=share,
        started_by_id=started_by.pk if started_by else None,
    )


def stop(trial: Trial, reason: str) -> None:
    """End a trial, with the reason that the operator reads.

    Raises:
        TrialError: it has ended already.
    """
    if not end(trial.pk, State.STOPPED, reason):
        raise TrialError(f"{trial} isn't running any more.")


def stop_if_running(trial_id: int, reason: str) -> bool:
    """The same, for whoever is right to come late; tells whether it was running."""
    return end(trial_id, State.STOPPED, reason)


@transaction.atomic
def promote(
    trial: Trial, requested_by: AbstractBaseUser | None = None
) -> Activation | None:
    """Ask for the challenger to become active.

    The trial goes on until it has taken over, and for longer if it can't.

    Raises:
        TrialError: it has ended already.
        InferenceError: the version can't be activated.
    """
    # First of all, as in `switching`, so that two can't wait for each other.
    deployment = Deployment.objects.select_for_update().get(pk=trial.deployment_id)
    if not Trial.objects.filter(pk=trial.pk, state=State.RUNNING).exists():
        raise TrialError(f"{trial} isn't running any more.")
    kind = ARTICLED[Trial.Kind(trial.kind)]
    note = f"Promoted after {kind} of {percent(trial.share)} (trial {trial.pk})."
    return services.activate(deployment, trial.version, requested_by, note)


@transaction.atomic
def report(trial_id: int, more: Mapping[str, Any]) -> bool:
    """Add to a running trial's figures, and stop a canary that they speak against.

    Returns:
        Whether it goes on.
    """
    trial = (
        Trial.objects.select_for_update(of=("self",))
        .select_related("deployment")
        .filter(pk=trial_id, state=State.RUNNING)
        .first()
    )
    if trial is None:
        return False
    is_canary = trial.kind == Trial.Kind.CANARY
    trial.figures = added(trial.figures, more)
    if is_canary:
        recent = trial.figures.get("recent", {})
        trial.figures["recent"] = watching.with_latest(recent, more, time.time())
    trial.save(update_fields=["figures"])
    if is_canary:
        deployment = trial.deployment
        bounds = watching.Bounds(deployment.most_failed_share, deployment.most_p95_ms)
        if reason := watching.why_stop(trial.figures, bounds):
            return not end(trial_id, State.STOPPED, reason)
    return True
