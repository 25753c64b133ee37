"""What all tests share. Unit tests need nothing that runs; others say what they use."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from redis import Redis

from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment, ModelVersion
from apps.inference.registering.registry import register_version
from bench.processes import Process, listens
from bench.product import Product


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The Redis of the test settings, for as long as the tests run."""
    port = urlsplit(settings.REDIS_URL).port
    assert port is not None
    with Process(
        [sys.executable, "-m", "emporium.redis_server"],
        {**os.environ, "REDIS_PORT": str(port), "REDIS_URL": ""},
        tmp_path_factory.mktemp("redis") / "redis.log",
    ) as process:
        process.wait_for(lambda: listens(port), "it listened")
        yield settings.REDIS_URL


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What engines keep is kept for the tests alone, and for what they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def redis(redis_server: str) -> Iterator[Redis]:
    """A client of an empty Redis."""
    with Redis.from_url(redis_server) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the migrations, once: what each product begins with a copy of."""
    directory = tmp_path_factory.mktemp("database")
    with Product(directory, settings="tests.settings") as product:
        return product.database


@pytest.fixture
def product(
    tmp_path: Path, redis: Redis, redis_server: str, empty_database: Path
) -> Iterator[Product]:
    """An empty database and an empty Redis to start the product's processes on."""
    with Product(
        tmp_path,
        settings="tests.settings",
        redis_url=redis_server,
        database=empty_database,
    ) as product:
        yield product
        # What a test that fails is shown.
        for name, process in product.processes.items():
            print(f"{name} said:\n{process.output()}")  # noqa: T201


@pytest.fixture
def scripted_model(tmp_path: Path) -> Callable[..., Path]:
    """Write a version of `tests.scripted_predictor`, as its config says."""

    def write(**config: object) -> Path:
        directory = tmp_path / f"scripted-{len(list(tmp_path.glob('scripted-*')))}"
        directory.mkdir()
        (directory / "config.json").write_text(json.dumps(config))
        # Its bytes are only what the checksum is taken of.
        (directory / "model.safetensors").write_bytes(directory.name.encode())
        return directory

    return write


@pytest.fixture
def scripted_version(
    db: None, scripted_model: Callable[..., Path]
) -> Callable[..., ModelVersion]:
    """Register a version of `tests.scripted_predictor`, as its config says."""

    def register(**config: object) -> ModelVersion:
        return register_version(
            name="scripted", family="scripted", directory=scripted_model(**config)
        )

    return register


@pytest.fixture
def deployment(scripted_version: Callable[..., ModelVersion]) -> Deployment:
    """The deployment that pages ask for, answered by a scripted model."""
    return Deployment.objects.create(
        name=DEFAULT_DEPLOYMENT, active_version=scripted_version()
    )
