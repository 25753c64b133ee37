"""Asking for a version to be added or verified, and writing down that it failed.

What a web process may do about models: it reads no weights, so it needs no torch.
"""

from __future__ import annotations

import secrets
import shutil

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.db.models import Q

from apps.inference import jobs, sources
from apps.inference.exceptions import InferenceError
from apps.inference.models import Job, ModelVersion, RegisteredModel
from apps.inference.registering import uploads

ADD, VERIFY = "add", "verify"  # the kinds of job
State = ModelVersion.State
User = AbstractBaseUser | AnonymousUser

LONGEST_NAME, LONGEST_SOURCE = 80, 1000
FOLDERS = ("downloads", "staging", "uploads")


def request_version(
    name: str,
    source: str,
    *,
    sha256: str = "",
    added_by: AbstractBaseUser | None = None,
) -> ModelVersion:
    """Write down that a version of a model is wanted; `add`, or `adding.bring_in` here
    and now, gets it.

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
            # A terminal that is killed says nothing more.
            state=State.FAILED,
            reason="It is being added in a terminal, or was stopped there.",
            added_by_id=added_by.pk if added_by else None,
        )


@transaction.atomic
def add(version: ModelVersion, requested_by: User | None = None) -> Job:
    """Have the jobs bring in a version that has no files, for the first time or again.

    Raises:
        InferenceError: it can't be brought in.
    """
    if version.source.endswith("?…"):
        raise InferenceError(
            f"The address of {version} held what may be a secret and wasn't kept: add"
            " it anew."
        )
    if version.sha256:
        raise InferenceError(f"{version} has its files: verify it anew.")
    if uploads.is_gone(version.source):
        raise InferenceError(
            f"The file of {version} was removed once it had been read: upload it anew."
        )
    version = _locked(version)
    if version.state != State.FAILED:
        raise InferenceError(f"{version} hasn't failed.")
    version.state, version.reason = State.ADDING, ""
    version.job = job = _request(ADD, version, requested_by)
    version.save(update_fields=["state", "reason", "job"])
    return job


@transaction.atomic
def verify(version: ModelVersion, requested_by: User | None = None) -> None:
    """Have the jobs verify a version anew. Until then it is what it was before.

    Raises:
        InferenceError: it can't be, or is already.
    """
    refuse_without_files(version)
    version = _locked(version)
    refuse_under_way(version)
    version.job = _request(VERIFY, version, requested_by)
    version.save(update_fields=["job"])


def _request(kind: str, version: ModelVersion, requested_by: User | None) -> Job:
    # The name is for whoever reads it.
    parameters = {"what": str(version), "version": version.pk}
    return jobs.request(kind, parameters, requested_by)


def _locked(version: ModelVersion) -> ModelVersion:
    """As it is written down, so that of two who ask at once only one is heard."""
    rows = ModelVersion.objects.select_for_update(of=("self",))
    return rows.select_related("model", "job").get(pk=version.pk)


def refuse_without_files(version: ModelVersion) -> None:
    """Refuse to verify what was never brought in.

    Raises:
        InferenceError
    """
    if not version.sha256:
        raise InferenceError(
            f"{version} has no files yet: add it, or bring it in again."
        )


def refuse_under_way(version: ModelVersion) -> None:
    """Refuse to verify what a job is to verify, or is verifying.

    Raises:
        InferenceError
    """
    if version.is_under_way:
        raise InferenceError(f"{version} is being verified already.")


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


def fail_version(version: ModelVersion, reason: str) -> None:
    """Mark a version failed, with the sentence that the operator reads."""
    version.state, version.reason = State.FAILED, reason
    version.save(update_fields=["state", "reason"])


def adding_ended(job: Job) -> None:
    """Fail what a job was to add and has not; nothing is left of it but the row."""
    versions = ModelVersion.objects.select_for_update(of=("self",))
    version = versions.filter(job=job, state=State.ADDING).first()
    if version is None:  # it was registered just before
        return
    source, staging = version.source, version.staging
    # An address may hold a secret, which nobody needs to see from here on.
    version.source = sources.origin(source)
    version.save(update_fields=["source"])
    fail_version(version, job.reason)
    transaction.on_commit(lambda: uploads.remove(source), robust=True)
    transaction.on_commit(lambda: shutil.rmtree(staging, ignore_errors=True))


def verifying_ended(job: Job) -> None:
    """Fail what a job could not verify; where it was cancelled, nothing is known."""
    if job.state == Job.State.CANCELLED:
        return
    # It may have been verified just before the job's process was killed.
    since_then = Q(verified_at__gte=job.started_at)
    versions = ModelVersion.objects.select_for_update(of=("self",))
    version = versions.filter(job=job).exclude(since_then).first()
    if version is not None:
        fail_version(version, job.reason)
