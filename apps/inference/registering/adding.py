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
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.inference import conversion, sources, weights
from apps.inference.exceptions import DuplicateError, InferenceError, sentence_of
from apps.inference.models import ModelVersion, RegisteredModel
from apps.inference.predictors.families import engines_of, family_of
from apps.inference.registering import asking, under_way, uploads
from apps.inference.verifying import verification
from apps.inference.verifying.verification import Verification

logger = logging.getLogger(__name__)

State = ModelVersion.State
Told = Callable[[float, str], None]
_FETCHED, _CONVERTED = 0.5, 0.6


def bring_in(version: ModelVersion, told: Told = lambda share, step: None) -> None:
    """Turn what was asked for into a verified version.

    Args:
        version: as `asking.request_version` made it; updated in place.
        told: how far it is (0..1), and what is being done.

    Raises:
        InferenceError: it failed, which is written down too.
    """
    progress = _begin(version, told)
    source = sources.parse(version.source)
    # An address may hold a secret, which nobody needs to see from here on.
    version.source = source.origin
    version.save(update_fields=["source"])
    with (
        under_way.said(version.pk),
        _failures_written(version),
        _upload_removed(str(source)),
        _staging(version) as staging,
    ):
        with sources.fetch(
            source,
            Path(settings.MODELS_DIR) / "downloads",
            sha256=version.expected_sha256 or None,
            progress=progress.fetching,
        ) as fetched:
            progress.at(_FETCHED, "Reading the files.")
            try:
                licence = conversion.convert(fetched.path, staging)
            finally:
                if fetched.is_passing:
                    fetched.path.unlink(missing_ok=True)
        version.card = _card(staging, licence or fetched.licence)
        version.source = fetched.origin
        _take_in(version, staging, progress.rest_from(_CONVERTED))


def take_in(
    version: ModelVersion,
    write: Callable[[Path], None],
    told: Told = lambda share, step: None,
) -> None:
    """Turn what was made here into a verified version.

    Args:
        version: a row that is being added; updated in place.
        write: writes the version's files, its card among them, into a folder.
        told: how far it is (0..1), and what is being done.

    Raises:
        InferenceError: it failed, which is written down too.
    """
    with (
        under_way.said(version.pk),
        _failures_written(version),
        _staging(version) as staging,
    ):
        write(staging)
        version.card = _card(staging, "")
        _take_in(version, staging, _Progress(version, told).at)


def _take_in(version: ModelVersion, staging: Path, told: Told) -> None:
    family = family_of(staging)
    _refuse_other_family(version.model, family)
    _refuse_duplicate(version.model, staging)
    _register(version, staging, family, _verified(version, staging, family, told))


def verify(version: ModelVersion, told: Told = lambda share, step: None) -> None:
    """Verify a registered version anew, for this machine.

    Raises:
        InferenceError: it failed, which is written down too.
    """
    with under_way.said(version.pk), _failures_written(version):
        weights.verify(version.path, version.sha256)
        family, told = version.model.family, _Progress(version, told).at
        _keep(version, _verified(version, version.path, family, told))
        version.save()


def _begin(version: ModelVersion, told: Told) -> _Progress:
    """Also where nobody was thought to: the message may have come late."""
    version.state, version.reason, version.step = State.ADDING, "", ""
    version.save(update_fields=["state", "reason", "step"])
    progress = _Progress(version, told)
    progress.at(0, "Fetching the files.")
    return progress


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
    except Exception as error:
        logger.exception("%s could not be brought in", version)
        _fail(version, sentence_of(error))
        raise InferenceError(version.reason) from error
    except BaseException:
        _fail(version, "It was stopped before it was done.")
        raise


def _fail(version: ModelVersion, reason: str) -> None:
    asking.fail_version(version.pk, reason)
    version.refresh_from_db()


@contextmanager
def _staging(version: ModelVersion) -> Iterator[Path]:
    directory = version.staging
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _upload_removed(source: str) -> Iterator[None]:
    """Remove what a form has stored once it has been read, and nobody's own files."""
    try:
        yield
    finally:
        uploads.remove(source)


def _card(staging: Path, licence: str) -> dict[str, Any]:
    has_card = (staging / weights.CARD_NAME).exists()
    card = weights.read_config(staging, weights.CARD_NAME) if has_card else {}
    return {**card, "licence": licence or card.get("licence", "")}


def _refuse_other_family(model: RegisteredModel, family: str) -> None:
    model.refresh_from_db()
    is_taken = model.versions.exclude(sha256="").exists()
    if is_taken and model.family != family:
        raise InferenceError(
            f"{model.name} is a {model.family} model and this one is {family}: give it"
            " another name."
        )


def _refuse_duplicate(model: RegisteredModel, staging: Path) -> None:
    name = weights.checksum(staging)[:8]
    if model.versions.filter(version=name).exists():
        raise _duplicate(name)


def _duplicate(name: str) -> DuplicateError:
    return DuplicateError(f"These weights are registered already, as {name}.")


def _verified(
    version: ModelVersion, directory: Path, family: str, told: Told
) -> Verification:
    version.state, version.reason = State.VERIFYING, ""
    version.save(update_fields=["state", "reason"])
    return verification.verify(
        directory,
        settings.PREDICTOR_FAMILIES[family],
        verification.engines_to_try(settings.ENGINE, engines_of(directory)),
        told,
    )


def _register(
    version: ModelVersion, staging: Path, family: str, outcome: Verification
) -> None:
    """Give the files their place and the version its name: both by their checksum."""
    sha256 = weights.checksum(staging)
    model, name = version.model, sha256[:8]
    directory = Path(settings.MODELS_DIR) / model.name / name
    directory.parent.mkdir(parents=True, exist_ok=True)
    version.version, version.sha256 = name, sha256
    version.directory = _portable(directory)
    _keep(version, outcome)
    try:
        with transaction.atomic():
            RegisteredModel.objects.select_for_update().get(pk=model.pk)
            # Another may have been added under this name meanwhile.
            _refuse_other_family(model, family)
            model.family = family
            model.save(update_fields=["family"])
            # First the name, which nobody else has then, and so neither its folder.
            version.save()
            shutil.rmtree(directory, ignore_errors=True)  # of a try that was killed
            staging.rename(directory)
    except IntegrityError as error:
        raise _duplicate(name) from error


def _keep(version: ModelVersion, outcome: Verification) -> None:
    version.state, version.verification = State.VERIFIED, outcome.as_json()
    version.engine, version.batch_size = outcome.engine, outcome.batch_size
    version.golden = outcome.golden
    version.verified_at = timezone.now()
    version.progress, version.step = 1.0, ""


def _portable(directory: Path) -> str:
    """Relative to the checkout where it lies in it, so that every node finds it."""
    root = Path(settings.BASE_DIR)
    inside = directory.is_relative_to(root)
    return str(directory.relative_to(root) if inside else directory)
