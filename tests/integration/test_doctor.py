"""`manage.py doctor` beside the real Redis, coturn and workers of the product."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.processes import CHECKOUT
from bench.product import Product
from bench.records import deploy
from tests.integration.coturn import (
    LOOPBACK,
    turn_env,
    turnserver_is_there,
    write_certificate,
)

SECRET = "a-secret-that-both-must-know"


@pytest.fixture
def product(product: Product) -> Product:
    """Cameras are met on the loopback, in a range; nothing runs but Redis."""
    product.env |= {"NEXUS_ADDRESSES": LOOPBACK, "NEXUS_UDP_PORTS": "47100-47149"}
    return product


def examine(product: Product, **env: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The command's exit status, and its findings by name."""
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=CHECKOUT,
        env={**product.env, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    return done.returncode, {each["name"]: each for each in report}


def start_turn(product: Product, **env: str) -> None:
    """Have the TURN server run by the product, with settings that its doctor shares."""
    turnserver_is_there()
    port = product.env["TURN_PORT_TCP"]
    product.env |= turn_env(product.directory, TURN_SECRET=SECRET, **env)
    product.env["TURN_PORT_TCP"] = port
    product.start("turn")


def outcomes(findings: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: found["outcome"] for name, found in findings.items()}


def test_a_server_where_all_is_well(
    product: Product, scripted_model: Callable[..., Path]
) -> None:
    certificate = write_certificate(product.directory / "turn.pem", days=90)
    start_turn(product, TURN_CERT_TLS=str(certificate))
    product.env["SSL_CERT_FILE"] = str(certificate)
    product.inside(deploy, scripted_model(), "scripted", "starter-detector")
    product.start_all("worker", "jobs", "housekeeping")

    status, findings = examine(product)

    assert status == 0
    assert outcomes(findings) == {
        "Page address": "not_configured",
        "Addresses": "warning",
        "Public address": "not_configured",
        "UDP ports": "ok",
        "TURN certificate": "ok",
        "TURN over UDP": "ok",
        "TURN over TCP": "ok",
        "TURN over TLS": "ok",
        "Redis": "ok",
        "Database": "ok",
        "Worker": "ok",
        "Background": "ok",
        "Model": "ok",
    }
    assert "CPU" in findings["Worker"]["cause"]
    assert "starter-detector" in findings["Model"]["cause"]


def test_a_server_alone_says_what_is_missing(product: Product) -> None:
    status, findings = examine(product, REDIS_URL="redis://127.0.0.1:1/0")
    assert status == 1
    assert outcomes(findings) == {
        "Page address": "not_configured",
        "Addresses": "warning",
        "Public address": "not_configured",
        "UDP ports": "ok",
        "TURN server": "not_configured",
        "Redis": "failed",
        "Database": "ok",
        "Worker": "failed",
        "Background": "failed",
        "Model": "failed",
    }


def test_a_turn_server_with_another_secret(product: Product) -> None:
    start_turn(product)
    status, findings = examine(product, TURN_SECRET="a-secret-of-another-server")
    assert status == 1
    for name in ("TURN over UDP", "TURN over TCP"):
        assert "refuses our key" in findings[name]["cause"]


def test_a_turn_server_that_isn_t_told_of_the_node(product: Product) -> None:
    start_turn(product, TURN_PEERS="10.0.0.5")
    _, findings = examine(product)
    for name in ("TURN over UDP", "TURN over TCP"):
        assert f"not to {LOOPBACK}" in findings[name]["cause"]
        assert "TURN_PEERS" in findings[name]["cure"]


def test_a_turn_server_that_doesn_t_run(product: Product) -> None:
    product.env |= turn_env(product.directory)
    _, findings = examine(product)
    assert "doesn't answer over UDP" in findings["TURN over UDP"]["cause"]
    assert "Nothing listens" in findings["TURN over TCP"]["cause"]


def test_a_turn_server_that_only_its_own_network_finds(product: Product) -> None:
    start_turn(product)
    # Where nothing answers, though it is this machine.
    _, findings = examine(product, TURN_MOCK_IP="127.0.0.2")
    assert outcomes(findings)["TURN over TCP"] == "warning"
    assert "not at 127.0.0.2" in findings["TURN over TCP"]["cause"]


def test_a_certificate_that_has_expired(product: Product) -> None:
    certificate = write_certificate(product.directory / "turn.pem", days=-1)
    start_turn(product, TURN_CERT_TLS=str(certificate))
    _, findings = examine(product, SSL_CERT_FILE=str(certificate))
    for name in ("TURN certificate", "TURN over TLS"):
        assert findings[name]["outcome"] == "failed"
        assert "expired" in findings[name]["cause"]
        assert "Renew" in findings[name]["cure"]
    assert findings["TURN over TCP"]["outcome"] == "ok"


def test_a_certificate_that_nobody_vouches_for(product: Product) -> None:
    certificate = write_certificate(product.directory / "turn.pem", days=90)
    start_turn(product, TURN_CERT_TLS=str(certificate))
    _, findings = examine(product)
    assert findings["TURN certificate"]["outcome"] == "ok"
    assert "self-signed" in findings["TURN over TLS"]["cause"]
    assert "authority" in findings["TURN over TLS"]["cure"]


def test_a_port_that_is_taken(product: Product) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind((LOOPBACK, 0))
        port = taken.getsockname()[1]
        status, findings = examine(product, NEXUS_UDP_PORTS=f"{port}-{port}")
    assert status == 1
    assert findings["UDP ports"]["outcome"] == "failed"
    assert f"NEXUS_UDP_PORTS={port}-{port}" in findings["UDP ports"]["cause"]


def test_a_redis_that_evicts_and_wants_a_password(product: Product, redis: Any) -> None:
    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        _, findings = examine(product)
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
    assert "noeviction" in findings["Redis"]["cure"]


def typed(product: Product, **env: str) -> subprocess.CompletedProcess[str]:
    """The command as people type it."""
    return subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=CHECKOUT,
        env={**product.env, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_people_read_a_cause_and_its_cure(product: Product) -> None:
    done = typed(product)
    lines = done.stdout.splitlines()
    (at,) = (n for n, line in enumerate(lines) if line.startswith("FAILED      W"))
    assert "There is no worker" in lines[at]
    assert "celery -A emporium worker -Q gpu" in lines[at + 1]
    assert done.returncode == 1
    assert done.stderr == "CommandError: Something has failed, see above.\n"


def test_an_impossible_setting_is_told_in_one_sentence(product: Product) -> None:
    done = typed(product, TURN_IP="turn.example.org")
    assert done.returncode == 1
    assert done.stderr.startswith("TURN_IP must name single IP addresses")
    assert done.stderr.count("\n") == 1
