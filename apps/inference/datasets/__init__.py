"""Labelled pictures: kept by name, imported, exported, and read for whoever learns.

Knows rows and files; neither networks nor torch, since web processes are here too.
"""

from __future__ import annotations

from apps.inference.datasets.keeping import (
    add_picture,
    create,
    examples,
    remove_example,
    remove_picture,
    split_of,
)

__all__ = [
    "add_picture",
    "create",
    "examples",
    "remove_example",
    "remove_picture",
    "split_of",
]
