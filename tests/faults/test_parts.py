"""Every part of the product may die, freeze, or be short of room, and come back."""

from __future__ import annotations

import asyncio

import pytest

from bench import faults
from bench.clip import EncodedClip
from bench.faults import Fault
from bench.product import Product

# `make soak` has them last for longer.
LASTS_S = 2.0


@pytest.mark.parametrize("fault", faults.faults(), ids=lambda fault: fault.name)
async def test_results_come_back_by_themselves_and_nothing_is_left(
    city: Product, clip: EncodedClip, fault: Fault
) -> None:
    recovery = await faults.suffer(city, clip, fault, LASTS_S)

    assert recovery.is_same_session is (fault.name != "web killed")
    assert recovery.left_over == {}
    assert await asyncio.to_thread(city.inside, housekeeping_a_minute_later) == 0


def housekeeping_a_minute_later() -> int:
    """How many sessions are open after what the housekeeping does again and again."""
    from datetime import timedelta

    from django.conf import settings

    from apps.sessions import services
    from apps.sessions.models import CameraSession

    for session in CameraSession.objects.filter(ended_at=None):
        session.last_seen_at -= timedelta(seconds=settings.RESUME_GRACE_S)
        session.save()
    services.close_abandoned_sessions()
    return CameraSession.objects.filter(ended_at=None).count()
