"""What answers under which name: everything that the admin offers, typed."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.inference.exceptions import InferenceError
from apps.inference.management import (
    deployments_activations,
    deployments_gates,
    deployments_settings,
)

PARTS = (deployments_activations, deployments_settings, deployments_gates)


class Command(BaseCommand):
    help = "List, add, change and remove deployments, and choose what answers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="what")
        for part in PARTS:
            part.add_arguments(what)

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        part = next(part for part in PARTS if what in part.ACTS)
        try:
            self.stdout.write(part.act(what, options))
        except InferenceError as error:
            raise CommandError(str(error)) from error
