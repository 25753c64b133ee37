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
from apps.inference.finetuning.pace import Pace
from apps.inference.starter.training import Lesson, Trainer, store

logger = logging.getLogger(__name__)

CHECKPOINT_NAME = "checkpoint.pt"
STEPS_PER_CHECKPOINT = 20
# What a chart needs of the loss, however long it took; and of figures, which cost more.
_POINTS, _VALIDATIONS = 100, 10
# What an unfinished file, or one of another release, makes of reading it.
_UNREADABLE = (OSError, EOFError, KeyError, RuntimeError, pickle.UnpicklingError)

Told = Callable[[float, str], None]
Figures = dict[str, float]


class Course:
    """Training from its first step, or from its last checkpoint, to the end.

    Args:
        lesson: what is learned.
        steps: how many there are.
        folder: for the checkpoint.
        validate: gives the figures of a network; asked before the first step, after
            the last and now and then in between.

    Attributes:
        curve: [step, mean loss since the point before] of about a hundred points.
        validation: [step, figures].
    """

    def __init__(
        self,
        lesson: Lesson,
        *,
        steps: int,
        folder: Path,
        validate: Callable[[nn.Module], Figures] = lambda network: {},
    ) -> None:
        self._checkpoint = folder / CHECKPOINT_NAME
        self._trainer = Trainer(lesson, steps=steps)
        _freeze_statistics(self._trainer.network)
        self._validate = validate
        self._losses: list[float] = []
        self.curve: list[tuple[int, float]] = []
        self.validation: list[tuple[int, Figures]] = []
        self._words = "Training: the first steps."
        if self._checkpoint.exists():
            self._go_on()
            self._words = (
                f"Training: goes on from step {self._trainer.step} of {steps}."
            )
        self._pace = Pace(self._trainer.step, steps)

    @property
    def network(self) -> nn.Module:
        return self._trainer.average

    @property
    def learned(self) -> dict[str, Any]:
        return {"curve": self.curve, "validation": self.validation}

    def run(
        self, told: Told, shown: Callable[[], None] = lambda: None, *, workers: int = 0
    ) -> None:
        """Train to the end.

        Args:
            told: how far it is; may raise whatever is to stop it.
            shown: called when there is another point to be seen.
            workers: as many processes prepare the examples meanwhile.

        Raises:
            InferenceError: it leads nowhere.
        """
        # A core is left to draw scenes: threads that share it wait for each other.
        torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
        torch.manual_seed(self._trainer.lesson.seed + self._trainer.step)
        told(self._share, self._words)
        if not self._trainer.step:
            self._look()
        self._pace = Pace(self._trainer.step, self._trainer.steps)
        for loss in self._trainer.run(workers=workers):
            if not loss < float("inf"):
                raise InferenceError(
                    "The training went astray: its loss isn't a number any more. Try a"
                    " smaller learning rate."
                )
            self._losses.append(loss)
            if self._is_one_of(_VALIDATIONS):
                self._look()
            if self._is_one_of(_POINTS):
                self._note()
                shown()
            if self._trainer.step % STEPS_PER_CHECKPOINT == 0:
                store(self._state(), self._checkpoint)
            told(self._share, self._words)
        store(self._state(), self._checkpoint)

    @property
    def _share(self) -> float:
        return self._trainer.step / self._trainer.steps

    def _is_one_of(self, points: int) -> bool:
        """Whether this step is the last or one of so many, evenly apart."""
        step, steps = self._trainer.step, self._trainer.steps
        return step == steps or step * points // steps > (step - 1) * points // steps

    def _note(self) -> None:
        step, steps = self._trainer.step, self._trainer.steps
        loss = sum(self._losses) / len(self._losses)
        self.curve.append((step, loss))
        self._losses = []
        left = self._pace.left(step) if step < steps else ""
        self._words = f"Training: step {step} of {steps}, loss {loss:.3g}." + (
            f" The steps to come take {left}." if left else ""
        )

    def _look(self) -> None:
        if figures := self._validate(self._trainer.average):
            self.validation.append((self._trainer.step, figures))

    def _state(self) -> dict[str, Any]:
        return {
            "trainer": self._trainer.state(),
            "losses": self._losses,
            "curve": self.curve,
            "validation": self.validation,
        }

    def _go_on(self) -> None:
        """From the checkpoint, or anew where it can't be read: nothing else is lost."""
        try:
            state = torch.load(self._checkpoint, weights_only=True)
            losses, curve = state["losses"], state["curve"]
            validation = state["validation"]
            self._trainer.restore(state["trainer"])
        except _UNREADABLE as error:
            logger.warning("%s is of no use: %s", self._checkpoint, error)
            return
        self._losses, self.curve, self.validation = losses, curve, validation


def _freeze_statistics(network: nn.Module) -> None:
    """Normalise as in answering: what few pictures show would be no statistics."""
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.eval()
