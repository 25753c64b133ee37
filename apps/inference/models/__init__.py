"""The rows of this app, by what they are about. What touches more than one of them is
in `services.py` and beside it.
"""

from __future__ import annotations

from apps.inference.models.datasets import Dataset, Evaluation, Example
from apps.inference.models.deployments import (
    DEFAULT_DEPLOYMENT,
    Activation,
    Deployment,
    Trial,
)
from apps.inference.models.jobs import Job
from apps.inference.models.versions import ModelVersion, RegisteredModel

__all__ = [
    "DEFAULT_DEPLOYMENT",
    "Activation",
    "Dataset",
    "Deployment",
    "Evaluation",
    "Example",
    "Job",
    "ModelVersion",
    "RegisteredModel",
    "Trial",
]
