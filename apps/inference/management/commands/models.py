"""Adds models and shows what is registered: everything that the admin offers, typed."""

from __future__ import annotations

import json
import logging
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from apps.inference import jobs, weights
from apps.inference.exceptions import InferenceError, sentence_of
from apps.inference.finding import find_version
from apps.inference.management import terminal
from apps.inference.management.commands.jobs import follow
from apps.inference.models import ModelVersion
from apps.inference.predictors.families import engines_of
from apps.inference.registering import adding, asking, removing
from apps.inference.serving.loading import load_version
from apps.inference.serving.rehearsal import REFUSED, stand_behind_live_frames
from apps.inference.verifying import verification
from apps.inference.verifying.measuring import measure_beside_bare

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Add, retry, list, show, verify, measure and remove models."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="what")
        add = what.add_parser("add", help="bring a model in and verify it")
        add.add_argument("name")
        add.add_argument(
            "--from",
            dest="source",
            required=True,
            metavar="SOURCE",
            help="hub:OWNER/NAME[@REVISION], file:PATH or https://…",
        )
        add.add_argument("--sha256", default="", help="what the checksum must be")
        what.add_parser("list", help="every version, and what it is good for")
        for name, words in (
            ("show", "all that is known of a model"),
            ("retry", "bring in again what failed before it had files"),
            ("verify", "verify a model anew, on this machine"),
            ("bench", "measure a model on every engine of this machine"),
            ("remove", "remove a version that nothing needs, with its files"),
        ):
            parser_of_one = what.add_parser(name, help=words)
            parser_of_one.add_argument("name", help="NAME, or NAME:VERSION")
            if name == "bench":
                parser_of_one.add_argument(
                    "--json", type=Path, metavar="PATH", help="write the figures there"
                )
        # What others have done in a process of its own; see rehearsal.py.
        what.add_parser("rehearse").add_argument("pk", type=int)

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        try:
            getattr(self, f"_{what}")(options)
        except InferenceError as error:
            raise CommandError(str(error)) from error

    def _add(self, options: dict[str, Any]) -> None:
        version = asking.request_version(
            options["name"], options["source"], sha256=options["sha256"]
        )
        try:
            with _in_a_sentence(version), terminal.Progress() as progress:
                adding.bring_in(version, progress.tell)
        except BaseException:
            # Whoever typed it reads why it failed: nobody else needs a row to do so.
            removing.forget(version)
            raise
        self._say_outcome(version)

    def _retry(self, options: dict[str, Any]) -> None:
        version = find_version(options["name"])
        with transaction.atomic():  # so that no worker takes it before
            job = asking.add(version)
            jobs.take(job)
        follow(job)
        version.refresh_from_db()
        self._say_outcome(version)

    def _remove(self, options: dict[str, Any]) -> None:
        version = find_version(options["name"])
        name = str(version)
        removing.remove(version)
        self.stdout.write(f"{name} is removed.")

    def _rehearse(self, options: dict[str, Any]) -> None:
        stand_behind_live_frames()
        try:
            versions = ModelVersion.objects.select_related("model")
            load_version(versions.get(pk=options["pk"]))
        except InferenceError as error:
            raise CommandError(str(error), returncode=REFUSED) from error

    def _list(self, options: dict[str, Any]) -> None:
        versions = ModelVersion.objects.select_related("model").prefetch_related(
            "deployments"
        )
        self.stdout.write("\n".join(terminal.table(versions)))

    def _show(self, options: dict[str, Any]) -> None:
        version = find_version(options["name"])
        self.stdout.write("\n".join(terminal.facts(version)))
        if version.verification:
            self._write_figures(version.verification)

    def _verify(self, options: dict[str, Any]) -> None:
        version = _with_files(find_version(options["name"]))
        asking.refuse_under_way(version)
        try:
            with _in_a_sentence(version), terminal.Progress() as progress:
                adding.verify(version, progress.tell)
        except InferenceError as error:
            asking.fail_version(version, str(error))
            raise
        self._say_outcome(version)

    def _bench(self, options: dict[str, Any]) -> None:
        version = _with_files(find_version(options["name"]))
        weights.verify(version.path, version.sha256)
        family = settings.PREDICTOR_FAMILIES[version.model.family]
        with terminal.Progress() as progress:
            measured = verification.verify(
                version.path,
                family,
                verification.engines_to_try(settings.ENGINE, engines_of(version.path)),
                progress.tell,
                measure_beside_bare,
            )
        figures = {"model": str(version), "sha256": version.sha256}
        figures |= measured.as_json()
        self._write_figures(figures)
        path = options["json"] or (
            Path(settings.BASE_DIR)
            / "bench"
            / "results"
            / f"{version.model.name}-{version.version}.json"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=2) + "\n")
        self.stdout.write(f"Written to {path}")

    def _say_outcome(self, version: ModelVersion) -> None:
        self._write_figures(version.verification)
        self.stdout.write(
            f"{version} is verified: {version.engine}, {version.batch_size} at a time."
        )

    def _write_figures(self, figures: dict[str, Any]) -> None:
        self.stdout.write("\n".join(terminal.figures(figures)))


@contextmanager
def _in_a_sentence(version: ModelVersion) -> Iterator[None]:
    """Whatever goes wrong with a version, whoever typed it reads a sentence."""
    name = str(version)
    try:
        yield
    except InferenceError:
        raise
    except Exception as error:
        logger.exception("%s could not be verified", name)
        raise InferenceError(sentence_of(error)) from error


def _with_files(version: ModelVersion) -> ModelVersion:
    asking.refuse_without_files(version)
    return version
