"""Fills an empty database, to see and to measure the admin at its size."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.sessions import filling
from apps.sessions.models import CameraSession


class Command(BaseCommand):
    help = "Fill a database with made-up sessions and runs. Not for one that is in use."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--sessions", type=int, default=100_000)
        parser.add_argument("--runs", type=int, default=1_000_000)
        parser.add_argument(
            "--beside-others",
            action="store_true",
            help="even though there are sessions in it, which stay",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if CameraSession.objects.exists() and not options["beside_others"]:
            raise CommandError(
                "This database has sessions, which made-up ones would be mixed with. "
                "Choose another one by DATABASE_URL, or say --beside-others."
            )
        if not 1 <= options["sessions"] <= options["runs"]:
            raise CommandError("There must be a session, and a run for each.")
        filling.fill(options["sessions"], options["runs"], self.stdout.write)
        self.stdout.write("Filled.")
