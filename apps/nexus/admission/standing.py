"""What a visitor who asks for a slot is answered. Pure: no Redis, no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Reason = Literal["full", "address", "user"]

SENTENCES: dict[Reason, str] = {
    "full": "Every place is taken. This page starts by itself once one is free.",
    "address": (
        "Your network has as many cameras here as it may. "
        "This page starts by itself once one of them has left."
    ),
    "user": (
        "You have as many cameras here as you may. "
        "This page starts by itself once one of them has left."
    ),
}


@dataclass(frozen=True, slots=True)
class In:
    """The visitor holds a slot, and has held it for so long."""

    held_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """The visitor must wait, because of `reason`.

    `position` is 1 for who is next, and None for who isn't in the line at all;
    `estimate_s` is None if nothing is known.
    """

    reason: Reason
    position: int | None = None
    estimate_s: int | None = None

    @property
    def sentence(self) -> str:
        return SENTENCES[self.reason]


@dataclass(frozen=True, slots=True)
class Turnover:
    """What has been seen of sessions: `held_s` in all, by the `left` and the `here`."""

    left: int
    here: int
    held_s: float


def estimate_s(position: int, turnover: Turnover) -> int | None:
    """How long until so many slots are free, rounded up to what can be promised.

    A slot is held for `held_s / left` on average, where those who are still here count
    with the time they have held theirs: else a few short visits would promise too much.
    """
    if not turnover.left or not turnover.here:
        return None
    wait_s = position * turnover.held_s / turnover.left / turnover.here
    step_s = 10 if wait_s <= 60 else 60
    return max(1, math.ceil(wait_s / step_s)) * step_s
