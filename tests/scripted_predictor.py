"""A model family for tests: it answers what its config says, as slowly as it says.

`config.json`: `sleep_ms` (0), `label` ("hot dog"), `fail_on_load` (a sentence),
`kill_on_load` (false), `wait_on_load` (a file: until it is there), `kill_on_frame`
(false: the first frame of a session kills the worker), `hang_on_frame` (a file: whoever
is first to make it never gets out of that frame), `fail_every` (0: every n-th batch
raises), `score` (0.9, what it says when it is examined). Loading fails where others
build a network. Its one box is the middle of the frame.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from apps.inference import weights
from apps.inference.comparison import Candidates
from apps.inference.engines.network import refuse_to_build
from apps.inference.exceptions import InferenceError
from apps.inference.models import ModelVersion
from apps.inference.types import (
    Box,
    Decode,
    Detection,
    Frame,
    Infer,
    Prediction,
    Timings,
)
from bench.processes import wait_until

# What a worker shows a version before any session does.
OF_NOBODY = {"grey", "golden"}


@dataclass
class ScriptedPredictor:
    label: str
    sleep_ms: float
    fail_every: int
    kills: bool = False
    hangs: Path | None = None
    score: float = 0.9
    engine: str = "scripted"
    batches: int = field(default=0)

    def prepare(self, frames: Sequence[Frame]) -> Infer:
        def infer() -> Decode:
            predictions = self.predict(frames)
            return lambda: predictions

        return infer

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        if not {frame.session_id for frame in frames} <= OF_NOBODY:
            self._misbehave()
        # The first batch is the warm-up, which always goes well.
        self.batches += 1
        if self.fail_every and self.batches > 1 and self.batches % self.fail_every == 0:
            raise RuntimeError("told to fail")
        if self.batches > 1:
            time.sleep(self.sleep_ms / 1000)
        return [
            Prediction(
                timings=Timings(featurize_ms=0, forward_ms=self.sleep_ms, decode_ms=0),
                detections=(Detection(_middle(frame), self.label, 0.9),),
            )
            for frame in frames
        ]

    def _misbehave(self) -> None:
        if self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.hangs is not None:
            with suppress(FileExistsError):
                self.hangs.touch(exist_ok=False)
                threading.Event().wait()

    def examine(self, frames: Sequence[Frame]) -> list[Candidates]:
        return [Candidates(torch.tensor([[self.score, 0.0]])) for _ in frames]


def load(directory: Path, *, engine: str | None = None) -> ScriptedPredictor:
    config = weights.read_config(directory)
    if sentence := config.get("fail_on_load"):
        refuse_to_build()
        raise InferenceError(sentence)
    if config.get("kill_on_load"):
        refuse_to_build()
        os.kill(os.getpid(), signal.SIGKILL)
    if path := config.get("wait_on_load"):
        wait_until(Path(path).exists, f"{path} to be there")
    return ScriptedPredictor(
        label=config.get("label", "hot dog"),
        sleep_ms=config.get("sleep_ms", 0),
        fail_every=config.get("fail_every", 0),
        kills=config.get("kill_on_frame", False),
        hangs=Path(path) if (path := config.get("hang_on_frame")) else None,
        score=config.get("score", 0.9),
    )


def unrehearsed(version: ModelVersion, is_over: Callable[[], bool]) -> None:
    """Stands in for a rehearsal: what is scripted is loaded at once."""


def _middle(frame: Frame) -> Box:
    width, height = frame.upright_size
    return Box(width / 4, height / 4, width * 3 / 4, height * 3 / 4)
