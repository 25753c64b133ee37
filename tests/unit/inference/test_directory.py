"""Which queue a frame goes to, and that none waits for the database to say so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest
from django.db import OperationalError

from apps.inference.directory import READ_INTERVAL_S, Directory
from apps.inference.models import Deployment
from tests.waiting import ticks


class Rows:
    """What the database holds; counts who reads it, and may keep them waiting."""

    def __init__(self) -> None:
        self.queues = {"default": "gpu", "large": "gpu-large"}
        self.readings = 0
        self.trouble: Exception | None = None
        self.free = asyncio.Event()
        self.free.set()

    async def read(self) -> dict[str, str]:
        self.readings += 1
        await self.free.wait()
        if self.trouble is not None:
            raise self.trouble
        return dict(self.queues)


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
async def directory(rows: Rows) -> AsyncIterator[Directory]:
    directory = Directory(rows.read)
    yield directory
    rows.free.set()
    await directory.close()


@pytest.fixture
def second_by_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock comes so late that what was read is old."""
    seconds = count(step=READ_INTERVAL_S)
    monkeypatch.setattr(
        Directory, "_now", staticmethod(lambda: next(seconds)), raising=True
    )


async def test_each_deployment_has_its_queue_and_one_that_is_unknown_the_usual(
    directory: Directory,
):
    assert await directory.queue_of("large") == "gpu-large"
    assert await directory.queue_of("default") == "gpu"
    assert await directory.queue_of("nobody's") == "gpu"


async def test_a_crowd_reads_once(directory: Directory, rows: Rows):
    names = ["large", "default", "nobody's"] * 30
    queues = await asyncio.gather(*map(directory.queue_of, names))
    assert queues == ["gpu-large", "gpu", "gpu"] * 30
    for name in names:
        await directory.queue_of(name)
    assert rows.readings == 1


async def test_another_queue_is_heard_of_and_nobody_waits_for_it(
    directory: Directory, rows: Rows, second_by_second: None
):
    await directory.queue_of("large")
    rows.queues["large"] = "gpu"
    rows.free.clear()

    assert await directory.queue_of("large") == "gpu-large"
    await ticks()
    assert rows.readings == 2
    assert await directory.queue_of("large") == "gpu-large"
    assert rows.readings == 2
    rows.free.set()
    await directory.close()

    assert await directory.queue_of("large") == "gpu"


async def test_while_the_database_is_away_the_last_known_holds(
    directory: Directory, rows: Rows, second_by_second: None, caplog
):
    await directory.queue_of("large")
    rows.trouble = OperationalError("the disk is gone")
    await directory.queue_of("large")
    await directory.close()

    assert await directory.queue_of("large") == "gpu-large"
    assert "the disk is gone" in caplog.text


async def test_the_rows_are_the_deployments(
    transactional_db: None, deployment: Deployment
):
    deployment.queue = "gpu-large"
    await deployment.asave()
    assert await Directory().queue_of(deployment.name) == "gpu-large"
