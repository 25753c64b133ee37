"""Durable facts about sessions and runs, written off the way of the frames.

A session is one browser visit; a run is the part of it that one model version answered.
A capture is the one picture that is kept, and only where its person has said so.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.inference.models import Deployment, Example, ModelVersion, Trial


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
    # Its index, and those of runs, begin with it: see `Meta`.
    deployment = models.ForeignKey(
        Deployment, on_delete=models.PROTECT, related_name="sessions", db_index=False
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
    consented_at = models.DateTimeField(
        "pictures allowed",
        null=True,
        blank=True,
        help_text="Since when its person allows pictures to be kept.",
    )
    # For how many days, as the person was told then.
    told_days = models.PositiveSmallIntegerField(null=True, editable=False)

    class Meta:
        ordering = ["-opened_at"]
        indexes = [
            models.Index(fields=["-opened_at", "-id"]),
            models.Index(fields=["ended_at", "last_seen_at"]),
            models.Index(fields=["status", "-opened_at", "-id"]),
            models.Index(fields=["deployment", "-opened_at", "-id"]),
        ]

    def __str__(self) -> str:
        return str(self.id)[:8]


class Run(models.Model):
    """What one model version did for one session.

    The ledger adds up: received = inferred + dropped (by reason) + pending. `latency`
    holds `{stage: {"p50": ms, "p95": ms}}`, what it was made of is `latency_counts`;
    `labels` holds how many results named each label. `timeline` is how it went, few
    seconds by few seconds; its entries are told in `timeline.py`.

    Lists of them are very long, and filtered by one thing, the newest first: so there
    is an index for each.
    """

    class Drops(models.IntegerChoices):
        """The worst that became of any frame."""

        NONE = 0, "none dropped"
        SOME = 1, "some dropped"
        FAILED = 2, "some failed or lost"

    session = models.ForeignKey(
        CameraSession, on_delete=models.CASCADE, related_name="runs", db_index=False
    )
    deployment = models.ForeignKey(
        Deployment, on_delete=models.PROTECT, related_name="runs", db_index=False
    )
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="runs", db_index=False
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
    drops = models.GeneratedField(
        expression=models.Case(
            models.When(
                models.Q(failed__gt=0) | models.Q(lost__gt=0), then=Drops.FAILED.value
            ),
            models.When(
                models.Q(superseded__gt=0)
                | models.Q(expired__gt=0)
                | models.Q(throttled__gt=0),
                then=Drops.SOME.value,
            ),
            default=Drops.NONE.value,
        ),
        output_field=models.PositiveSmallIntegerField(choices=Drops.choices),
        db_persist=True,
    )
    hot_dog_seconds = models.FloatField("seconds with a hot dog", default=0)
    labels = models.JSONField(default=dict, blank=True)
    latency = models.JSONField(default=dict, blank=True)
    latency_counts = models.JSONField(default=dict, blank=True)
    timeline = models.JSONField(default=list, blank=True)
    away_seconds = models.FloatField(
        default=0, help_text="How long its session was without a camera meanwhile."
    )
    engine = models.CharField(max_length=40, blank=True)
    worker = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["-started_at"]),
            models.Index(fields=["session", "model_version", "started_at"]),
            models.Index(fields=["deployment", "-started_at"]),
            models.Index(fields=["model_version", "-started_at"]),
            models.Index(fields=["engine", "-started_at"]),
            models.Index(fields=["worker", "-started_at"]),
            models.Index(fields=["drops", "-started_at"]),
            models.Index(fields=["ended_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.session} × {self.model_version}"

    def save(self, *args: Any, **options: Any) -> None:
        """Its deployment is its session's, which nobody moves to another."""
        if not self.deployment_id:
            self.deployment_id = self.session.deployment_id
        super().save(*args, **options)

    @property
    def dropped(self) -> int:
        return self.superseded + self.expired + self.throttled + self.failed + self.lost

    @property
    def was_followed(self) -> bool:
        """Whether its session went on behind it, with another version."""
        if self.ended_at is None:
            return False
        end = self.session.ended_at
        return end is None or end > self.ended_at

    @property
    def results_per_second(self) -> float | None:
        """Until the figures were taken, which is every few seconds while it goes on."""
        if self.measured_at is None:
            return None
        seconds = (self.measured_at - self.started_at).total_seconds()
        seconds -= self.away_seconds
        return self.inferred / seconds if seconds > 0 else None


