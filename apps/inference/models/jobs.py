"""Slow work that somebody has asked for, on the queue `jobs`."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Job(models.Model):
    """One piece of slow work: how far it is, and what came of it.

    `parameters` are what it was asked for with, `result` is what it made, both by the
    kind's own names. A job that is under way says so in `last_seen_at`; one whose
    worker is gone begins anew, so what it does may be done twice.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    UNDER_WAY = frozenset({State.WAITING, State.RUNNING})

    kind = models.CharField(max_length=40)
    parameters = models.JSONField(default=dict, blank=True)
    state = models.CharField(
        max_length=20, choices=State.choices, default=State.WAITING
    )
    progress = models.FloatField(default=0)
    step = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    result = models.JSONField(default=dict, blank=True)
    is_cancelling = models.BooleanField(default=False, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    requested_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-requested_at", "-id"]
        indexes = [models.Index(fields=["state", "last_seen_at"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def subject(self) -> str:
        """What it is about, where whoever asked for it has said it."""
        return str(self.parameters.get("what", ""))
