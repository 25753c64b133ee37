"""What an archive says that it holds: pictures of an import before they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from apps.inference.datasets.annotations import Annotation
from apps.inference.models import Example

_SPLITS = {
    "train": Example.Split.TRAIN,
    "training": Example.Split.TRAIN,
    "val": Example.Split.HELD_OUT,
    "valid": Example.Split.HELD_OUT,
    "validation": Example.Split.HELD_OUT,
    "test": Example.Split.HELD_OUT,
    "held_out": Example.Split.HELD_OUT,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture: its file, what is said of it, and of what size it is said to be."""

    name: str
    annotations: list[Annotation]
    split: str | None = None
    said_size: tuple[int, int] | None = None


@dataclass(slots=True)
class Contents:
    """All entries, and a sentence for each thing that can't be right."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def split_named(path: PurePosixPath) -> str | None:
    """The split that a folder on the way, or the file's own name, stands for."""
    for part in (*path.parent.parts, path.stem.split(".")[0]):
        if part.casefold() in _SPLITS:
            return _SPLITS[part.casefold()]
    return None
