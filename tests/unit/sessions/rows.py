"""One row of everything that the admin shows of ours, for tests of all its pages."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model
from django.utils import timezone

from apps.inference.models import (
    DEFAULT_DEPLOYMENT,
    Activation,
    Dataset,
    Deployment,
    Evaluation,
    Example,
    Job,
    ModelVersion,
    RegisteredModel,
    Trial,
)
from apps.sessions.models import CameraSession, Capture, CaptureAccess, Run


def one_of_each() -> dict[type[Model], Any]:
    """By their models; a new one of each at every call."""
    number = RegisteredModel.objects.count()
    user = User.objects.create_user(f"somebody-{number}")
    model = RegisteredModel.objects.create(name=f"model-{number}", family="scripted")
    version = ModelVersion.objects.create(
        model=model, version="1", state="verified", engine="torch", added_by=user
    )
    name = f"deployment-{number}" if number else DEFAULT_DEPLOYMENT
    deployment = Deployment.objects.create(name=name, active_version=version)
    dataset = Dataset.objects.create(name=f"dataset-{number}")
    job = Job.objects.create(kind="evaluate", requested_by=user)
    session = CameraSession.objects.create(deployment=deployment, user=user)
    size = {"width": 64, "height": 48}
    rows: list[Model] = [
        model,
        version,
        deployment,
        dataset,
        job,
        session,
        Activation.objects.create(
            deployment=deployment, to_version=version, requested_by=user
        ),
        Trial.objects.create(
            deployment=deployment, version=version, kind="shadow", share=1
        ),
        Example.objects.create(
            dataset=dataset, file="a.jpg", sha256=f"{number:064}", **size
        ),
        Evaluation.objects.create(version=version, dataset=dataset, job=job),
        Run.objects.create(
            session=session,
            model_version=version,
            started_at=timezone.now(),
            engine="torch",
            worker="here:1",
        ),
        Capture.objects.create(
            session=session,
            model_version=version,
            reason="wrong",
            file=f"{number}.jpg",
            reviewed_by=user,
            **size,
        ),
        CaptureAccess.objects.create(session_id=session.pk, user=user, act="seen"),
    ]
    return {type(row): row for row in rows}
