"""Goes through a lesson to its end, from a checkpoint on where one lies.

Knows files and how far it is; neither rows nor what is learned.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from apps.inference.exceptions import InferenceError
from apps.inference.starter.training import Lesson, Trainer, store

logger = logging.getLogger(__name__)

CHECKPOINT_NAME = "checkpoint.pt"
STEPS_PER_CHECKPOINT = 20
# What a chart needs of the loss, however long it took.
_POINTS = 100

Told = Callable[[float, str], None]


class Course:
    """`curve` is [step, mean loss since the point before] of about a hundred points."""

    def __init__(self, lesson: Lesson, *, steps: int, folder: Path) -> None:
        self._checkpoint = folder / CHECKPOINT_NAME
        self._trainer = Trainer(lesson, steps=steps)
        _freeze_statistics(self._trainer.network)
        self._losses: list[float] = []
        self.curve: list[tuple[int, float]] = []
        if self._checkpoint.exists():
            self._go_on()

    @property
    def network(self) -> nn.Module:
        return self._trainer.average

    def run(self, told: Told, *, workers: int = 0) -> None:
        """Train to the end; `told` may raise whatever is to stop it.

        So many `workers` are processes that prepare the examples meanwhile.

        Raises:
            InferenceError: it leads nowhere.
        """
        # A core is left to draw scenes: threads that share it wait for each other.
        torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
        torch.manual_seed(self._trainer.lesson.seed + self._trainer.step)
        told(self._share, self._words)
        for loss in self._trainer.run(workers=workers):
            if not loss < float("inf"):
                raise InferenceError(
                    "The training went astray: its loss isn't a number any more. Try a"
                    " smaller learning rate."
                )
            self._note(loss)
            if self._trainer.step % STEPS_PER_CHECKPOINT == 0:
                store(self._state(), self._checkpoint)
            told(self._share, self._words)
        store(self._state(), self._checkpoint)

    @property
    def _share(self) -> float:
        return self._trainer.step / self._trainer.steps

    @property
    def _words(self) -> str:
        if not self.curve:
            return "Training: the first steps."
        step, loss = self.curve[-1]
        return f"Training: step {step} of {self._trainer.steps}, loss {loss:.3g}."

    def _note(self, loss: float) -> None:
        self._losses.append(loss)
        step, steps = self._trainer.step, self._trainer.steps
        if step == steps or step * _POINTS // steps > (step - 1) * _POINTS // steps:
            self.curve.append((step, sum(self._losses) / len(self._losses)))
            self._losses = []

    def _state(self) -> dict[str, Any]:
        return {
            "trainer": self._trainer.state(),
            "losses": self._losses,
            "curve": self.curve,
        }

    def _go_on(self) -> None:
        """From the checkpoint, or anew where it can't be read: nothing else is lost."""
        try:
            state = torch.load(self._checkpoint, weights_only=True)
            self._trainer.restore(state["trainer"])
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
            logger.warning("%s is of no use: %s", self._checkpoint, error)
            return
        self._losses, self.curve = state["losses"], state["curve"]


def _freeze_statistics(network: nn.Module) -> None:
    """Normalise as in answering: what few pictures show would be no statistics."""
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.eval()