class HalfMinute(models.Model):
    """What all sessions of a deployment were answered within half a minute.

    `number` counts half minutes since 1970, `ages` are counts by latency as those of a
    timeline's entry. `since` is when the first of its results were counted from, and
    `until` when the last were. It goes when nobody looks at it any more.
    """

    deployment = models.ForeignKey(
        Deployment, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    number = models.PositiveBigIntegerField()
    since = models.DateTimeField()
    until = models.DateTimeField()
    inferred = models.PositiveBigIntegerField(default=0)
    ages = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["number", "deployment"], name="one_row_of_a_half_minute"
            )
        ]

    def __str__(self) -> str:
        return f"{self.deployment} {self.number}"


class Capture(models.Model):
    """One frame that was kept because its person allowed it.

    `predicted` is what the version answered, `said` what the person says that it is:
    `{"is_hot_dog": false, "label": "cup"}`. `annotations`, as those of an `Example`,
    are the reviewer's. The file lies in CAPTURES_DIR.
    """

    class Reason(models.TextChoices):
        WRONG = "wrong", "said to be wrong"
        UNCERTAIN = "uncertain"
        RANDOM = "random"
        DISAGREEMENT = "disagreement"

    class State(models.TextChoices):
        WAITING = "waiting", "to be reviewed"
        ACCEPTED = "accepted"
        REJECTED = "rejected"

    session = models.ForeignKey(
        CameraSession, on_delete=models.CASCADE, related_name="captures"
    )
    deployment = models.ForeignKey(
        Deployment, on_delete=models.PROTECT, related_name="captures", db_index=False
    )
    model_version = models.ForeignKey(
        ModelVersion,
        on_delete=models.PROTECT,
        related_name="captures",
        db_index=False,
    )
    trial = models.ForeignKey(
        Trial, on_delete=models.SET_NULL, null=True, blank=True, related_name="captures"
    )
    reason = models.CharField(max_length=20, choices=Reason.choices)
    # Relative to CAPTURES_DIR.
    file = models.CharField(max_length=300)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    predicted = models.JSONField(default=dict, blank=True)
    said = models.JSONField(default=dict, blank=True)
    taken_at = models.DateTimeField(default=timezone.now)
    # As its person was told; sooner, where the deployment has come to ask for less.
    expires_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(
        max_length=20, choices=State.choices, default=State.WAITING
    )
    annotations = models.JSONField(default=list, blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    # What it became in a dataset.
    example = models.ForeignKey(
        Example, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # By which every dataset knows its picture, once it was accepted: what one has had,
    # another may have from an export, also when the first has it no more.
    sha256 = models.CharField("SHA-256 of its picture", max_length=64, blank=True)

    class Meta:
        ordering = ["-taken_at", "-id"]
        indexes = [
            models.Index(fields=["taken_at"]),
            models.Index(fields=["state", "taken_at"]),
            models.Index(fields=["reason", "taken_at"]),
            models.Index(fields=["deployment", "taken_at"]),
            models.Index(fields=["model_version", "taken_at"]),
            models.Index(fields=["sha256"]),
        ]
        permissions = [("review_capture", "Can see and review kept pictures")]

    def __str__(self) -> str:
        return f"{self.reason} {self.pk}"

    def save(self, *args: Any, **options: Any) -> None:
        """Its deployment is its session's, as a run's is."""
        if not self.deployment_id:
            self.deployment_id = self.session.deployment_id
        super().save(*args, **options)


class CaptureAccess(models.Model):
    """Who has seen, exported or removed kept pictures, and when. Never deleted."""

    class Act(models.TextChoices):
        SEEN = "seen"
        REVIEWED = "reviewed"
        EXPORTED = "exported"
        PURGED = "purged"
        EXPIRED = "expired"

    # Not foreign keys: the record outlives what it is about.
    capture_id = models.BigIntegerField(null=True, blank=True)
    session_id = models.UUIDField(null=True, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    act = models.CharField(max_length=20, choices=Act.choices)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["at"]),
            models.Index(fields=["act", "at"]),
            models.Index(fields=["user", "at"]),
            models.Index(fields=["capture_id"]),
            models.Index(fields=["session_id"]),
        ]
        verbose_name_plural = "capture accesses"

    def __str__(self) -> str:
        return f"{self.act} {self.capture_id or self.session_id}"
