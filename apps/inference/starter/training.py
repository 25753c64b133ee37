"""The training loop: schedule, averaged weights, checkpoints.

It knows neither pictures nor labels: a `Lesson` brings network, examples and loss. The
examples come in a fixed order, so a resumed run goes on as if nothing had happened.
"""

from __future__ import annotations

import copy
import math
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import cv2
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

_WARMUP_SHARE = 0.04
_FINAL_LEARNING_RATE_SHARE = 0.02
_WEIGHT_DECAY = 0.02
_GRADIENT_NORM = 10.0
_AVERAGE_DECAY = 0.998


class Lesson(Protocol):
    """What is learned, and from what; `seed` decides its examples."""

    seed: int
    batch_size: int
    learning_rate: float

    @property
    def network(self) -> nn.Module: ...

    def examples(self) -> Dataset[Any]: ...

    def collate(self, examples: list[Any]) -> tuple[Tensor, Tensor]:
        """(images uint8 [B, 3, H, W], targets) of some examples."""

    def loss(self, images: Tensor, targets: Tensor) -> Tensor: ...

    def save(self, network: nn.Module, directory: Path) -> None: ...


class Task(Lesson, Protocol):
    """A lesson from nothing: `seed` decides the network's first weights too."""

    name: str
    description: str
    evaluation: str
    labels: tuple[str, ...]
    steps: int

    def evaluate(self, directory: Path, scenes: int) -> dict[str, Any]:
        """The figures of the version in a directory, on held-out scenes."""


class Trainer:
    """Trains step by step; `average` is the network to keep."""

    def __init__(self, lesson: Lesson, *, steps: int) -> None:
        self.lesson = lesson
        self.steps = steps
        self.step = 0
        self.network = lesson.network.train()
        # torch documents this call and leaves it out of its annotations.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self._optimizer = torch.optim.AdamW(
            _decay_matrices_only(self.network), lr=lesson.learning_rate
        )

    def advance(self, images: Tensor, targets: Tensor) -> float:
        """One step on one batch; gives its loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.lesson.learning_rate * schedule(self.step / self.steps)
        loss = self.lesson.loss(images, targets)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), _GRADIENT_NORM)
        self._optimizer.step()
        self.step += 1
        self._update_average()
        return loss.item()

    def run(self, *, workers: int = 1) -> Iterator[float]:
        """Train to the end from wherever the trainer stands; gives each step's loss."""
        if self.step >= self.steps:
            return
        for images, targets in _loader(self.lesson, self.step, self.steps, workers):
            yield self.advance(images, targets)

    def save(self, path: Path) -> None:
        store(self.state(), path)

    def load(self, path: Path) -> None:
        self.restore(torch.load(path, weights_only=True))

    def state(self) -> dict[str, Any]:
        return {
            "seed": self.lesson.seed,
            "step": self.step,
            "steps": self.steps,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.lesson.seed = state["seed"]
        self.step, self.steps = state["step"], state["steps"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])

    @torch.no_grad()
    def _update_average(self) -> None:
        # Young averages follow fast, so that they forget the random start.
        decay = _AVERAGE_DECAY * (1 - math.exp(-self.step / 300))
        current = self.network.state_dict()
        for name, kept in self.average.state_dict().items():
            if kept.is_floating_point():
                kept.lerp_(current[name], 1 - decay)
            else:
                kept.copy_(current[name])


def store(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint that is either whole or not there.

    Raises:
        OSError: the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    try:
        # By a file of ours: torch's own writer doesn't say what the disk said.
        with unfinished.open("wb") as file:
            torch.save(state, file)
    except RuntimeError as error:  # torch's next one, for the file isn't as it left it
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
    unfinished.replace(path)


def schedule(share: float) -> float:
    """The learning rate, as a share of its peak, after a `share` of all steps."""
    if share < _WARMUP_SHARE:
        return (share + 1e-3) / (_WARMUP_SHARE + 1e-3)
    done = (share - _WARMUP_SHARE) / (1 - _WARMUP_SHARE)
    cosine = (1 + math.cos(math.pi * done)) / 2
    return _FINAL_LEARNING_RATE_SHARE + (1 - _FINAL_LEARNING_RATE_SHARE) * cosine


def _decay_matrices_only(network: nn.Module) -> list[dict[str, Any]]:
    """Biases and normalisation keep their size; only kernels are pulled to zero."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [
        {"params": kernels, "weight_decay": _WEIGHT_DECAY},
        {"params": others, "weight_decay": 0.0},
    ]


def _loader(
    lesson: Lesson, step: int, steps: int, workers: int
) -> DataLoader[tuple[Tensor, Tensor]]:
    order = range(step * lesson.batch_size, steps * lesson.batch_size)
    return DataLoader(
        lesson.examples(),
        batch_size=lesson.batch_size,
        sampler=order,
        num_workers=workers,
        collate_fn=lesson.collate,
        worker_init_fn=_quiet_worker if workers else None,
        prefetch_factor=4 if workers else None,
    )


def _quiet_worker(_: int) -> None:
    """Ctrl-C is for the parent, which ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
