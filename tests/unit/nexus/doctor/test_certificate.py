"""The certificate of the TURN server, as browsers would see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from apps.nexus.doctor.certificate import examine_certificate, judge_certificate
from apps.nexus.doctor.findings import Finding, Outcome
from tests.integration.coturn import write_certificate
from tests.unit.nexus.doctor.sentences import expect

# `write_certificate` gives two days from now, for localhost and 127.0.0.1.
NOW = datetime.now(UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_certificate(tmp_path / "turn.pem")


def judge(path: Path, name: str = "localhost", now: datetime = NOW) -> Finding:
    return judge_certificate(
        x509.load_pem_x509_certificate(path.read_bytes()), name, now
    )


def test_none_is_told():
    found = examine_certificate("", "turn.example.org", is_here=True)
    expect(found, Outcome.NOT_CONFIGURED, "no TLS", "TURN_CERT_TLS")


def test_one_on_another_machine_is_not_looked_for():
    found = examine_certificate("/nowhere.pem", "turn.example.org", is_here=False)
    expect(found, Outcome.NOT_CONFIGURED, "TURN server's machine", "there")


@pytest.mark.parametrize("trouble", ["missing", "not PEM", "without a key"])
def test_one_that_can_t_be_used_is_told(path: Path, trouble: str):
    if trouble == "missing":
        path.unlink()
    elif trouble == "not PEM":
        path.write_text("mustard")
    else:
        path.write_text(path.read_text().partition("-----BEGIN PRI")[0])
    found = examine_certificate(str(path), "localhost", is_here=True)
    expect(found, Outcome.FAILED, f"TURN_CERT_TLS={path} can't be used", "PEM")


def test_one_that_is_read_from_its_file_is_judged(path: Path):
    found = examine_certificate(str(path), "localhost", is_here=True)
    expect(found, Outcome.WARNING, "expires on", "Renew")


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1"])
def test_one_for_the_name_is_well_until_it_runs_out(path: Path, name: str):
    before = NOW - timedelta(hours=1)
    assert judge(path, name, before).outcome == Outcome.WARNING


def test_one_that_lasts_is_well(tmp_path: Path):
    path = write_certificate(tmp_path / "turn.pem", days=90)
    expect(judge(path), Outcome.OK, "for localhost is valid until")


def test_one_that_has_expired_is_told(path: Path):
    found = judge(path, now=NOW + timedelta(days=3))
    expect(found, Outcome.FAILED, "expired on", "Renew")


def test_one_of_the_future_is_told(path: Path):
    found = judge(path, now=NOW - timedelta(days=3))
    expect(found, Outcome.FAILED, "not yet", "clock")


@pytest.mark.parametrize("name", ["turn.example.org", "127.0.0.2", "x.localhost"])
def test_one_for_another_name_is_told(path: Path, name: str):
    found = judge(path, name)
    expect(found, Outcome.FAILED, f"but browsers are sent to {name}", "TURN_HOST")


@pytest.mark.parametrize(
    ("name", "matches"),
    [
        ("turn.example.org", True),
        ("example.org", False),
        ("a.turn.example.org", False),
    ],
)
def test_a_wildcard_stands_for_one_label(tmp_path: Path, name: str, *, matches: bool):
    path = write_certificate(tmp_path / "turn.pem", names=["*.example.org"], days=90)
    assert (judge(path, name).outcome == Outcome.OK) == matches
