"""Trains a version further on a dataset: the form in the admin, typed."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from apps.inference import jobs
from apps.inference.datasets import keeping
from apps.inference.exceptions import InferenceError
from apps.inference.finding import find_version
from apps.inference.finetuning import plan
from apps.inference.management.commands.jobs import follow
from apps.inference.models import ModelVersion


class Command(BaseCommand):
    help = (
        "Train a version further on a dataset. What comes of it is another version of"
        " its model, verified and evaluated beside it, and answers nobody until it is"
        " activated."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="NAME, or NAME:VERSION")
        parser.add_argument("dataset")
        parser.add_argument(
            "--steps",
            type=int,
            default=plan.DEFAULTS.steps,
            help="how long to train (default: %(default)s)",
        )
        parser.add_argument(
            "--learning-rate",
            type=float,
            default=plan.DEFAULTS.learning_rate,
            help="its peak (default: %(default)s)",
        )
        parser.add_argument(
            "--seed",
            type=int,
            default=plan.DEFAULTS.seed,
            help="decides the order of the pictures and how they are varied (default:"
            " %(default)s)",
        )
        parser.add_argument(
            "--rehearsal",
            type=float,
            metavar="SHARE",
            help="of the Emporium's own scenes among the examples (default:"
            f" {plan.REHEARSAL} for a model that has learned from them, 0 for another)",
        )
        parser.add_argument(
            "--wait", action="store_true", help="do it here and now, not on the queue"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._finetune(options)
        except InferenceError as error:
            raise CommandError(str(error)) from error

    def _finetune(self, options: dict[str, Any]) -> None:
        choices = plan.Choices(
            options["steps"],
            options["learning_rate"],
            options["seed"],
            options["rehearsal"],
        )
        parent, dataset = (
            find_version(options["name"]),
            keeping.find(options["dataset"]),
        )
        with transaction.atomic():  # so that no worker takes it before
            job = plan.request(parent, dataset, choices)
            if options["wait"]:
                jobs.take(job)
        if not options["wait"]:
            self.stdout.write(f"{job} waits; `jobs list` says how far it is.")
            return
        follow(job)
        version = ModelVersion.objects.get(pk=job.result["version"])
        self.stdout.write(f"{version} is verified, and waits to be activated.")
