"""What is deployed, who changed it when, and what is tried beside it."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    RegexValidator,
)
from django.db import models
from django.utils import timezone

from apps.inference.models.datasets import Dataset
from apps.inference.models.versions import ModelVersion
from apps.inference.queues import DEFAULT_QUEUE, QUEUE_PATTERN

# What the session page at `/` asks for.
DEFAULT_DEPLOYMENT = "default"
SHARE = (MinValueValidator(0.0), MaxValueValidator(1.0))


class Deployment(models.Model):
    """The name that sessions ask for, the version that answers them, and how.

    Its frames wait in the mailbox of `queue`, so workers of that queue answer them.
    What is None is as the settings say. `gates` are the least figures of an evaluation
    on `gate_dataset` (the built-in scenes, if None) that a version needs to become
    active: `{"map50": 0.5}`.
    """

    name = models.SlugField(max_length=80, unique=True)
    title = models.CharField(
        max_length=80, blank=True, help_text="What the page calls it."
    )
    active_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="deployments"
    )
    queue = models.CharField(
        max_length=40,
        default=DEFAULT_QUEUE,
        validators=[
            RegexValidator(
                QUEUE_PATTERN, "A queue is called gpu, or gpu-large and the like."
            )
        ],
        help_text="Whose workers answer: celery -A emporium worker -Q gpu",
    )
    age_budget_ms = models.PositiveIntegerField(
        "age budget, ms",
        null=True,
        blank=True,
        validators=[MinValueValidator(50), MaxValueValidator(60_000)],
        help_text="A frame older than this is dropped. Empty: AGE_BUDGET_MS.",
    )
    min_score = models.FloatField(
        "least score",
        null=True,
        blank=True,
        validators=SHARE,
        help_text="What scores less isn't shown. Empty: as the model's files say.",
    )
    hot_dog_score = models.FloatField(
        "score of a hot dog",
        null=True,
        blank=True,
        validators=SHARE,
        help_text="The least score for the verdict. Empty: the rule's own.",
    )
    most_failed_share = models.FloatField(
        "most failed frames",
        default=0.05,
        validators=SHARE,
        help_text="A version that fails more in its first minute is taken back.",
    )
    most_p95_ms = models.PositiveIntegerField(
        "longest p95 age, ms",
        null=True,
        blank=True,
        help_text="The same, if the p95 age of its results is longer than this.",
    )
    gates = models.JSONField(default=dict, blank=True)
    gate_dataset = models.ForeignKey(
        Dataset, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    sample_share = models.FloatField(
        "random sampling",
        default=0,
        validators=SHARE,
        help_text="The share of frames that is kept of those who allow it.",
    )
    sample_uncertain = models.BooleanField(
        "uncertain sampling",
        default=False,
        help_text="Keep what the model is least sure of, of those who allow it.",
    )
    retention_days = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1)],
        help_text="For how long captures that nobody has used are kept.",
    )

    class Meta:
        ordering = ["name"]
        permissions = [("activate_deployment", "Can choose which version answers")]

    def __str__(self) -> str:
        return self.name


class Activation(models.Model):
    """One change of a deployment's active version; written once, never deleted.

    Workers move it from `requested` to `loading`, `warming`, `checking`, and to
    `switched` when the version takes over, or to `rolled_back` with the reason when it
    could not, or did not do well in its first minute. As long as that minute lasts, a
    switched one has no `finished_at`. It is `superseded` if another version was chosen
    before. `failed` is what a worker writes that can't load a version which nobody has
    asked for just now. `figures` are those that were decided by: of the check, and of
    the first minute.
    """

    class State(models.TextChoices):
        REQUESTED = "requested"
        LOADING = "loading"
        WARMING = "warming"
        CHECKING = "checking"
        SWITCHED = "switched"
        ROLLED_BACK = "rolled_back", "Rolled back"
        SUPERSEDED = "superseded"
        FAILED = "failed"

    UNDER_WAY = frozenset(
        {State.REQUESTED, State.LOADING, State.WARMING, State.CHECKING}
    )

    deployment = models.ForeignKey(
        Deployment, on_delete=models.PROTECT, related_name="activations"
    )
    from_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, null=True, related_name="+"
    )
    to_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="+"
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    requested_at = models.DateTimeField(auto_now_add=True)
    # When its state last became another one.
    changed_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(
        max_length=20, choices=State.choices, default=State.REQUESTED
    )
    # What is being done for it, while it is under way.
    step = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    # Why the operator has asked for it.
    note = models.CharField(max_length=300, blank=True)
    figures = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-requested_at", "-id"]
        get_latest_by = ["requested_at", "id"]
        indexes = [models.Index(fields=["deployment", "requested_at"])]
        constraints = [
            models.UniqueConstraint(
                fields=["deployment"],
                condition=models.Q(
                    state__in=("requested", "loading", "warming", "checking")
                ),
                name="one_activation_under_way_of_deployment",
            )
        ]

    def __str__(self) -> str:
        return f"{self.deployment}: {self.to_version} ({self.get_state_display()})"

    @property
    def affair(self) -> str:
        """What workers call it among themselves."""
        return f"activation:{self.pk}"

    @property
    def is_under_way(self) -> bool:
        return self.state in self.UNDER_WAY

    @property
    def is_watched(self) -> bool:
        """Whether it is in the first minute in which its version answers."""
        return self.state == self.State.SWITCHED and self.finished_at is None


class Trial(models.Model):
    """A challenger beside the version that a deployment runs.

    As a shadow it answers a share of the frames once more, and nobody sees its answers;
    as a canary it answers a share of the sessions. `figures` are what was found out:
    agreement, latencies of both, failures. Written once, never deleted.
    """

    class Kind(models.TextChoices):
        SHADOW = "shadow"
        CANARY = "canary"

    class State(models.TextChoices):
        RUNNING = "running"
        STOPPED = "stopped"
        PROMOTED = "promoted"

    deployment = models.ForeignKey(
        Deployment, on_delete=models.PROTECT, related_name="trials"
    )
    version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="trials"
    )
    kind = models.CharField(max_length=20, choices=Kind.choices)
    share = models.FloatField(validators=SHARE)
    state = models.CharField(
        max_length=20, choices=State.choices, default=State.RUNNING
    )
    # Why it was stopped.
    reason = models.TextField(blank=True)
    figures = models.JSONField(default=dict, blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["deployment"],
                condition=models.Q(state="running"),
                name="one_running_trial_of_deployment",
            )
        ]

    def __str__(self) -> str:
        return f"{self.deployment}: {self.kind} {self.version}"

    @property
    def affair(self) -> str:
        """What workers call it among themselves."""
        return f"trial:{self.pk}"
