"""A model family for tests of verification: each engine answers as the config says.

`config.json`: by an engine's name `score` (0.9), `x` (100), `together` (0: added to the
scores of several pictures at once), `ms` (10: what a picture takes), `batch_ms` (0:
what a batch takes besides), `busy` ([first, last, ms]: what these calls of `predict`,
counted from 0, take besides, as on a machine that others use), `bare_ms` (none: what a
bare loop takes for a batch), `bare_breaks` (the size from which that lacks memory),
`fails` (a sentence), `crashes` (without one) and `breaks` (the batch size from which
memory is short).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import torch

from apps.inference import weights
from apps.inference.comparison import Candidates
from apps.inference.exceptions import EngineError
from apps.inference.types import Decode, Frame, Infer, Prediction, Timings

# Whoever measures with a clock of its own puts here how it is moved on.
pass_ms: Callable[[float], None] = lambda ms: None  # noqa: E731


@dataclass
class ExaminedPredictor:
    engine: str
    said: dict[str, Any]
    calls: count[int] = field(default_factory=count)

    @property
    def bare(self) -> Callable[[int], float] | None:
        return self._bare_ms if "bare_ms" in self.said else None

    def _bare_ms(self, size: int) -> float:
        if size >= self.said.get("bare_breaks", 1000):
            raise torch.OutOfMemoryError("told to")
        return float(self.said["bare_ms"])

    def prepare(self, frames: Sequence[Frame]) -> Infer:
        def infer() -> Decode:
            predictions = self.predict(frames)
            return lambda: predictions

        return infer

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        if len(frames) >= self.said.get("breaks", 1000):
            raise torch.OutOfMemoryError("told to")
        ms = self.said.get("batch_ms", 0) + self.said.get("ms", 10) * len(frames)
        first, last, more_ms = self.said.get("busy", (0, -1, 0))
        if first <= next(self.calls) <= last:
            ms += more_ms
        pass_ms(ms)
        timings = Timings(featurize_ms=0, forward_ms=ms / len(frames), decode_ms=0)
        return [Prediction(timings=timings) for _ in frames]

    def examine(self, frames: Sequence[Frame]) -> list[Candidates]:
        score = float(self.said.get("score", 0.9))
        if len(frames) > 1:
            score += self.said.get("together", 0)
        x = self.said.get("x", 100)
        box = torch.tensor([[x, 50.0, x + 100, 150.0]])
        return [Candidates(torch.tensor([[score, 0.1]]), box) for _ in frames]


def load(directory: Path, *, engine: str | None = None) -> ExaminedPredictor:
    assert engine is not None
    said = weights.read_config(directory).get(engine, {})
    if sentence := said.get("fails"):
        raise EngineError(sentence)
    if said.get("crashes"):
        raise RuntimeError("told to")
    return ExaminedPredictor(engine, said)
