"""The record of who has seen, reviewed, exported or removed kept pictures."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from apps.sessions.models import Capture, CaptureAccess

# None is the housekeeping, a command, or the person before the camera.
Who = AbstractBaseUser | AnonymousUser | None
Act = CaptureAccess.Act


def log(captures: Iterable[Capture], act: Act, user: Who) -> None:
    CaptureAccess.objects.bulk_create(
        CaptureAccess(
            capture_id=capture.pk,
            session_id=capture.session_id,
            user_id=user.pk if user else None,
            act=act,
        )
        for capture in captures
    )
