"""Keeping pictures: who has allowed it, what is kept, and what is taken back.

Nothing is written without the consent that stands in the session's row at that moment.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Coalesce, Now
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from apps.inference import datasets
from apps.inference.hotdog import VERDICT_SCORE
from apps.inference.models import Example
from apps.sessions import capture_files
from apps.sessions.access import Act, log
from apps.sessions.capture_files import CaptureError
from apps.sessions.models import CameraSession, Capture

# What one visit can give; what all can, CAPTURES_MOST says. So none fills the disk.
MOST_OF_SESSION = 200
# Of those, the most that nobody pointed at.
MOST_SAMPLED = 60

# What is kept of an answer.
PREDICTED = ("is_hot_dog", "detections", "classifications")

NOT_ALLOWED = "No picture was kept: this visit doesn't allow it."
NOT_SAMPLED = "No picture was kept: none like it is wanted any more."
ENOUGH = "This visit has given as many pictures as anybody will look at. Thank you."
TOO_MANY = "No picture was kept: too many wait until somebody looks at them."


class NotAllowedError(CaptureError):
    """Its person has not allowed it, or not any more."""


class NotSampledError(CaptureError):
    """Nobody pointed at it, and its deployment has stopped choosing such pictures."""


@dataclass(frozen=True, slots=True)
class Still:
    """An upright frame as PNG."""

    encoded: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms the pictures of a session may be kept."""

    is_allowed: bool
    retention_days: int
    # Of a deployment that samples: the share of all frames, and whether uncertain ones.
    sample_share: float
    sample_uncertain: bool
    # What an answer must score to be a hot dog.
    verdict_score: float = VERDICT_SCORE

    @classmethod
    def of(cls, session: CameraSession) -> Terms:
        deployment = session.deployment
        own = deployment.hot_dog_score
        days = deployment.retention_days
        return cls(
            is_allowed=session.consented_at is not None,
            # Who has allowed it was told so many, and no more.
            retention_days=min(days, session.told_days or days),
            sample_share=deployment.sample_share,
            sample_uncertain=deployment.sample_uncertain,
            verdict_score=VERDICT_SCORE if own is None else own,
        )

    @property
    def samples(self) -> bool:
        return self.sample_share > 0 or self.sample_uncertain

    def ask_for(self, reason: Capture.Reason) -> bool:
        match reason:
            case Capture.Reason.RANDOM:
                return self.sample_share > 0
            case Capture.Reason.UNCERTAIN:
                return self.sample_uncertain
            case _:
                return True


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why a picture is kept: which version answered what, and who says otherwise."""

    reason: Capture.Reason
    version_id: int
    predicted: dict[str, Any]
    said: dict[str, Any] = field(default_factory=dict)
    trial_id: int | None = None

    @classmethod
    def of(
        cls,
        reason: Capture.Reason,
        message: dict[str, Any],
        *,
        said: dict[str, Any] | None = None,
        trial_id: int | None = None,
    ) -> Occasion:
        """Of what an `inference.result` tells."""
        return cls(
            reason,
            version_id=message["served_by"]["version_id"],
            predicted={name: message[name] for name in PREDICTED},
            said=said or {},
            trial_id=trial_id,
        )


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """How many pictures are gone, and how many had been used before."""

    removed: int
    used: int


def allow(session_id: uuid.UUID, *, days: int) -> None:
    """Write down that a session's person allows its pictures to be kept for so long."""
    CameraSession.objects.filter(pk=session_id).update(
        consented_at=Coalesce("consented_at", Now()), told_days=days
    )


def end_consent(session_id: uuid.UUID) -> None:
    CameraSession.objects.filter(pk=session_id).update(
        consented_at=None, told_days=None
    )


@transaction.atomic
def withdraw(session_id: uuid.UUID) -> Withdrawn:
    """Keep nothing more, and remove what nobody has used."""
    end_consent(session_id)
    given = Capture.objects.filter(session_id=session_id)
    removed = remove(unused(given))
    log(removed, Act.PURGED, None)
    return Withdrawn(len(removed), used=given.count())


def unused(captures: QuerySet[Capture]) -> QuerySet[Capture]:
    """Those that nobody learns from: the others are in a dataset, be it as a copy."""
    copies = Example.objects.filter(sha256=OuterRef("sha256"))
    return captures.filter(~Exists(copies), example=None)


def remove(captures: QuerySet[Capture]) -> list[Capture]:
    """Remove captures, which nobody reviews meanwhile, in the caller's transaction."""
    chosen = list(captures.select_for_update(of=("self",)))
    Capture.objects.filter(pk__in=[each.pk for each in chosen]).delete()
    return chosen


def terms_of(session_id: uuid.UUID) -> Terms:
    """As they are now: operators change what is sampled while people are live."""
    session = CameraSession.objects.select_related("deployment").get(pk=session_id)
    return Terms.of(session)


def keep_capture(session_id: uuid.UUID, still: Still, occasion: Occasion) -> Capture:
    """Keep one upright picture of a session. Blocking: a file and a row.

    Raises:
        CaptureError: it is not allowed, or there is no room; nothing is left of it.
    """
    _refuse_unless_allowed(_allowing(session_id), occasion.reason)
    taken_at = timezone.now()
    file = capture_files.write(still.encoded, taken_at)
    try:
        with transaction.atomic():
            terms = _refuse_unless_allowed(
                _allowing(session_id).select_for_update(of=("self",)), occasion.reason
            )
            return Capture.objects.create(
                session_id=session_id,
                model_version_id=occasion.version_id,
                trial_id=occasion.trial_id,
                reason=occasion.reason,
                file=file,
                width=still.width,
                height=still.height,
                predicted=occasion.predicted,
                said=occasion.said,
                taken_at=taken_at,
                expires_at=taken_at + timedelta(days=terms.retention_days),
            )
    except BaseException:
        capture_files.remove(file)
        raise


def _allowing(session_id: uuid.UUID) -> QuerySet[CameraSession]:
    return CameraSession.objects.filter(pk=session_id, consented_at__isnull=False)


def _refuse_unless_allowed(
    allowing: QuerySet[CameraSession], reason: Capture.Reason
) -> Terms:
    session = allowing.select_related("deployment").first()
    if session is None:
        raise NotAllowedError(NOT_ALLOWED)
    terms = Terms.of(session)
    if not terms.ask_for(reason):
        raise NotSampledError(NOT_SAMPLED)
    given = session.captures.all()
    if given.count() >= MOST_OF_SESSION:
        raise CaptureError(ENOUGH)
    chosen = given.exclude(reason=Capture.Reason.WRONG)
    if reason != Capture.Reason.WRONG and chosen.count() >= MOST_SAMPLED:
        raise CaptureError(ENOUGH)
    if unused(Capture.objects.all()).count() >= settings.CAPTURES_MOST:
        raise CaptureError(TOO_MANY)
    return terms


@receiver(post_delete, sender=Capture)
def _remove_picture(instance: Capture, **_: Any) -> None:
    """Wherever it lies; also of captures that go with their session."""
    transaction.on_commit(partial(capture_files.remove, instance.file))
    if instance.sha256:
        datasets.remove_picture(instance.sha256)
