"""What every engine is: a loaded network that answers batches."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from apps.inference.engines.bare import BareLoop


class Engine(Protocol):
    """Called by one thread at a time; what it holds goes when it is let go."""

    name: str
    precision: str  # of the forward pass: float32, bfloat16 or float16
    device: torch.device  # where its answers lie

    @property
    def bare(self) -> BareLoop | None:
        """What it is held against on a GPU, in half precision."""

    def __call__(self, batch: Tensor) -> Tensor:
        """Answer a batch [B, ...] that lies on the CPU, once the answer is there.

        The next call leaves the answer alone, so that it may be read meanwhile; the
        one after that may overwrite it.
        """


def make_room(kept: dict[torch.Size, Any], most: int) -> None:
    """Let the oldest of what is kept by shape go, so that one more may come."""
    while len(kept) >= most:
        del kept[next(iter(kept))]
