"""Bringing in a version that was asked for: fetch, convert, register, verify.

Takes its time and much memory, so it is for a process of its own. Whatever goes wrong,
nothing half-written is left, what answers live sessions is untouched, and who has asked
for it writes down that it failed. If it is killed it may be begun with again.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.inference import conversion, sources, weights
from apps.inference.exceptions import DuplicateError, InferenceError
from apps.inference.models import ModelVersion, RegisteredModel
from apps.inference.predictors.families import engines_of, family_of
from apps.inference.verifying import verification
from apps.inference.verifying.verification import Verification

State = ModelVersion.State
Told = Callable[[float, str], None]
_FETCHED, _CONVERTED = 0.5, 0.6
_OF_FILES = ("version", "sha256", "directory", "card", "source")
_OF_VERIFICATION = (
    "state",
    "reason",
    "verification",
    "engine",
    "batch_size",
    "golden",
    "verified_at",
)


def bring_in(version: ModelVersion, told: Told = lambda share, step: None) -> None:
    """Turn what was asked for into a verified version.

    Args:
        version: as `asking` has written it down; updated in place.
        told: how far it is (0..1), and what is being done.

    Raises:
        InferenceError: with a sentence for the operator.
    """
    source = sources.parse(version.source)

    def fetching(done: int, total: int | None) -> None:
        told(_FETCHED * done / total if total else 0.0, "Fetching the files.")

    with _staging(version) as staging:
        fetching(0, None)
        with sources.fetch(
            source,
            Path(settings.MODELS_DIR) / "downloads",
            sha256=version.expected_sha256 or None,
            progress=fetching,
        ) as fetched:
            told(_FETCHED, "Reading the files.")
            try:
                licence = conversion.convert(fetched.path, staging)
            finally:
                if fetched.is_passing:
                    fetched.path.unlink(missing_ok=True)
        version.card = _card(staging, licence or fetched.licence)
        version.source = fetched.origin
        _take_in(
            version,
            staging,
            lambda share, step: told(_CONVERTED + (1 - _CONVERTED) * share, step),
        )


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
        InferenceError: with a sentence for the operator.
    """
    with _staging(version) as staging:
        write(staging)
        version.card = _card(staging, "")
        _take_in(version, staging, told)


def _take_in(version: ModelVersion, staging: Path, told: Told) -> None:
    family = family_of(staging)
    _refuse_other_family(version.model, family)
    _refuse_duplicate(version.model, staging)
    outcome = _verified(staging, family, told)
    told(1.0, "Registering it.")
    _register(version, staging, family, outcome)


def verify(version: ModelVersion, told: Told = lambda share, step: None) -> None:
    """Verify a registered version anew, for this machine.

    Raises:
        InferenceError: with a sentence for the operator.
    """
    weights.verify(version.path, version.sha256)
    _keep(version, _verified(version.path, version.model.family, told))
    version.save(update_fields=_OF_VERIFICATION)


@contextmanager
def _staging(version: ModelVersion) -> Iterator[Path]:
    """An empty folder, which another process shares as little as its name: one that was
    thought dead may be at the same version still.
    """
    shutil.rmtree(version.staging, ignore_errors=True)  # of a try that was killed
    directory = version.staging / secrets.token_hex(4)
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        with suppress(OSError):  # another's is in it
            version.staging.rmdir()


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


def _verified(directory: Path, family: str, told: Told) -> Verification:
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
    try:
        with transaction.atomic():
            _refuse_unwanted(version)
            version.version, version.sha256 = name, sha256
            version.directory = _portable(directory)
            _keep(version, outcome)
            RegisteredModel.objects.select_for_update().get(pk=model.pk)
            # Another may have been added under this name meanwhile.
            _refuse_other_family(model, family)
            model.family = family
            model.save(update_fields=["family"])
            # First the name, which nobody else has then, and so neither its folder.
            version.save(update_fields=[*_OF_FILES, *_OF_VERIFICATION])
            shutil.rmtree(directory, ignore_errors=True)  # of a try that was killed
            staging.rename(directory)
    except IntegrityError as error:
        raise _duplicate(name) from error


def _refuse_unwanted(version: ModelVersion) -> None:
    """Refuse what was cancelled, removed or asked for once more since we began."""
    same = ModelVersion.objects.select_for_update(of=("self",)).filter(
        pk=version.pk, state=version.state, job=version.job_id
    )
    if not same.exists():
        raise InferenceError(f"{version} isn't wanted any more.")


def _keep(version: ModelVersion, outcome: Verification) -> None:
    version.state, version.reason = State.VERIFIED, ""
    version.verification = outcome.as_json()
    version.engine, version.batch_size = outcome.engine, outcome.batch_size
    version.golden = outcome.golden
    version.verified_at = timezone.now()


def _portable(directory: Path) -> str:
    """Relative to the checkout where it lies in it, so that every node finds it."""
    root = Path(settings.BASE_DIR)
    inside = directory.is_relative_to(root)
    return str(directory.relative_to(root) if inside else directory)
