"""A network as an engine is given it: not built yet, for that may not be needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from torch import Tensor, nn

from apps.inference.exceptions import NotKeptError

_may_build = ContextVar("may_build", default=True)


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
        """Ready to answer and never to learn again.

        Raises:
            NotKeptError: nothing may be built now.
        """
        refuse_to_build()
        return self.build().eval().requires_grad_(requires_grad=False)


@contextmanager
def nothing_built() -> Iterator[None]:
    """Within, a network of which an engine keeps nothing is refused, not built."""
    token = _may_build.set(False)
    try:
        yield
    finally:
        _may_build.reset(token)


def refuse_to_build() -> None:
    """Raises NotKeptError where nothing may be built."""
    if not _may_build.get():
        raise NotKeptError("The network must be built, and nothing may be built now.")
