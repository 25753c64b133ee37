from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from apps.inference.mailbox import Offered
from apps.inference.models import Deployment
from apps.inference.types import Frame
from apps.nexus import records
from apps.nexus.visit import Visit
from apps.sessions import services
from apps.sessions.models import CameraSession
from apps.sessions.services import Continued


@dataclass
class ScriptedClient:
    """Inference as its door shows it: one slot, emptied by `take` as by a worker."""

    slot: Frame | None = None
    offered: list[Frame] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    ages_ms: list[float] = field(default_factory=list)
    alive: bool = True
    asked: int = 0
    trouble: Exception | None = None
    before_offer: Callable[[], Any] | None = None

    async def offer(
        self, frame: Frame, *, deployment: str, reply_channel: str, age_ms: float
    ) -> Offered:
        if self.before_offer is not None:
            await self.before_offer()
        if self.trouble is not None:
            raise self.trouble
        replaced = self.slot is not None
        self.slot = frame
        self.offered.append(frame)
        self.ages_ms.append(age_ms)
        self.calls.append("offer")
        return Offered(replaced=replaced, ring=False)

    async def withdraw(self, session_id: str) -> None:
        self.calls.append("withdraw")
        self.slot = None

    async def worker_alive(self, deployment: str) -> bool:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        return self.alive

    def take(self) -> Frame:
        assert self.slot is not None
        taken, self.slot = self.slot, None
        return taken


REDIS_IS_AWAY = RedisConnectionError("Connection refused.")


@pytest.fixture
def client() -> ScriptedClient:
    return ScriptedClient()


@pytest.fixture
def session(transactional_db: None, deployment: Deployment) -> CameraSession:
    return services.open_session(deployment=deployment.name, user=None, client="test")


@pytest.fixture
def visit(session: CameraSession) -> Visit:
    return visit_of(session)


def visit_of(session: CameraSession) -> Visit:
    """A visit to a session, in whichever process."""
    return Visit(Continued(session), holder="a.channel")


def result(
    frame: Frame, version_id: int, *, label: str = "hot dog", is_hot_dog: bool = True
) -> dict[str, Any]:
    """What a worker publishes of a frame, see apps/inference/results.py."""
    return {
        "type": "inference.result",
        "seq": frame.seq,
        "frame": {"width": frame.width, "height": frame.height, "rotation": 0},
        "is_hot_dog": is_hot_dog,
        "detections": [{"label": label, "score": 0.9, "box": [0, 0, 1, 1]}],
        "classifications": [],
        "served_by": {
            "version_id": version_id,
            "name": "scripted",
            "version": "v1",
            "family": "scripted",
            "engine": "scripted",
            "worker": "here:1",
        },
        "timings": {
            "wait_ms": 1.0,
            "featurize_ms": 2.0,
            "forward_ms": 3.0,
            "decode_ms": 4.0,
            "held_ms": 10.0,
        },
    }


def dropped(frame: Frame, reason: str, sentence: str = "So it was.") -> dict[str, Any]:
    return {
        "type": "inference.dropped",
        "seq": frame.seq,
        "reason": reason,
        "sentence": sentence,
    }


async def records_written() -> None:
    """Wait until all that was given to `records` before is in the database."""
    await records.written(lambda: None)
