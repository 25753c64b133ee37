"""Redis and the database: every sentence about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from apps.inference.models import RegisteredModel
from apps.nexus.doctor.findings import Outcome
from apps.nexus.doctor.neighbours import examine_database, examine_redis, judge_redis
from bench.processes import free_port
from tests.unit.nexus.doctor.sentences import expect

WELL = {
    "redis_version": "7.2.4",
    "maxmemory_policy": "noeviction",
    "used_memory": 3 * 2**20,
    "maxmemory": 512 * 2**20,
    "aof_enabled": 0,
    "save": "",
    "ping_ms": 0.42,
}


def test_a_redis_as_it_should_be():
    expect(
        judge_redis(WELL), Outcome.OK, "Redis 7.2.4 answers in 0.4 ms and holds 3 MB"
    )


@pytest.mark.parametrize(
    ("info", "outcome", "cause", "cure"),
    [
        ({"redis_version": "6.0.16"}, Outcome.FAILED, "version 6.0.16", "6.2"),
        ({"maxmemory_policy": "allkeys-lru"}, Outcome.FAILED, "lru", "noeviction"),
        ({"save": "3600 1"}, Outcome.WARNING, "its disk", 'save ""'),
        ({"aof_enabled": 1}, Outcome.WARNING, "its disk", "appendonly no"),
        ({"used_memory": 500 * 2**20}, Outcome.WARNING, "98%", "maxmemory"),
        ({"ping_ms": 12.0}, Outcome.WARNING, "12 ms", "nearer"),
    ],
)
def test_a_redis_that_isn_t(
    info: dict[str, Any], outcome: Outcome, cause: str, cure: str
):
    expect(judge_redis(WELL | info), outcome, cause, cure)


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("redis://redis.example.org:6379/0", Outcome.WARNING),
        ("redis://:password@redis.example.org:6379/0", Outcome.OK),
        ("redis://localhost:6379/0", Outcome.OK),
        ("redis://[::1]:6379/0", Outcome.OK),
    ],
)
def test_a_redis_for_everybody(settings: Settings, url: str, outcome: Outcome):
    settings.REDIS_URL = url
    found = judge_redis(WELL)
    assert found.outcome == outcome
    if outcome == Outcome.WARNING:
        expect(found, outcome, "no password", "requirepass")


def test_no_redis_is_told_without_its_password(settings: Settings):
    port = free_port()
    settings.REDIS_URL = f"redis://:not-to-be-seen@127.0.0.1:{port}/0"
    found = examine_redis()
    expect(found, Outcome.FAILED, f"127.0.0.1:{port} doesn't answer", "REDIS_URL")
    assert "not-to-be-seen" not in str(found)


@contextmanager
def refusing(*beginnings: str) -> Iterator[None]:
    """A database that takes no statement that begins so."""

    def refuse(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith(beginnings):
            raise OperationalError("attempt to write a readonly database\nLINE 1")
        return execute(sql, *arguments)

    with connection.execute_wrapper(refuse):
        yield


@pytest.mark.django_db
def test_a_database_as_it_should_be_keeps_nothing_of_the_examination():
    expect(examine_database(), Outcome.OK, "SQLite")
    assert not RegisteredModel.objects.exists()


@pytest.mark.django_db
def test_a_database_that_is_read_only_is_told():
    with refusing("INSERT"):
        found = examine_database()
    expect(found, Outcome.FAILED, "no writes: attempt to write a readonly d", "disk")
    assert "LINE" not in found.cause


@pytest.mark.django_db
def test_no_database_is_told():
    with refusing("SELECT"):
        found = examine_database()
    expect(found, Outcome.FAILED, "doesn't answer", "DATABASE_URL")


@pytest.mark.django_db
def test_an_old_database_is_told():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'emporium_sessions'")
    expect(examine_database(), Outcome.FAILED, "emporium_sessions", "migrate")
