"""The jobs `add` and `verify`, both of one `version`, by its number."""

from __future__ import annotations

from typing import Any

from apps.inference.exceptions import InferenceError
from apps.inference.jobs import Progress
from apps.inference.models import ModelVersion
from apps.inference.registering import adding, uploads


def add(parameters: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Bring in what `asking.add` has asked for.

    Raises:
        InferenceError: with a sentence for the operator.
        CancelledError: it isn't wanted any more.
    """
    version = _version(parameters)
    source = version.source
    if not version.sha256:  # else it was killed once all was done
        adding.bring_in(version, progress.tell)
    uploads.remove(source)
    return _made(version)


def verify(parameters: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Verify what `asking.verify` has asked for.

    Raises:
        InferenceError: with a sentence for the operator.
        CancelledError: it isn't wanted any more.
    """
    version = _version(parameters)
    adding.verify(version, progress.tell)
    return _made(version)


def _version(parameters: dict[str, Any]) -> ModelVersion:
    versions = ModelVersion.objects.select_related("model")
    version = versions.filter(pk=parameters["version"]).first()
    if version is None:
        raise InferenceError("The version has been removed meanwhile.")
    return version


def _made(version: ModelVersion) -> dict[str, Any]:
    return {
        "version": version.pk,
        "engine": version.engine,
        "batch_size": version.batch_size,
    }
