"""What answers under which name: everything that the admin offers, typed."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.inference.exceptions import InferenceError
from apps.inference.management import deployments_settings


class Command(BaseCommand):
    help = "Add, change and remove deployments."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="what")
        deployments_settings.add_arguments(what)

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        try:
            self.stdout.write(deployments_settings.act(what, options))
        except InferenceError as error:
            raise CommandError(str(error)) from error
