"""What every kind of source takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# Called with the bytes that are here and how many there will be, where that is known.
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model's files, ready to be read as long as they are held."""

    path: Path  # a file or a folder
    origin: str  # kept with the version: exact, and free of passwords
    licence: str  # empty when unknown
    is_passing: bool = False  # here to be read once, so to be removed


class Source(Protocol):
    @property
    def origin(self) -> str:
        """As much of the source as anybody may see: no password, no token."""

    def fetch(
        self, downloads: Path, *, sha256: str | None, progress: Progress
    ) -> AbstractContextManager[Fetched]:
        """Bring the files here, and hold them until the exit of the `with`.

        Raises:
            SourceError
        """
