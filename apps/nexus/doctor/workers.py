"""Whether somebody answers: the workers, what they have loaded, and what they should.

Asks all workers once a report, through Celery's remote control; a worker answers
between two slices of its work.
"""

from __future__ import annotations

import asyncio
from typing import Any

from django.db import DatabaseError
from redis.exceptions import RedisError

from apps.inference import client, presence
from apps.inference.connections import async_redis
from apps.inference.exceptions import InferenceError
from apps.inference.models import (
    DEFAULT_DEPLOYMENT,
    Activation,
    Deployment,
    ModelVersion,
)
from apps.inference.queues import DEFAULT_QUEUE
from apps.nexus.doctor.findings import Finding, failed, in_thread, ok, warning
from apps.nexus.doctor.reach import listing

# A slice of a worker's work takes a second.
ANSWER_S = 3.0
BACKGROUND_QUEUES = ("jobs", "housekeeping")

# What each worker says it holds, by its name; see `worker.holdings`.
Holdings = dict[str, dict[str, Any]]

START_WORKER = (
    "Start one with `celery -A emporium worker -Q {queue}`, on any machine with the "
    "same REDIS_URL and DATABASE_URL."
)


class Workforce:
    """The workers as they answer for one report."""

    def __init__(self) -> None:
        self._asking: asyncio.Task[Holdings] | None = None

    async def examine_worker(self) -> Finding:
        queues = await in_thread(_queues)
        try:
            holdings, present = await asyncio.gather(self._ask(), _present(queues))
        except (InferenceError, RedisError):
            return _unasked()
        return judge_worker(holdings, queues, present)

    async def examine_background(self) -> Finding:
        try:
            return judge_background(await self._ask())
        except (InferenceError, RedisError):
            return _unasked()

    async def examine_model(self) -> Finding:
        try:
            version, reason, queue = await in_thread(_wanted)
        except Deployment.DoesNotExist:
            return failed(
                "Nothing is deployed, so pages are turned away.",
                "Run `python manage.py provision`, or choose a version in the admin "
                "under Deployments.",
            )
        except DatabaseError:
            return failed(
                "What is deployed can't be read from the database.",
                "Mend the database first.",
            )
        try:
            return judge_model(version, reason, await self._ask(), queue)
        except (InferenceError, RedisError):
            return _unasked()

    async def _ask(self) -> Holdings:
        if self._asking is None:
            self._asking = asyncio.create_task(_answers())
        return await asyncio.shield(self._asking)


async def _answers() -> Holdings:
    async with async_redis() as redis:
        # Celery would try for six seconds to reach one that isn't there.
        await redis.ping()
    return await in_thread(lambda: client.ask_workers(ANSWER_S))


def _queues() -> list[str]:
    """Those that deployments have; where nobody knows, the usual one."""
    try:
        queues = set(Deployment.objects.values_list("queue", flat=True))
    except DatabaseError:
        queues = set()
    return sorted(queues) or [DEFAULT_QUEUE]


async def _present(queues: list[str]) -> set[str]:
    """Those with a worker whose heart beats, even if it doesn't answer."""
    async with async_redis() as redis:
        return {queue for queue in queues if await presence.worker_alive(redis, queue)}


def _wanted() -> tuple[ModelVersion, str, str]:
    """What pages are to be answered by, why it could not be loaded, if so, and whose
    workers are to answer.
    """
    deployment = Deployment.objects.select_related("active_version__model").get(
        name=DEFAULT_DEPLOYMENT
    )
    last = deployment.activations.first()
    version = deployment.active_version
    has_failed = (
        last is not None
        and last.state == Activation.State.FAILED
        and last.to_version_id == version.pk
    )
    reason = last.reason if last is not None and has_failed else ""
    return version, reason, deployment.queue


def _unasked() -> Finding:
    return failed(
        "The workers can't be asked, for Redis doesn't answer.", "Mend Redis first."
    )


def judge_worker(holdings: Holdings, queues: list[str], present: set[str]) -> Finding:
    """`queues`: those of the deployments; `present`: those with a heart that beats."""
    silent = [
        queue
        for queue in queues
        if not any(_serves(said, queue) for said in holdings.values())
    ]
    if not silent:
        each = (
            f"{name} on {said['device']}"
            for name, said in holdings.items()
            if any(_serves(said, queue) for queue in queues)
        )
        return ok(f"Pictures are answered by {listing(each)}.")
    if gone := [queue for queue in silent if queue not in present]:
        return failed(
            f"There is no worker of the queue {listing(gone)}, so pictures for it get "
            "no answer.",
            START_WORKER.format(queue=gone[0]),
        )
    return warning(
        f"A worker says that it lives, but answers nothing in {ANSWER_S:g} s.",
        "Look into its log: it may be starting, or stuck in what it does.",
    )


def judge_background(holdings: Holdings) -> Finding:
    missing = [
        queue
        for queue in BACKGROUND_QUEUES
        if not any(_serves(said, queue) for said in holdings.values())
    ]
    if not missing:
        return ok("Models can be added, and what is abandoned is cleared away.")
    lacks = {
        "jobs": "no model can be added or verified",
        "housekeeping": "what is abandoned is never cleared away",
    }
    return warning(
        f"Nobody serves the queue {listing(missing)}, so "
        f"{listing(lacks[queue] for queue in missing)}.",
        f"Start the `{missing[0]}` process of the Procfile; one that is adding a model "
        "answers late.",
    )


def judge_model(
    version: ModelVersion, reason: str, holdings: Holdings, queue: str = DEFAULT_QUEUE
) -> Finding:
    """`reason`: why no worker of the queue could load the version, if none could."""
    if version.state != ModelVersion.State.VERIFIED:
        return failed(
            f"{version} is deployed, but isn't verified ({version.state}).",
            "Verify it, or choose another version in the admin under Deployments.",
        )
    loading = {
        name: said["serving"].get(DEFAULT_DEPLOYMENT, {})
        for name, said in holdings.items()
        if _serves(said, queue)
    }
    ready = {
        name: loaded["engine"]
        for name, loaded in loading.items()
        if loaded.get("version_id") == version.pk
    }
    if ready:
        each = (f"{name} with {engine}" for name, engine in ready.items())
        return ok(f"{version} is loaded by {listing(each)}.")
    if reason:
        return failed(
            f"{version} could not be loaded: {reason}",
            "Choose another version in the admin under Deployments.",
        )
    if not loading:
        return failed(
            f"No worker is there to load {version}.", START_WORKER.format(queue=queue)
        )
    return warning(
        f"{version} is deployed, but no worker has loaded it yet.",
        "Wait a minute; if it stays so, look into the workers' log.",
    )


def _serves(said: dict[str, Any], queue: str) -> bool:
    """A worker of another version of this software may not know the question."""
    return queue in said.get("queues", ())
