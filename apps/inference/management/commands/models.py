"""Adds models and shows what is registered: everything that the admin offers, typed."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from apps.inference import adding, asking, verification, weights
from apps.inference.exceptions import InferenceError
from apps.inference.measuring import measure_beside_bare
from apps.inference.models import ModelVersion
from apps.inference.predictors.families import engines_of
from apps.inference.rehearsal import REFUSED, stand_behind_live_frames
from apps.inference.serving import load_version

State = ModelVersion.State


class Command(BaseCommand):
    help = "Add, list, show, verify and measure models."

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
            ("verify", "verify a model anew, on this machine"),
            ("bench", "measure a model on every engine of this machine"),
        ):
            parser_of_one = what.add_parser(name, help=words)
            parser_of_one.add_argument("name", help="NAME, or NAME:VERSION")
            if name == "bench":
                parser_of_one.add_argument(
                    "--json", type=Path, metavar="PATH", help="write the figures there"
                )
        # What others have done in a process of its own; see tasks.py and rehearsal.py.
        for name in ("bring-in", "verify-again", "rehearse"):
            what.add_parser(name).add_argument("pk", type=int)

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        act = getattr(self, f"_{what.replace('-', '_')}")
        try:
            act(options)
        except InferenceError as error:
            raise CommandError(str(error)) from error

    def _add(self, options: dict[str, Any]) -> None:
        version = asking.request_version(
            options["name"], options["source"], sha256=options["sha256"]
        )
        with _bar() as bar:
            adding.bring_in(version, bar.tell)
        self._say_outcome(version)

    def _bring_in(self, options: dict[str, Any]) -> None:
        stand_behind_live_frames()
        adding.bring_in(_of_number(options["pk"]))

    def _verify_again(self, options: dict[str, Any]) -> None:
        stand_behind_live_frames()
        adding.verify(_of_number(options["pk"]))

    def _rehearse(self, options: dict[str, Any]) -> None:
        stand_behind_live_frames()
        try:
            load_version(_of_number(options["pk"]))
        except InferenceError as error:
            raise CommandError(str(error), returncode=REFUSED) from error

    def _list(self, options: dict[str, Any]) -> None:
        for version in ModelVersion.objects.select_related("model"):
            licence = version.card.get("licence") or "licence unknown"
            words = (version.model.family, version.state, version.engine, licence)
            self.stdout.write(f"{version}  {'  '.join(filter(None, words))}")

    def _show(self, options: dict[str, Any]) -> None:
        version = _find(options["name"])
        for name in ("source", "directory", "sha256", "state", "reason"):
            if value := getattr(version, name):
                self.stdout.write(f"{name + ':':<11}{value}")
        self.stdout.write(f"licence:   {version.card.get('licence') or 'unknown'}")
        if version.engine:
            chosen = f"{version.engine}, {version.batch_size} at a time"
            self.stdout.write(f"chosen:    {chosen}")
        if version.verification:
            self._write_figures(version.verification)

    def _verify(self, options: dict[str, Any]) -> None:
        version = _with_files(_find(options["name"]))
        with _bar() as bar:
            adding.verify(version, bar.tell)
        self._say_outcome(version)

    def _bench(self, options: dict[str, Any]) -> None:
        version = _with_files(_find(options["name"]))
        weights.verify(version.path, version.sha256)
        family = settings.PREDICTOR_FAMILIES[version.model.family]
        with _bar() as bar:
            measured = verification.verify(
                version.path,
                family,
                verification.engines_to_try(settings.ENGINE, engines_of(version.path)),
                bar.tell,
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
        self.stdout.write(f"{'engine':<14}{'batch':>6}{'ms':>9}{'images/s':>10}")
        for engine in figures["engines"]:
            if engine["reason"]:
                self.stdout.write(f"{engine['engine']:<14}{engine['reason']}")
            for batch in engine["batches"]:
                self.stdout.write(
                    f"{engine['engine']:<14}{batch['size']:>6}"
                    f"{batch['batch_ms']:>9.1f}{_rate(batch, 'batch_ms'):>10.1f}"
                    + _beside_bare(batch)
                )
            if limit := engine.get("limit"):  # which older figures don't say
                self.stdout.write(f"{engine['engine']:<14}{limit}")


def _beside_bare(batch: dict[str, Any]) -> str:
    """What a bench on a GPU adds."""
    if batch.get("bare_ms") is None:
        return ""
    return (
        f"{_rate(batch, 'overlapped_ms'):>10.1f} overlapped,"
        f"{_rate(batch, 'bare_ms'):>10.1f} bare:"
        f"{batch['bare_ms'] / batch['overlapped_ms']:>6.0%}"
    )


def _rate(batch: dict[str, Any], name: str) -> float:
    """In images a second."""
    return float(1000 * batch["size"] / batch[name])


class _bar(tqdm):  # type: ignore[type-arg]
    """A bar in percent, with what is being done beside it; none without a terminal."""

    def __init__(self) -> None:
        super().__init__(
            total=100, disable=None, bar_format="{desc} {percentage:.0f} %"
        )

    def tell(self, share: float, step: str) -> None:
        self.set_description_str(step)
        self.update(100 * share - self.n)


def _of_number(pk: int) -> ModelVersion:
    return ModelVersion.objects.select_related("model").get(pk=pk)


def _find(name: str) -> ModelVersion:
    """The named version, or the newest of the named model that has files, if any."""
    model, _, version = name.partition(":")
    found = ModelVersion.objects.select_related("model").filter(model__name=model)
    if version:
        found = found.filter(version=version)
    newest = found.exclude(sha256="").order_by("-created_at").first() or (
        found.order_by("-created_at").first()
    )
    if newest is None:
        raise InferenceError(f"No model is called {name}; `models list` shows all.")
    return newest


def _with_files(version: ModelVersion) -> ModelVersion:
    if not version.sha256:
        raise InferenceError(f"{version} has no files yet.")
    return version
