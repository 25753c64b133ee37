"""Moves activations on, and takes them back: what workers and housekeeping do alike.

Whoever looks after an activation sees what all workers say (`company.py`), decides, and
writes (`switching.py`). Several may do so at once. Loads nothing and knows no models.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.inference import presence
from apps.inference.models import Activation, Deployment
from apps.inference.serving import first_minute, switching
from apps.inference.serving.company import Company, Phase, Roll
from apps.inference.serving.first_minute import Bounds

logger = logging.getLogger(__name__)

State = Activation.State
# A state in which workers stay for longer has gone wrong. To build a network may take
# half an hour, and what is to be built for another deployment has its turn before.
PATIENCE = {
    State.REQUESTED: timedelta(minutes=65),
    State.LOADING: timedelta(minutes=35),
    State.WARMING: timedelta(minutes=5),
    State.CHECKING: timedelta(minutes=5),
}
_STATES = {
    Phase.LOADING: State.LOADING,
    Phase.WARMING: State.WARMING,
    Phase.CHECKING: State.CHECKING,
    Phase.READY: State.CHECKING,
}
_ORDER = list(Phase)


def look_after(activation: Activation, company: Company) -> None:
    """Decide what becomes of an activation that is under way or in its first minute."""
    roll = company.look(activation.affair, activation.deployment.queue)
    if roll.lost:
        _take_back(activation, roll.why_lost, _minute_of(activation, company))
    elif activation.is_watched:
        _watch(activation, company, roll)
    elif not roll.present:
        queue = activation.deployment.queue
        switching.wait(
            activation, f"Waiting for a worker of the queue {queue}: none is running."
        )
    elif roll.are_all_ready:
        checks = {
            presence.shown(worker): roll.progress[worker].check
            for worker in sorted(roll.present)
        }
        if switching.switch(activation.pk, {"check": checks}):
            version, deployment = activation.to_version, activation.deployment
            logger.info("%s is active in %s", version, deployment)
    elif timezone.now() - activation.changed_at > PATIENCE[State(activation.state)]:
        _take_back(activation, _too_long(activation))
    else:
        switching.tell(activation, *_outlook(roll))


def _watch(activation: Activation, company: Company, roll: Roll) -> None:
    minute = company.counted(activation.affair)
    # What has begun in it is watched to its end.
    is_over = minute.lasted_s - roll.under_way_s >= first_minute.LASTS_S
    bounds = bounds_of(activation.deployment)
    figures = {"first_minute": first_minute.figures(first_minute.total(minute.seconds))}
    reason = first_minute.why_stuck(roll.under_way_s) or first_minute.why_not(
        minute.seconds, bounds, is_over=is_over
    )
    if reason:
        _take_back(activation, reason, figures)
    elif is_over:
        switching.finish(activation.pk, figures)


def bounds_of(deployment: Deployment) -> Bounds:
    return Bounds(deployment.most_failed_share, deployment.most_p95_ms)


def _minute_of(activation: Activation, company: Company) -> dict[str, Any]:
    if not activation.is_watched:
        return {}
    seconds = company.counted(activation.affair).seconds
    return {"first_minute": first_minute.figures(first_minute.total(seconds))}


def _take_back(
    activation: Activation, reason: str, figures: dict[str, Any] | None = None
) -> None:
    if switching.roll_back(activation.pk, reason, figures):
        logger.error("%s is taken back: %s", activation.to_version, reason)


def _too_long(activation: Activation) -> str:
    minutes = PATIENCE[State(activation.state)].total_seconds() / 60
    doing = activation.step or "no worker began with it"
    return f"It took longer than {minutes:.0f} minutes ({doing.rstrip('.')})."


def _outlook(roll: Roll) -> tuple[str, str]:
    """The state and the step of the worker that is least far."""
    waiting = roll.present - roll.progress.keys()
    if waiting:
        state, step = State.REQUESTED, "Waiting for a worker that does something else."
    else:
        last = min(
            (roll.progress[worker] for worker in roll.present),
            key=lambda progress: _ORDER.index(progress.phase),
        )
        state, step = _STATES[last.phase], last.step
    if len(roll.present) == 1:
        return state, step
    return state, f"{len(roll.ready)} of {len(roll.present)} workers are ready. {step}"
