"""Ends trials: guarded updates of their rows, and nothing else."""

from __future__ import annotations

from django.utils import timezone

from apps.inference.models import Deployment, Trial

State = Trial.State


def end(trial_id: int, state: str, reason: str = "") -> bool:
    """Tells whether it was running until now."""
    return bool(
        Trial.objects.filter(pk=trial_id, state=State.RUNNING).update(
            state=state, reason=reason, ended_at=timezone.now()
        )
    )


def end_by_activation(deployment: Deployment) -> None:
    """What is tried beside a deployment that runs another version from now on.

    It has won if that is the one that was tried; otherwise it has lost its rival.
    """
    for trial in Trial.objects.filter(deployment=deployment, state=State.RUNNING):
        if trial.version_id == deployment.active_version_id:
            end(trial.pk, State.PROMOTED)
        else:
            end(trial.pk, State.STOPPED, "Another version was activated beside it.")
