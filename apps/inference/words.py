"""Numbers as people read them. Pure."""

from __future__ import annotations


def counted(count: int, what: str) -> str:
    """`1 picture`, `1,200 pictures`: `what` is one of them, and takes an s."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def percent(share: float) -> str:
    """`4%`, or `3.7%` where it isn't a whole one; of a share 0..1."""
    return f"{100 * share:.3g}%"
