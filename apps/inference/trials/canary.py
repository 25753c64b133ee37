"""`Canary`: a challenger that is loaded, and the sessions that it answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.inference.serving.loading import LoadedVersion
from apps.inference.tally import Tally
from apps.inference.trials.assignment import is_within


@dataclass(frozen=True, slots=True)
class Canary:
    """`tally` has what was counted of its trial, on both sides, and isn't written."""

    trial_id: int
    share: float
    loaded: LoadedVersion
    tally: Tally = field(default_factory=Tally)

    def answers(self, session_id: str) -> bool:
        return is_within(self.share, self.trial_id, session_id)
