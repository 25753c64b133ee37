"""These tests need an NVIDIA GPU: `make gpu` runs them, and `make test` doesn't."""

from __future__ import annotations

import pytest
import torch


def pytest_collection_modifyitems() -> None:
    if not torch.cuda.is_available():
        pytest.exit("tests/gpu needs an NVIDIA GPU, and torch sees none here.", 1)
