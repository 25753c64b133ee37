"""Rows by the names under which operators know them."""

from __future__ import annotations

from apps.inference.exceptions import InferenceError
from apps.inference.models import Deployment, ModelVersion


def find_version(name: str) -> ModelVersion:
    """The named version, or the newest of the named model that has files, if any.

    Args:
        name: `MODEL`, or `MODEL:VERSION`.

    Raises:
        InferenceError: there is none.
    """
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


def find_deployment(name: str) -> Deployment:
    """
    Raises:
        InferenceError: there is none.
    """
    found = Deployment.objects.select_related("active_version__model")
    deployment = found.filter(name=name).first()
    if deployment is None:
        names = ", ".join(Deployment.objects.values_list("name", flat=True))
        raise InferenceError(f"No deployment is called {name}; there is {names}.")
    return deployment
