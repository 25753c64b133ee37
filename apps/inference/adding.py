"""Bringing in a version that was asked for: fetch, convert, register, verify.

Takes its time and much memory, so it is for a process of its own. Whatever goes wrong,
the version is marked failed with a sentence, nothing half-written is left, and what
answers live sessions is untouched.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.inference import asking, conversion, sources, verification, weights
from apps.inference.exceptions import DuplicateError, InferenceError
from apps.inference.models import ModelVersion, RegisteredModel
from apps.inference.predictors.families import engines_of, family_of

logger = logging.getLogger(__name__)

State = ModelVersion.State
Told = Callable[[float, str], None]
_FETCHED, _REGISTERED = 0.5, 0.6


def bring_in(version: ModelVersion, told: Told = lambda share, step: None) -> None:
    """Turn what was asked for into a verified version.

    Args:
        version: as `asking.request_version` made it; updated in place.
        told: how far it is (0..1), and what is being done.

    Raises:
        InferenceError: it failed, which is written down too.
    """
    progress = _Progress(version, told)
    with _failures_written(version):
        fetched = sources.fetch(
            sources.parse(version.source),
            Path(settings.MODELS_DIR) / "downloads",
            sha256=version.expected_sha256 or None,
            progress=progress.fetching,
        )
        with _staging(version) as staging, _passing(fetched.path):
            progress.at(_FETCHED, "Reading the files.")
            licence = conversion.convert(fetched.path, staging)
            name = version.version
            _register(version, staging, fetched.origin, licence or fetched.licence)
        with _taken_back(version, name):
            _verify(version, progress.rest_from(_REGISTERED))


def verify(version: ModelVersion, told: Told = lambda share, step: None) -> None:
    """Verify a registered version anew, for this machine.

    Raises:
        InferenceError: it failed, which is written down too.
    """
    with _failures_written(version):
        weights.verify(version.path, version.sha256)
        _verify(version, _Progress(version, told).at)


class _Progress:
    """Tells whoever watches: the database's row, and the caller."""

    def __init__(self, version: ModelVersion, told: Told) -> None:
        self._version = version
        self._told = told

    def at(self, share: float, step: str) -> None:
        is_news = step != self._version.step or share - self._version.progress >= 0.01
        if is_news:
            self._version.progress, self._version.step = share, step
            self._version.save(update_fields=["progress", "step"])
            self._told(share, step)

    def fetching(self, done: int, total: int | None) -> None:
        self.at(_FETCHED * done / total if total else 0.0, "Fetching the files.")

    def rest_from(self, begin: float) -> Told:
        return lambda share, step: self.at(begin + (1 - begin) * share, step)


@contextmanager
def _failures_written(version: ModelVersion) -> Iterator[None]:
    try:
        yield
    except InferenceError as error:
        _fail(version, str(error))
        raise
    except OSError as error:
        _fail(version, f"The disk refused: {error.strerror}.")
        raise InferenceError(version.reason) from error
    except Exception as error:
        logger.exception("%s could not be brought in", version)
        _fail(version, "It failed in a way nobody foresaw; the log says how.")
        raise InferenceError(version.reason) from error


def _fail(version: ModelVersion, reason: str) -> None:
    asking.fail_version(version.pk, reason)
    version.refresh_from_db()


@contextmanager
def _staging(version: ModelVersion) -> Iterator[Path]:
    directory = Path(settings.MODELS_DIR) / "staging" / str(version.pk)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _passing(path: Path) -> Iterator[None]:
    """Remove what was only fetched to be read, but never what is somebody's own."""
    try:
        yield
    finally:
        for name in ("downloads", "uploads"):
            place = Path(settings.MODELS_DIR) / name
            if path.is_relative_to(place):
                shutil.rmtree(place / path.relative_to(place).parts[0])


def _register(version: ModelVersion, staging: Path, origin: str, licence: str) -> None:
    """Give the files their place and the version its name: both by their checksum."""
    sha256 = weights.checksum(staging)
    name, family = sha256[:8], family_of(staging)
    has_card = (staging / weights.CARD_NAME).exists()
    card = weights.read_config(staging, weights.CARD_NAME) if has_card else {}
    model = version.model
    if model.family not in {"", family}:
        raise InferenceError(
            f"{model.name} is a {model.family} model and this one is {family}: give it"
            " another name."
        )
    if model.versions.filter(version=name).exists():
        raise DuplicateError(f"These weights are registered already, as {name}.")
    directory = Path(settings.MODELS_DIR) / model.name / name
    shutil.rmtree(directory, ignore_errors=True)  # of an earlier try
    directory.parent.mkdir(parents=True, exist_ok=True)
    staging.rename(directory)
    with transaction.atomic():
        RegisteredModel.objects.filter(pk=model.pk).update(family=family)
        model.family = family
        version.version, version.sha256 = name, sha256
        version.directory = _portable(directory)
        version.source = origin
        version.card = {**card, "licence": licence or card.get("licence", "")}
        version.save()


@contextmanager
def _taken_back(version: ModelVersion, name: str) -> Iterator[None]:
    """Undo `_register` where the weights turn out to be no good."""
    try:
        yield
    except BaseException:
        shutil.rmtree(version.path, ignore_errors=True)
        version.version, version.sha256, version.directory = name, "", ""
        version.save(update_fields=["version", "sha256", "directory"])
        raise


def _portable(directory: Path) -> str:
    """Relative to the checkout where it lies in it, so that every node finds it."""
    root = Path(settings.BASE_DIR)
    inside = directory.is_relative_to(root)
    return str(directory.relative_to(root) if inside else directory)


def _verify(version: ModelVersion, told: Told) -> None:
    version.state, version.reason = State.VERIFYING, ""
    version.save(update_fields=["state", "reason"])
    outcome = verification.verify(
        version.path,
        settings.PREDICTOR_FAMILIES[version.model.family],
        verification.engines_to_try(settings.ENGINE, engines_of(version.path)),
        told,
    )
    figures: dict[str, Any] = outcome.as_json()
    version.state, version.verification = State.VERIFIED, figures
    version.engine, version.batch_size = outcome.engine, outcome.batch_size
    version.verified_at = timezone.now()
    version.progress, version.step = 1.0, ""
    version.save()
