"""What tests against real neighbours share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.processes import wait_until


def decoder_threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.endswith("-decoder")]


@pytest.fixture
def no_decoder_left() -> Iterator[None]:
    """A decoder's thread that is left over keeps its process from ever ending."""
    assert decoder_threads() == []
    yield
    wait_until(lambda: decoder_threads() == [], "every decoder to be gone")
