"""Taking versions out again: their rows, their files, and models that have none left.

What live sessions have ever been answered by stays, for their records name it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import ProtectedError

from apps.inference.exceptions import InUseError
from apps.inference.models import Activation, ModelVersion, RegisteredModel
from apps.inference.registering import uploads


def why_it_stays(version: ModelVersion) -> str:
    """What keeps a version from being removed, as far as its own row says."""
    if deployments := ", ".join(each.name for each in version.deployments.all()):
        return (
            f"{version} is active in {deployments}: choose another version there first."
        )
    asked_for = Activation.objects.filter(
        to_version=version, state__in=Activation.UNDER_WAY
    ).select_related("deployment")
    if deployments := ", ".join(each.deployment.name for each in asked_for):
        return (
            f"{version} is being activated in {deployments}: wait until that is over."
        )
    if version.is_under_way or version.state == ModelVersion.State.ADDING:
        return (
            f"{version} is being added or verified: cancel its job, or wait until that"
            " has ended."
        )
    if version.sha256 and not _is_ours(version):
        return f"{version} ships with the Emporium, which would register it again."
    return ""


def remove(version: ModelVersion) -> None:
    """Remove a version with its files, and its model with the last one.

    Raises:
        InUseError: it stays, and why.
    """
    if reason := why_it_stays(version):
        raise InUseError(reason)
    forget(version)


@transaction.atomic
def forget(version: ModelVersion) -> None:
    """Remove a version whatever its state is, with all that was made of it.

    Raises:
        InUseError: records name it.
    """
    # As it is written down: whoever worked on this object may have gone further.
    # And locked, for it might be activated meanwhile.
    version = (
        ModelVersion.objects.select_for_update(of=("self",))
        .select_related("model")
        .get(pk=version.pk)
    )
    staging, directory = version.staging, version.path
    has_files = bool(version.sha256) and _is_ours(version)
    name = str(version)
    try:
        version.delete()
    except ProtectedError as error:
        kinds = Counter(each._meta.verbose_name for each in error.protected_objects)
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        raise InUseError(
            f"{name} is named by records that are kept, so it stays: {counts}."
        ) from error
    RegisteredModel.objects.filter(pk=version.model_id, versions__isnull=True).delete()
    transaction.on_commit(
        lambda: _remove_files([staging, directory] if has_files else [staging])
    )
    transaction.on_commit(lambda: uploads.remove(version.source))


def _is_ours(version: ModelVersion) -> bool:
    """Whether its files are copies that adding it has made."""
    return version.path.resolve().is_relative_to(Path(settings.MODELS_DIR).resolve())


def _remove_files(directories: list[Path]) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)
        if directory.parent.is_dir() and not any(directory.parent.iterdir()):
            directory.parent.rmdir()
