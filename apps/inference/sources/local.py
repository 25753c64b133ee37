"""A model's files on this machine's disk, read where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apps.inference.exceptions import (
    SourceContentError,
    SourceMissingError,
    SourceRefusedError,
    SourceTextError,
)
from apps.inference.sources.content import (
    WEIGHTS_SUFFIXES,
    refuse_other,
    refuse_page,
    weights_in,
)
from apps.inference.sources.types import Fetched, Progress


@dataclass(frozen=True, slots=True)
class LocalSource:
    path: Path  # absolute, so that it means the same in every process

    @classmethod
    def parse(cls, text: str) -> LocalSource:
        try:
            return cls(Path(text).expanduser().absolute())
        except RuntimeError as error:
            raise SourceTextError(f"{text} names nobody's folder.") from error

    def __str__(self) -> str:
        return f"file:{self.path}"

    @property
    def origin(self) -> str:
        return str(self)

    @contextmanager
    def fetch(
        self, downloads: Path, *, sha256: str | None, progress: Progress
    ) -> Iterator[Fetched]:
        try:
            weights = self._weights()
            for path in weights:
                self._refuse_odd(path)
            size = sum(path.stat().st_size for path in weights)
            refuse_other(sha256, weights)
        except OSError as error:
            raise SourceRefusedError(
                f"{self.path} can't be read: {error.strerror}."
            ) from error
        progress(size, size)
        yield Fetched(path=self.path, origin=self.origin, licence="")

    def _weights(self) -> list[Path]:
        if not self.path.exists():
            raise SourceMissingError(f"There is no file or folder {self.path}.")
        if not self.path.is_dir():
            return [self.path]
        weights = weights_in(self.path, *WEIGHTS_SUFFIXES)
        if not weights:
            raise SourceContentError(
                f"The folder {self.path} holds no weights: no file ends in"
                f" {', '.join(WEIGHTS_SUFFIXES)}."
            )
        return weights

    def _refuse_odd(self, path: Path) -> None:
        if not path.is_file():
            raise SourceContentError(
                f"{path.name} is no file, so it can't hold a model."
            )
        with path.open("rb") as file:
            beginning = file.read(200)
        if not beginning:
            raise SourceContentError(f"{path.name} is empty.")
        refuse_page(beginning, path.name)
