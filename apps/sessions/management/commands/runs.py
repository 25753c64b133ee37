"""Exports runs as the admin does: many as a table, or all that is known of one."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, FileType
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date

from apps.sessions import exporting
from apps.sessions.models import Run


class Command(BaseCommand):
    help = "Export runs as CSV or JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="what")
        export = what.add_parser("export", help="all runs, or those that are chosen")
        export.add_argument(
            "number", nargs="?", type=int, help="one run, with how it went"
        )
        export.add_argument("--format", choices=exporting.FORMATS, default="csv")
        export.add_argument("--deployment", metavar="NAME")
        export.add_argument("--model", metavar="NAME[:VERSION]")
        for name, words in (("engine", "which ran it"), ("worker", "which answered")):
            export.add_argument(f"--{name}", metavar="NAME", help=words)
        export.add_argument("--since", metavar="YYYY-MM-DD", help="started then")
        export.add_argument("--until", metavar="YYYY-MM-DD", help="or on that day")
        export.add_argument(
            "--output",
            type=FileType("w", encoding="utf-8"),
            default="-",
            metavar="PATH",
            help="written there instead of here",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        output = options["output"]
        # A test, or whoever calls the command, may have another.
        out = self.stdout if output is sys.stdout else output
        for line in self._lines(options):
            out.write(line, ending="") if out is self.stdout else out.write(line)

    def _lines(self, options: dict[str, Any]) -> Iterator[str]:
        if options["number"] is None:
            return exporting.list_as(options["format"], _chosen(options))
        runs = Run.objects.select_related(
            "session", "deployment", "model_version__model"
        )
        run = runs.filter(pk=options["number"]).first()
        if run is None:
            raise CommandError(f"There is no run {options['number']}.")
        return exporting.one_as(options["format"], run)


def _chosen(options: dict[str, Any]) -> QuerySet[Run]:
    runs = Run.objects.order_by("-started_at", "-pk")
    model, _, version = (options["model"] or "").partition(":")
    lookups = {
        "deployment__name": options["deployment"],
        "model_version__model__name": model,
        "model_version__version": version,
        "engine": options["engine"],
        "worker": options["worker"],
        "started_at__gte": options["since"] and _midnight(options["since"]),
        "started_at__lt": options["until"]
        and _midnight(options["until"]) + timedelta(days=1),
    }
    return runs.filter(**{name: value for name, value in lookups.items() if value})


def _midnight(said: str) -> datetime:
    try:
        day = parse_date(said)
    except ValueError:
        day = None
    if day is None:
        raise CommandError(f"{said} is no day, as 2026-11-28 is.")
    return datetime.combine(day, time.min, timezone.get_current_timezone())
