"""Labelled pictures, and how well versions answer them."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.inference.models.jobs import Job
from apps.inference.models.versions import ModelVersion


class Dataset(models.Model):
    """Labelled pictures by a name. Their files lie in `DATASETS_DIR/NAME`."""

    name = models.SlugField(max_length=80, unique=True)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def directory(self) -> Path:
        return Path(settings.DATASETS_DIR) / self.name


class Example(models.Model):
    """One upright picture and what is to be seen on it.

    `annotations` are `{"label": name, "box": [left, top, right, bottom]}` in pixels;
    where nobody has drawn boxes, `box` is missing and the label is the whole picture's.
    An empty list says that nothing with a name is to be seen.
    """

    class Split(models.TextChoices):
        TRAIN = "train"
        HELD_OUT = "held_out", "held out"

    dataset = models.ForeignKey(
        Dataset, on_delete=models.CASCADE, related_name="examples"
    )
    # Relative to the dataset's directory.
    file = models.CharField(max_length=300)
    sha256 = models.CharField("SHA-256 of the file", max_length=64)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    annotations = models.JSONField(default=list, blank=True)
    split = models.CharField(max_length=20, choices=Split.choices, default=Split.TRAIN)
    # Where it is from, in words: an import's file, a capture's number.
    source = models.CharField(max_length=300, blank=True)
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "sha256"], name="unique_picture_of_dataset"
            )
        ]
        indexes = [
            models.Index(fields=["added_at"]),
            models.Index(fields=["split", "added_at"]),
            models.Index(fields=["dataset", "added_at"]),
            models.Index(fields=["dataset", "split", "added_at"]),
            models.Index(fields=["sha256"]),
        ]

    def __str__(self) -> str:
        return self.sha256[:8]

    @property
    def path(self) -> Path:
        return self.dataset.directory / self.file


class Evaluation(models.Model):
    """How well a version answers a dataset's held-out pictures.

    Without a dataset it is the built-in held-out scenes that were answered. `figures`
    has, as far as the family has them, `map50`, `map50_95`, `top1`,
    `verdict_precision`, `verdict_recall` (0..1), `labels` (per class) and `confusion`.
    """

    version = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, related_name="evaluations"
    )
    dataset = models.ForeignKey(
        Dataset,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="evaluations",
    )
    job = models.ForeignKey(
        Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # How many pictures were answered, and a checksum of them and their labels.
    pictures = models.PositiveIntegerField(default=0)
    data_sha256 = models.CharField("SHA-256 of the data", max_length=64, blank=True)
    figures = models.JSONField(default=dict, blank=True)
    evaluated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-evaluated_at", "-id"]
        get_latest_by = ["evaluated_at", "id"]

    def __str__(self) -> str:
        return f"{self.version} on {self.dataset or 'held-out scenes'}"
