"""Lists, reviews, exports and removes kept pictures: what the admin offers, typed."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import QuerySet

from apps.sessions import capture_files, retention
from apps.sessions.access import Act, log
from apps.sessions.management import captures_review
from apps.sessions.models import CameraSession, Capture
from apps.sessions.review_views import answer_words, said_words
from apps.sessions.reviewing import ReviewError


class Command(BaseCommand):
    help = (
        "List, review, export and remove the pictures that people allowed to be kept."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="what")
        listing = what.add_parser("list", help="every capture, and how many there are")
        export = what.add_parser("export", help="copy the pictures, with what is known")
        export.add_argument("directory", type=Path, help="a new or an empty one")
        for each in (listing, export):
            each.add_argument("--state", choices=Capture.State.values)
            each.add_argument("--reason", choices=Capture.Reason.values)
            each.add_argument("--deployment", metavar="NAME")
        captures_review.add_arguments(what)
        purge = what.add_parser("purge", help="remove all that a session gave")
        purge.add_argument("session", help="its number, or how it begins")
        what.add_parser("expire", help="remove what nobody has used in time")

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        if what not in captures_review.ACTS:
            getattr(self, f"_{what}")(options)
            return
        try:
            self.stdout.write(captures_review.act(what, options))
        except ReviewError as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        captures = _chosen(options)
        for capture in captures.iterator(chunk_size=500):
            words = f"{answer_words(capture.predicted)} | {said_words(capture.said)}"
            self.stdout.write(
                f"{capture.pk:>6}  {capture.taken_at:%Y-%m-%d %H:%M:%S}  "
                f"{capture.state:<8}  {capture.reason:<12}  {capture.session}  {words}"
            )
        self.stdout.write(f"{captures.count()} in all.")

    def _export(self, options: dict[str, Any]) -> None:
        directory: Path = options["directory"].absolute()
        chosen = list(_chosen(options))
        try:
            if directory.exists() and any(directory.iterdir()):
                raise CommandError(f"{directory} is not empty.")
            gone = {each.pk for each in chosen if capture_files.is_gone(each.file)}
            there = [each for each in chosen if each.pk not in gone]
            if gone and not there:
                raise CommandError("Nothing was exported: all of the files are gone.")
            directory.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=directory.parent, prefix=".") as whole:
                facts = [_copy(capture, Path(whole)) for capture in there]
                Path(whole, "captures.json").write_text(
                    json.dumps(facts, indent=2) + "\n"
                )
                # Nothing leaves that could not be written down.
                with transaction.atomic():
                    log(there, Act.EXPORTED, None)
                    os.replace(whole, directory)
        except OSError as error:
            raise CommandError(f"Nothing was exported: {error}") from error
        self.stdout.write(f"{len(facts)} exported to {directory}")
        if gone:
            numbers = ", ".join(map(str, sorted(gone)))
            self.stdout.write(f"Left out, for their files are gone: {numbers}.")

    def _purge(self, options: dict[str, Any]) -> None:
        count = retention.purge(_session(options["session"]), None)
        self.stdout.write(f"Removed, with what was made of them: {count}.")

    def _expire(self, options: dict[str, Any]) -> None:
        self.stdout.write(f"Removed, for their time was over: {retention.expire()}.")


def _chosen(options: dict[str, Any]) -> QuerySet[Capture]:
    filters = {
        "state": options["state"],
        "reason": options["reason"],
        "deployment__name": options["deployment"],
    }
    return Capture.objects.select_related("session", "model_version__model").filter(
        **{name: value for name, value in filters.items() if value}
    )


def _copy(capture: Capture, directory: Path) -> dict[str, Any]:
    name = f"{capture.pk}.png"
    shutil.copyfile(capture_files.path_of(capture.file), directory / name)
    return {
        "file": name,
        "session": str(capture.session_id),
        "model": str(capture.model_version),
        "taken_at": capture.taken_at.isoformat(),
        "reason": capture.reason,
        "state": capture.state,
        "predicted": capture.predicted,
        "said": capture.said,
        "annotations": capture.annotations,
    }


def _session(said: str) -> uuid.UUID:
    """The one session whose number begins so."""
    found = CameraSession.objects.filter(pk__startswith=said)[:2]
    if len(found) != 1:
        many = "More than one session" if found else "No session"
        raise CommandError(f"{many} has a number that begins with {said}.")
    return found[0].pk
