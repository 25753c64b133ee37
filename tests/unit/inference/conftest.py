from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded_on_one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty directory for a version."""
    directory = tmp_path / "version"
    directory.mkdir()
    return directory


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a checkpoint may be written."""
    return tmp_path / "some.pt"
