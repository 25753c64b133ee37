"""Trains a starter model from nothing and publishes it with its card.

A thin shell: it shows progress, stops between two steps when asked to, and knows how
to go on.
"""

from __future__ import annotations

import os
import signal
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import torch
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from apps.inference.starter.classifier import ClassifierTask
from apps.inference.starter.detector import DetectorTask
from apps.inference.starter.publishing import publish
from apps.inference.starter.training import Trainer

_TASKS: dict[str, type[DetectorTask] | type[ClassifierTask]] = {
    "detector": DetectorTask,
    "classifier": ClassifierTask,
}
_MODELS = Path("apps/inference/starter/models")
_STEPS_PER_CHECKPOINT = 100


class Command(BaseCommand):
    help = (
        "Train a starter model from nothing. Ctrl-C stops, --resume goes on. Without "
        "--output the model in the tree is replaced."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", choices=_TASKS)
        enough = ", ".join(f"{task.steps} for {name}" for name, task in _TASKS.items())
        parser.add_argument(
            "--steps", type=int, help=f"how long to train (default: {enough})"
        )
        parser.add_argument(
            "--seed",
            type=int,
            default=0,
            help="decides the first weights and the scenes (default: %(default)s)",
        )
        parser.add_argument(
            "--resume", action="store_true", help="go on where the last run stopped"
        )
        parser.add_argument(
            "--output",
            type=Path,
            help="the folder that the model goes to (default: the model's own in "
            f"{_MODELS}, which it replaces)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["steps"] is not None and options["steps"] < 1:
            raise CommandError(f"There is no training in {options['steps']} steps.")
        # A core is left to draw scenes: threads that share it wait for each other.
        torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
        task = _TASKS[options["model"]](options["seed"])
        trainer = Trainer(task, steps=options["steps"] or task.steps)
        checkpoint = settings.BASE_DIR / "var" / "starter" / f"{options['model']}.pt"
        if options["resume"]:
            if not checkpoint.exists():
                raise CommandError(
                    f"There is nothing to resume: {checkpoint} is missing."
                )
            trainer.load(checkpoint)
        self._train(trainer, checkpoint)
        again = f"python manage.py train_starter {options['model']}"
        if trainer.step < trainer.steps:
            raise CommandError(
                f"Stopped after step {trainer.step} of {trainer.steps}."
                f" To go on: {again} --resume"
            )
        directory = options["output"] or settings.BASE_DIR / _MODELS / task.name
        self.stdout.write("Measuring on held-out scenes...")
        command = f"{again} --steps {trainer.steps} --seed {task.seed}"
        card = publish(task, trainer, directory, command)
        for name, figure in card["figures"].items():
            self.stdout.write(f"  {name}: {figure}")
        self.stdout.write(f"Wrote {directory}")

    def _train(self, trainer: Trainer, checkpoint: Path) -> None:
        """Train until done or interrupted; either way the checkpoint is up to date."""
        stopping = []
        before = signal.signal(signal.SIGINT, lambda *_: stopping.append(True))
        try:
            with tqdm(
                total=trainer.steps, initial=trainer.step, unit="step", disable=None
            ) as bar:
                smooth = None
                for loss in trainer.run():
                    smooth = loss if smooth is None else 0.97 * smooth + 0.03 * loss
                    bar.set_postfix(loss=f"{smooth:.3f}", refresh=False)
                    bar.update()
                    if stopping or trainer.step % _STEPS_PER_CHECKPOINT == 0:
                        trainer.save(checkpoint)
                    if stopping:
                        break
        finally:
            signal.signal(signal.SIGINT, before)
