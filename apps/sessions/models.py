"""Durable facts about sessions and runs, written off the way of the frames.

A session is one browser visit; a run is the part of it that one model version answered.
No picture is ever stored here.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.inference.models import Deployment, ModelVersion


class CameraSession(models.Model):
    class Status(models.TextChoices):
        """The same words in the database, the protocol and the page."""

        PENDING = "pending"
        WAITING = "waiting"
        ACQUIRING = "acquiring"
        CONNECTING = "connecting"
        LIVE = "live"
        RECONNECTING = "reconnecting"
        ENDED = "ended"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    deployment = models.ForeignKey(
        Deployment, on_delete=models.PROTECT, related_name="sessions"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="camera_sessions",
    )
    status = models.CharField(
        max_length=20, choices=Status.choices, default=Status.PENDING
    )
    sentence = models.CharField(
        "why", max_length=300, blank=True, help_text="The status in plain words."
    )
    client = models.CharField(
        max_length=300, blank=True, help_text="What the browser calls itself."
    )
    holder = models.CharField(
        max_length=100,
        blank=True,
        help_text="The channel of its page's socket; empty while it has none.",
    )
    opened_at = models.DateTimeField(default=timezone.now)
    live_at = models.DateTimeField("first live", null=True, blank=True)
    last_seen_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-opened_at"]
        indexes = [
            models.Index(fields=["-opened_at"]),
            models.Index(fields=["ended_at", "last_seen_at"]),
        ]

    def __str__(self) -> str:
        return str(self.id)[:8]


class Run(models.Model):
    """What one model version did for one session.

    The ledger adds up: received = inferred + dropped (by reason) + pending. `latency`
    holds `{stage: {"p50": ms, "p95": ms}}`, what it was made of is `latency_counts`;
    `labels` holds how many results named each label.
    """

    session = models.ForeignKey(
        CameraSession, on_delete=models.CASCADE, related_name="runs"
    )
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="runs"
    )
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    measured_at = models.DateTimeField(null=True, blank=True)
    received = models.PositiveBigIntegerField(default=0)
    inferred = models.PositiveBigIntegerField(default=0)
    superseded = models.PositiveBigIntegerField(default=0)
    expired = models.PositiveBigIntegerField(default=0)
    throttled = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    lost = models.PositiveBigIntegerField(default=0)
    pending = models.PositiveIntegerField(default=0)
    hot_dog_seconds = models.FloatField("seconds with a hot dog", default=0)
    labels = models.JSONField(default=dict, blank=True)
    latency = models.JSONField(default=dict, blank=True)
    latency_counts = models.JSONField(default=dict, blank=True)
    away_seconds = models.FloatField(
        default=0, help_text="How long its session was without a camera meanwhile."
    )
    engine = models.CharField(max_length=40, blank=True)
    worker = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["-started_at"])]

    def __str__(self) -> str:
        return f"{self.session} × {self.model_version}"

    @property
    def dropped(self) -> int:
        return self.superseded + self.expired + self.throttled + self.failed + self.lost

    @property
    def results_per_second(self) -> float | None:
        """Until the figures were taken, which is every few seconds while it goes on."""
        if self.measured_at is None:
            return None
        seconds = (self.measured_at - self.started_at).total_seconds()
        seconds -= self.away_seconds
        return self.inferred / seconds if seconds > 0 else None
