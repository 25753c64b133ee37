"""A network as an engine is given it: not built yet, for that may not be needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Network:
    """What is known of a network before it is built.

    Args:
        build: makes the module anew, which takes one tensor, a batch, and answers with
            one tensor. It takes seconds and memory, and its errors are the caller's.
        example: a batch of one, on the CPU; batches keep its type and its shape but
            for their number.
        is_resizable: whether pictures [B, H, W, 3] come in other sizes too.
        identity: the digest of all files that the module is built from. What has been
            compiled is kept under it; without one it isn't.
    """

    build: Callable[[], nn.Module]
    example: Tensor
    is_resizable: bool = False
    identity: str | None = None

    def module(self) -> nn.Module:
        """Ready to answer and never to learn again."""
        return self.build().eval().requires_grad_(requires_grad=False)
