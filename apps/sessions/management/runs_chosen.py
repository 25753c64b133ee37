"""Which runs `manage.py runs list|export` are about: the admin's filters, typed."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date

from apps.sessions import searching
from apps.sessions.models import Run

DROPS = {each.name.lower(): each for each in Run.Drops}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--deployment", metavar="NAME")
    parser.add_argument("--model", metavar="NAME[:VERSION]")
    for name, words in (("engine", "which ran it"), ("worker", "which answered")):
        parser.add_argument(f"--{name}", metavar="NAME", help=words)
    parser.add_argument(
        "--session",
        metavar="NUMBER",
        help=f"its session's, or the first {searching.FEWEST_DIGITS} digits of it",
    )
    parser.add_argument(
        "--drops",
        choices=DROPS,
        help="; ".join(f"{name}: {each.label}" for name, each in DROPS.items()),
    )
    parser.add_argument(
        "--end",
        choices=searching.ENDS,
        help="; ".join(f"{name}: {words}" for name, words in searching.ENDS.items()),
    )
    parser.add_argument("--since", metavar="YYYY-MM-DD", help="started then")
    parser.add_argument("--until", metavar="YYYY-MM-DD", help="or on that day")


def chosen(options: dict[str, Any]) -> QuerySet[Run]:
    """The newest first.

    Raises:
        CommandError: nothing can be a day, or a session's number, that is said so.
    """
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
    runs = runs.filter(**{name: value for name, value in lookups.items() if value})
    if options["session"]:
        runs = runs.filter(session__in=_sessions(options["session"]))
    if options["drops"]:
        runs = runs.filter(drops=DROPS[options["drops"]])
    return searching.ended(runs, options["end"] or "")


def _sessions(said: str) -> list[UUID]:
    meant = searching.sessions_beginning_with(said)
    if meant is None:
        raise CommandError(
            f"{said} is no session's number: say {searching.FEWEST_DIGITS} digits of"
            " it or more, from its beginning."
        )
    return meant


def _midnight(said: str) -> datetime:
    try:
        day = parse_date(said)
    except ValueError:
        day = None
    if day is None:
        raise CommandError(f"{said} is no day, as 2026-11-28 is.")
    return datetime.combine(day, time.min, timezone.get_current_timezone())
