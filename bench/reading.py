"""What passes from the model that reads clocks to the bench that started it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """One picture as the model of `tests/clock_predictor.py` met it.

    `age_ms` is from the drawing to the forward pass, modulo four seconds; None where
    the picture can't be read. `held_ms` of it is from the taking to the forward pass.
    """

    session_id: str
    started_at: float  # of time.time
    age_ms: float | None
    held_ms: float
