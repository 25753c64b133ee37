from __future__ import annotations

import re
from pathlib import Path

import pytest

from emporium.prepare import write_env
from emporium.redis_server import CHECKOUT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    example = (CHECKOUT / ".env.example").read_text()
    (tmp_path / ".env.example").write_text(example)
    return tmp_path


def secret_key(checkout: Path) -> str:
    match = re.search(r"^SECRET_KEY=(.*)$", (checkout / ".env").read_text(), re.M)
    assert match
    return match.group(1)


def test_a_fresh_checkout_gets_the_example_with_a_key_of_its_own(
    checkout: Path,
) -> None:
    write_env(checkout)
    key = secret_key(checkout)
    assert len(key) >= 50
    # Three programs read this file, each with its own rules of quoting.
    assert re.fullmatch(r"[\w-]+", key)
    expected = (checkout / ".env.example").read_text()
    assert (checkout / ".env").read_text().replace(key, "", 1) == expected


def test_only_the_owner_reads_the_key(checkout: Path) -> None:
    write_env(checkout)
    assert (checkout / ".env").stat().st_mode & 0o777 == 0o600


def test_no_two_checkouts_share_a_key(checkout: Path) -> None:
    write_env(checkout)
    first = secret_key(checkout)
    (checkout / ".env").unlink()
    write_env(checkout)
    assert secret_key(checkout) != first


def test_what_the_operator_wrote_stays(checkout: Path) -> None:
    (checkout / ".env").write_text("SECRET_KEY=mine\nPORT=8123\n")
    write_env(checkout)
    assert (checkout / ".env").read_text() == "SECRET_KEY=mine\nPORT=8123\n"


def test_an_empty_key_is_filled_in_where_it_stands(checkout: Path) -> None:
    (checkout / ".env").write_text("PORT=8123\nSECRET_KEY= \n\nDEBUG=true\n")
    write_env(checkout)
    key = secret_key(checkout)
    text = (checkout / ".env").read_text()
    assert text == f"PORT=8123\nSECRET_KEY={key}\n\nDEBUG=true\n"
    assert key.strip()


def test_a_file_without_a_key_gets_one_and_becomes_private(checkout: Path) -> None:
    (checkout / ".env").write_text("PORT=8123")
    (checkout / ".env").chmod(0o644)
    write_env(checkout)
    key = secret_key(checkout)
    assert (checkout / ".env").read_text() == f"PORT=8123\nSECRET_KEY={key}\n"
    assert (checkout / ".env").stat().st_mode & 0o777 == 0o600
