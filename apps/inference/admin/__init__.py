"""What operators see of models, deployments and all that is done to them.

Each module registers what it is called by; `columns`, `filters` and `long_lists` are
how every list looks, of any app.
"""

from __future__ import annotations

from apps.inference.admin.activations import ActivationAdmin
from apps.inference.admin.datasets import DatasetAdmin
from apps.inference.admin.deployments import DeploymentAdmin
from apps.inference.admin.evaluations import EvaluationAdmin
from apps.inference.admin.examples import ExampleAdmin
from apps.inference.admin.jobs import JobAdmin
from apps.inference.admin.registered_models import RegisteredModelAdmin
from apps.inference.admin.trials import TrialAdmin
from apps.inference.admin.versions import ModelVersionAdmin

__all__ = [
    "ActivationAdmin",
    "DatasetAdmin",
    "DeploymentAdmin",
    "EvaluationAdmin",
    "ExampleAdmin",
    "JobAdmin",
    "ModelVersionAdmin",
    "RegisteredModelAdmin",
    "TrialAdmin",
]
