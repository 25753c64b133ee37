"""What tests against real neighbours share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest
from channels.layers import get_channel_layer
from django.db import connections
from redis import Redis

from apps.inference import client as inference_client
from apps.inference import presence, worker
from apps.inference.connections import sync_redis
from apps.inference.draining import Drain
from apps.inference.mailbox import WorkerMailbox
from apps.inference.models import Deployment
from apps.inference.presence import Heartbeat
from apps.inference.queues import DEFAULT_QUEUE
from apps.inference.serving.company import Company
from apps.inference.serving.following import Follower
from apps.inference.serving.host import ModelHost
from apps.inference.serving.watchdog import Watchdog
from apps.inference.tasks import drain
from apps.inference.trials.trying import Trials
from apps.nexus import records
from apps.nexus.admission import place
from apps.nexus.consumers import SessionConsumer
from bench.processes import wait_until
from tests.integration.camera import Camera
from tests.scripted_predictor import unrehearsed


def decoder_threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.endswith("-decoder")]


@pytest.fixture
def no_decoder_left() -> Iterator[None]:
    """A decoder's thread that is left over keeps its process from ever ending."""
    assert decoder_threads() == []
    yield
    wait_until(lambda: decoder_threads() == [], "every decoder to be gone")


@pytest.fixture
async def nexus(
    transactional_db: None, redis: Redis, deployment: Deployment
) -> AsyncIterator[None]:
    """What the application needs to be run in this process, and what it leaves open."""
    yield
    await inference_client.of_this_loop().close()
    await place.of_this_loop().slots.close()
    await get_channel_layer().flush()
    # The thread of the records has a connection of its own.
    await records.written(connections.close_all)


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[SessionConsumer]:
    """The server's side of the visits, as they begin."""
    begun = []

    async def connect(consumer: SessionConsumer) -> None:
        begun.append(consumer)
        await original(consumer)

    original = SessionConsumer.connect
    monkeypatch.setattr(SessionConsumer, "connect", connect)
    return begun


@pytest.fixture
async def camera() -> AsyncIterator[Camera]:
    camera = Camera()
    yield camera
    await camera.close()


class ThreadedWorker:
    """Does in a thread what a worker does in a process: answers doorbells."""

    def __init__(self, *queues: str) -> None:
        self.queues = queues
        self.redis = redis = sync_redis()
        company = Company(sync_redis(), presence.THIS_WORKER)
        self.host = ModelHost()
        mailbox = WorkerMailbox(redis, queues)
        trials = Trials(redis, unrehearsed, self.host, company, queues)
        self.runtime = worker.Runtime(
            mailbox=mailbox,
            drain=Drain(redis, mailbox, self.host, trials),
            follower=Follower(self.host, unrehearsed, company, queues),
            trials=trials,
            watchdog=Watchdog(self.host, company),
        )
        self.heartbeat = Heartbeat(
            sync_redis(), queues, busy_s=self.runtime.drain.busy_s
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="threaded-worker")

    def start(self) -> None:
        self.runtime.follower.start()
        self.runtime.trials.start()
        self.heartbeat.start()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.heartbeat.stop()
        self.runtime.drain.close()
        self.runtime.trials.stop()
        self.runtime.follower.stop()
        self.redis.delete(*(f"worker:alive:{queue}" for queue in self.queues))

    def _work(self) -> None:
        while not self._stopping.is_set():
            if rung := self.redis.brpop(list(self.queues), timeout=0.2):
                drain(cast("bytes", rung[0]).decode())


@pytest.fixture
def threaded_worker(
    nexus: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ThreadedWorker]:
    """A worker that a test may start."""
    threaded = ThreadedWorker(DEFAULT_QUEUE)
    monkeypatch.setattr(worker, "_runtime", threaded.runtime)
    yield threaded
    if threaded._thread.is_alive():
        threaded.stop()
    threaded.runtime.drain.close()


@pytest.fixture
async def answering(threaded_worker: ThreadedWorker) -> ThreadedWorker:
    """A worker that answers."""
    await asyncio.to_thread(threaded_worker.start)
    return threaded_worker
