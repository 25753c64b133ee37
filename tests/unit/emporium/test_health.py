from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings

from bench.processes import free_port


@pytest.fixture
def no_redis(settings: Settings) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"


@contextmanager
def no_database() -> Iterator[None]:
    def refuse(*arguments: Any) -> None:
        raise OperationalError("unable to open database file")

    with connection.execute_wrapper(refuse):
        yield


@pytest.mark.usefixtures("no_redis")
def test_a_process_without_its_neighbours_lives(client: Client):
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
@pytest.mark.usefixtures("no_redis")
def test_what_is_missing_is_named(client: Client):
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "missing": ["redis"]}

    with no_database():
        response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["missing"] == ["database", "redis"]
