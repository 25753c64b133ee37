"""Writing down that a model version is wanted, and that nothing came of it.

What a web process may do about models: it reads no weights, so it needs no torch.
"""

from __future__ import annotations

import secrets

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.utils import timezone

from apps.inference import sources
from apps.inference.exceptions import InferenceError
from apps.inference.models import ModelVersion, RegisteredModel
from apps.inference.registering import uploads

LONGEST_NAME, LONGEST_SOURCE = 80, 1000
FOLDERS = ("downloads", "staging", "uploads")


def request_version(
    name: str,
    source: str,
    *,
    sha256: str = "",
    added_by: AbstractBaseUser | None = None,
) -> ModelVersion:
    """Write down that a version of a model is wanted; `adding.bring_in` gets it.

    Args:
        name: of the model, which may be registered already.
        source: as `sources.parse` reads it.
        sha256: what the file's checksum must be; empty if nobody knows.
        added_by: who wants it.

    Raises:
        InferenceError: the name, the source or the checksum can't be used.
    """
    _check_name(name)
    parsed, sha256 = sources.parse(source), sources.checksum(sha256)
    if len(str(parsed)) > LONGEST_SOURCE:
        raise InferenceError("The address is too long to be written down.")
    with transaction.atomic():
        model, _ = RegisteredModel.objects.get_or_create(name=name)
        return ModelVersion.objects.create(
            model=model,
            # Until there are weights to be named after.
            version=f"new-{secrets.token_hex(4)}",
            source=str(parsed),
            expected_sha256=sha256,
            state=ModelVersion.State.ADDING,
            added_by_id=added_by.pk if added_by else None,
        )


def request_again(version: ModelVersion) -> None:
    """Write down that a version that has failed before it had files is wanted again.

    Raises:
        InferenceError: it can't be brought in again.
    """
    if version.source.endswith("?…"):
        raise InferenceError(
            f"The address of {version} held what may be a secret and wasn't kept: add"
            " it anew."
        )
    if version.sha256:
        raise InferenceError(f"{version} has its files: use “Verify anew”.")
    if uploads.is_gone(version.source):
        raise InferenceError(
            f"The file of {version} was removed once it had been read: upload it anew."
        )
    failed = ModelVersion.objects.filter(pk=version.pk, state=ModelVersion.State.FAILED)
    wanted = failed.update(
        state=ModelVersion.State.ADDING,
        reason="",
        step="",
        progress=0,
        last_seen_at=timezone.now(),
    )
    if not wanted:
        raise InferenceError(f"{version} hasn't failed.")


def refuse_without_files(version: ModelVersion) -> None:
    """Refuse to verify what was never brought in.

    Raises:
        InferenceError
    """
    if not version.sha256:
        raise InferenceError(
            f"{version} has no files yet: add it, or bring it in again."
        )


def _check_name(name: str) -> None:
    try:
        validate_slug(name)
    except ValidationError as error:
        raise InferenceError(
            f"A model's name has letters, digits, - and _ only, unlike {name!r}."
        ) from error
    if len(name) > LONGEST_NAME or name in FOLDERS:
        raise InferenceError(
            f"A model can't be called {name}: a name has up to {LONGEST_NAME}"
            f" characters, and {', '.join(FOLDERS)} are folders beside the models'."
        )


def fail_version(version_id: int, reason: str) -> None:
    """Mark a version failed, with the sentence that the operator reads."""
    ModelVersion.objects.filter(pk=version_id).update(
        state=ModelVersion.State.FAILED, reason=reason
    )


def fail_unfinished(version_id: int, reason: str) -> None:
    """The same, unless it has been marked already by whoever knows better."""
    ModelVersion.objects.filter(pk=version_id, state__in=ModelVersion.UNDER_WAY).update(
        state=ModelVersion.State.FAILED, reason=reason
    )
