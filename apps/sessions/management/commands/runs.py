"""Lists, shows and exports runs: everything that the admin offers, typed."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, FileType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.sessions import exporting
from apps.sessions.management import runs_chosen, runs_shown
from apps.sessions.models import Run

MOST_SHOWN = 50


class Command(BaseCommand):
    help = "List and show runs, and export them as CSV or JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="what")
        listing = what.add_parser("list", help="the newest, or those that are chosen")
        listing.add_argument(
            "--most",
            type=int,
            default=MOST_SHOWN,
            metavar="N",
            help="how many of them (default: %(default)s)",
        )
        show = what.add_parser("show", help="what the page of one run says")
        show.add_argument("number", type=int, help="as `list` says it")
        export = what.add_parser("export", help="all runs, or those that are chosen")
        export.add_argument(
            "number", nargs="?", type=int, help="one run, with how it went"
        )
        export.add_argument("--format", choices=exporting.FORMATS, default="csv")
        export.add_argument(
            "--output",
            type=FileType("w", encoding="utf-8"),
            default="-",
            metavar="PATH",
            help="written there instead of here",
        )
        for each in (listing, export):
            runs_chosen.add_arguments(each)

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        getattr(self, f"_{what}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        most = options["most"]
        if most < 1:
            raise CommandError("One run at least must be asked for.")
        # By their keys first, which an index has: others are joined to all before.
        keys = runs_chosen.chosen(options).values_list("pk", flat=True)[: most + 1]
        runs = Run.objects.filter(pk__in=keys).order_by("-started_at", "-pk")
        related = runs.select_related("session", "model_version__model")
        newest = list(related.defer("timeline", "latency_counts", "labels"))
        lines = runs_shown.table(newest[:most])
        if len(newest) > most:
            lines.append(f"These are the newest {most}; --most N shows others too.")
        self.stdout.write("\n".join(lines))

    def _show(self, options: dict[str, Any]) -> None:
        self.stdout.write("\n".join(runs_shown.facts(_find(options["number"]))))

    def _export(self, options: dict[str, Any]) -> None:
        form, number, output = options["format"], options["number"], options["output"]
        if number is None:
            lines = exporting.list_as(form, runs_chosen.chosen(options))
        else:
            lines = exporting.one_as(form, _find(number))
        # A test, or whoever calls the command, may have another.
        out = self.stdout if output is sys.stdout else output
        for line in lines:
            out.write(line, ending="") if out is self.stdout else out.write(line)


def _find(number: int) -> Run:
    runs = Run.objects.select_related("session", "deployment", "model_version__model")
    run = runs.filter(pk=number).first()
    if run is None:
        raise CommandError(f"There is no run {number}.")
    return run
