"""What is registered: models by name, and their versions, which can be run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models

from apps.inference.models.jobs import Job


class RegisteredModel(models.Model):
    """A model by name; its versions are what can be run."""

    name = models.SlugField(max_length=80, unique=True)
    # Known once the first version's files have been read.
    family = models.CharField(max_length=40, blank=True)
    description = models.TextField(blank=True)
    licence = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "model"

    def __str__(self) -> str:
        return self.name


class ModelVersion(models.Model):
    """A directory of weights that is trusted as long as its checksum holds.

    `directory` is absolute, or relative to the checkout so that every node finds it.
    Only a verified version may answer; `reason` says why one failed. `engine` and
    `batch_size` are what its verification chose, and `verification` all it measured.
    `job` is the last that was asked to add or verify it.
    """

    class State(models.TextChoices):
        ADDING = "adding"
        VERIFIED = "verified"
        FAILED = "failed"

    model = models.ForeignKey(
        RegisteredModel, on_delete=models.PROTECT, related_name="versions"
    )
    version = models.CharField(max_length=40)
    source = models.CharField(max_length=1000, blank=True)
    expected_sha256 = models.CharField(max_length=64, blank=True)
    directory = models.CharField(max_length=500, blank=True)
    sha256 = models.CharField("SHA-256 of the weights", max_length=64, blank=True)
    card = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=20, choices=State.choices, default=State.ADDING)
    reason = models.TextField(blank=True)
    engine = models.CharField(max_length=40, blank=True)
    batch_size = models.PositiveSmallIntegerField(null=True, blank=True)
    verification = models.JSONField(default=dict, blank=True)
    # What it answers to the golden pictures, recorded when it was verified.
    golden = models.JSONField(default=list, blank=True, editable=False)
    verified_at = models.DateTimeField(null=True, blank=True)
    # What it was trained further from, and on which data by which code.
    parent = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
    )
    lineage = models.JSONField(default=dict, blank=True)
    job = models.OneToOneField(
        Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="version"
    )
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["model__name", "-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "version"], name="unique_version_of_model"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model.name} {self.version}"

    @property
    def is_under_way(self) -> bool:
        """Whether a job is to add or verify it, now or once its turn has come."""
        return self.job is not None and self.job.state in Job.UNDER_WAY

    @property
    def path(self) -> Path:
        return Path(settings.BASE_DIR) / self.directory

    @property
    def staging(self) -> Path:
        """Where its files are made, each try in a folder of its own."""
        return Path(settings.MODELS_DIR) / "staging" / str(self.pk)

    @property
    def stamp(self) -> tuple[int, datetime | None]:
        """Another one after each verification, which may choose another engine."""
        return self.pk, self.verified_at

    def measured_on(self, engine: str) -> dict[str, Any]:
        """What its verification found out about an engine; empty if it wasn't tried."""
        for figures in self.verification.get("engines", ()):
            if figures["engine"] == engine:
                return dict(figures)
        return {}
