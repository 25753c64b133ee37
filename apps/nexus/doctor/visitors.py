"""What a visitor may know of the server: whether it could answer, and nothing of how.

Asks little, since anybody may have it asked.
"""

from __future__ import annotations

import asyncio

from django.db import DatabaseError
from redis.exceptions import RedisError

from apps.inference import presence
from apps.inference.connections import async_redis
from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment
from apps.inference.queues import DEFAULT_QUEUE
from apps.nexus.doctor.findings import Finding, examine_all, failed, in_thread, ok

TELL_THEM = (
    "Only the people who run this server can help: “manage.py doctor” tells them more."
)
WAIT_OR_TELL = f"Wait a minute for it to come up. {TELL_THEM}"
PATIENCE_S = 4.0


def examine_for_visitors() -> dict[str, Finding]:
    """Blocking, for a moment; on an event loop of its own."""
    examinations = {"Model": _examine_model, "Worker": _examine_worker}
    return asyncio.run(examine_all(examinations, PATIENCE_S))


async def _examine_model() -> Finding:
    try:
        name = await in_thread(_deployed)
    except Deployment.DoesNotExist:
        return failed("No model is served here yet.", TELL_THEM)
    except DatabaseError:
        return failed("The server’s database doesn’t answer.", WAIT_OR_TELL)
    return ok(f"{name} is to answer.")


def _deployed() -> str:
    deployment = Deployment.objects.select_related("active_version__model").get(
        name=DEFAULT_DEPLOYMENT
    )
    return str(deployment.active_version)


def _queue() -> str:
    try:
        return Deployment.objects.get(name=DEFAULT_DEPLOYMENT).queue
    except (Deployment.DoesNotExist, DatabaseError):
        return DEFAULT_QUEUE


async def _examine_worker() -> Finding:
    try:
        async with async_redis() as redis:
            is_there = await presence.worker_alive(redis, await in_thread(_queue))
    except (RedisError, OSError):
        return failed("The server’s Redis doesn’t answer.", WAIT_OR_TELL)
    if not is_there:
        return failed(
            "No worker is there, so pictures arrive but get no answer.", WAIT_OR_TELL
        )
    return ok("A worker is there to answer.")
