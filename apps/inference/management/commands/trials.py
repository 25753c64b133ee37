"""Tries a version beside the active one: everything that the admin offers, typed."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.inference.exceptions import InferenceError, TrialError
from apps.inference.finding import find_deployment, find_version
from apps.inference.models import DEFAULT_DEPLOYMENT, Trial
from apps.inference.trials import agreement, services
from apps.inference.trials.figures import CHALLENGER, CHAMPION, side
from apps.inference.words import counted, percent

BY_HAND = "An operator stopped it."


class Command(BaseCommand):
    help = "Shadow a deployment, give a canary some sessions, stop or promote either."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="what")
        what.add_parser("list", help="every trial, and what came of it")
        for kind, words, subjects in (
            ("shadow", "answer frames once more, seen by nobody", "frames"),
            ("canary", "answer some of the sessions", "sessions"),
        ):
            start = what.add_parser(kind, help=words)
            start.add_argument("version", help="NAME, or NAME:VERSION")
            start.add_argument(
                "--share",
                type=float,
                required=True,
                help=f"of the {subjects}: above 0, up to 1",
            )
        for name, words in (
            ("stop", "end what is tried"),
            ("promote", "have the challenger become active"),
        ):
            what.add_parser(name, help=words)
        for name, each in what.choices.items():
            if name != "list":
                each.add_argument("--deployment", default=DEFAULT_DEPLOYMENT)
        # What the worker of shadows starts; see trials/shadowing.py.
        what.add_parser("answer").add_argument("pk", type=int)

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        act = getattr(self, f"_{what}")
        try:
            act(options)
        except InferenceError as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        trials = Trial.objects.select_related("version__model", "deployment")
        for trial in trials:
            self.stdout.write("\n".join(_told(trial)))
        if not trials:
            self.stdout.write("Nothing was ever tried.")

    def _shadow(self, options: dict[str, Any]) -> None:
        self._start(Trial.Kind.SHADOW, options)

    def _canary(self, options: dict[str, Any]) -> None:
        self._start(Trial.Kind.CANARY, options)

    def _start(self, kind: str, options: dict[str, Any]) -> None:
        trial = services.start(
            find_deployment(options["deployment"]),
            find_version(options["version"]),
            kind,
            options["share"],
        )
        self.stdout.write(
            f"{trial} is running, with a share of {percent(trial.share)}."
        )

    def _stop(self, options: dict[str, Any]) -> None:
        trial = _running(options)
        services.stop(trial, BY_HAND)
        self.stdout.write(f"{trial} is stopped.")

    def _promote(self, options: dict[str, Any]) -> None:
        trial = _running(options)
        services.promote(trial)
        self.stdout.write(
            f"The workers of {trial.deployment} are asked to answer with"
            f" {trial.version}."
        )

    def _answer(self, options: dict[str, Any]) -> None:
        from apps.inference.trials import answerer

        answerer.answer(options["pk"])


def _running(options: dict[str, Any]) -> Trial:
    deployment = find_deployment(options["deployment"])
    trial = services.running(deployment)
    if trial is None:
        raise TrialError(f"Nothing is tried on {deployment}.")
    return trial


def _told(trial: Trial) -> Iterator[str]:
    yield f"{trial} {percent(trial.share)}: {trial.state} {trial.reason}".rstrip()
    for name in (CHAMPION, CHALLENGER):
        seen = side(trial.figures, name)
        if seen.frames:
            times = [
                f"{words} p50 {p50:.0f}, p95 {p95:.0f} ms"
                for words, p50, p95 in (
                    ("age", seen.age_p50, seen.age_p95),
                    ("model", seen.model_p50, seen.model_p95),
                )
                if p50 is not None and p95 is not None
            ]
            yield "; ".join(
                [f"  {name}: {seen.answered} answered, {seen.failed} failed", *times]
            )
    agreed = agreement.summary(trial.figures.get("agreement", {}))
    if agreed.compared:
        shares = (
            ("verdict", agreed.verdict),
            ("labels", agreed.labels),
            ("boxes", agreed.boxes),
        )
        said = [f"{words} {share:.1%}" for words, share in shares if share is not None]
        frames = counted(agreed.compared, "frame")
        yield f"  agreement on {frames}: {', '.join(said)}"
