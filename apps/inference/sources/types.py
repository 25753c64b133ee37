"""What every kind of source takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# Called with the bytes that are here and how many there will be, where that is known.
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model's files, ready to be read."""

    path: Path  # a file or a folder
    origin: str  # kept with the version: exact, and free of passwords
    licence: str  # empty when unknown


class Source(Protocol):
    def fetch(
        self, downloads: Path, *, sha256: str | None, progress: Progress
    ) -> Fetched:
        """Bring the files here.

        Raises:
            SourceError
        """
