"""Whether Redis and the database are there, and as the Emporium needs them."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from apps.inference.connections import sync_redis
from apps.inference.models import RegisteredModel
from apps.nexus.doctor.findings import Finding, failed, ok, warning

# GETDEL takes a frame out of the mailbox.
OLDEST_REDIS = (6, 2)
# A frame waits for several round trips.
SLOW_MS = 5.0
FULL = 0.8


def examine_redis() -> Finding:
    try:
        with sync_redis() as redis:
            info: dict[str, Any] = redis.info()
            info["ping_ms"] = min(_ping_ms(redis) for _ in range(5))
            info["save"] = _save(redis)
    except AuthenticationError:
        return failed(
            f"Redis at {_redis_place()} refuses our password.",
            "Put the right one into REDIS_URL, as redis://:password@host:6379/0.",
        )
    except (RedisError, OSError) as error:
        return failed(
            f"Redis at {_redis_place()} doesn't answer: {_first_line(error)}.",
            "Start the `redis` process of the Procfile, or let REDIS_URL name one that "
            "runs and a firewall lets through.",
        )
    return judge_redis(info)


def judge_redis(info: dict[str, Any]) -> Finding:
    """`info` is what INFO says, with `ping_ms`, the quickest of some, and `save`."""
    version = str(info["redis_version"])
    used, most = int(info["used_memory"]), int(info.get("maxmemory", 0))
    if tuple(map(int, version.split(".")[:2])) < OLDEST_REDIS:
        return failed(
            f"Redis is version {version}, which lacks commands that frames need.",
            "Update it to 6.2 or newer.",
        )
    if info["maxmemory_policy"] != "noeviction":
        return failed(
            f"Redis evicts what it likes when it is full ({info['maxmemory_policy']}), "
            "so frames and doorbells get lost without a word.",
            "Set its maxmemory-policy to noeviction.",
        )
    if info.get("aof_enabled") or info["save"]:
        return warning(
            "Redis writes to its disk, and so the pictures that wait in it.",
            'Configure it with `appendonly no` and `save ""`: nothing in it is worth '
            "keeping.",
        )
    if most and used > FULL * most:
        return warning(
            f"Redis is full to {used / most:.0%}, and refuses frames at 100%.",
            "Raise its maxmemory, or see what else is kept in it.",
        )
    if info["ping_ms"] > SLOW_MS:
        return warning(
            f"Redis takes {info['ping_ms']:.0f} ms for a round trip, and every frame "
            "waits for several.",
            "Move it nearer to the web nodes and workers.",
        )
    if not urlsplit(settings.REDIS_URL).password and not _redis_is_local():
        return warning(
            "Redis asks for no password, so whoever reaches it can see what cameras "
            "show.",
            "Give it one (`requirepass`), put it into REDIS_URL, and keep its network "
            "private.",
        )
    return ok(
        f"Redis {version} answers in {info['ping_ms']:.1f} ms and holds "
        f"{used / 2**20:.0f} MB."
    )


def _ping_ms(redis: Any) -> float:
    began = time.perf_counter()
    redis.ping()
    return (time.perf_counter() - began) * 1000


def _save(redis: Any) -> str:
    try:
        return str(redis.config_get("save").get("save", ""))
    except ResponseError:
        # Who rents a Redis may not be let near its configuration.
        return ""


def _redis_place() -> str:
    parts = urlsplit(settings.REDIS_URL)
    return f"{parts.hostname}:{parts.port or 6379}"


def _redis_is_local() -> bool:
    host = urlsplit(settings.REDIS_URL).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def examine_database() -> Finding:
    kind = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}[connection.vendor]
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return failed(
            f"The database ({kind}) doesn't answer: {_first_line(error)}.",
            "Start it, and check DATABASE_URL.",
        )
    if missing:
        return failed(
            f"The database lacks {len(missing)} migrations, the first of them "
            f"{missing[0][0]}.",
            "Run `python manage.py migrate`.",
        )
    try:
        with transaction.atomic():
            RegisteredModel.objects.create(name=f"doctor-{uuid4().hex}")
            transaction.set_rollback(True)
    except DatabaseError as error:
        return failed(
            f"The database ({kind}) takes no writes: {_first_line(error)}.",
            "See that its disk isn't full and that this user may write there.",
        )
    return ok(f"The database ({kind}) answers, takes writes and is migrated.")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
