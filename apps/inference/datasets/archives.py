"""The files of an import, whether they lie in a folder or in a ZIP file.

Nothing is unpacked: files are read one by one, by names that can't leave the archive,
and never more of one than it may be large.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from apps.inference.exceptions import DatasetError

MOST_FILES = 200_000
# What systems leave behind in archives.
_LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db")


class Archive(Protocol):
    @property
    def names(self) -> list[str]:
        """The files' paths in it, with slashes, sorted."""

    def read(self, name: str, most_bytes: int) -> bytes:
        """Raises: DatasetError, if it is larger or can't be read."""


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Raises: DatasetError, if there is neither a folder nor a ZIP file."""
    if path.is_dir():
        yield _Folder(path)
        return
    if not path.is_file():
        raise DatasetError(f"There is no folder and no file {path}.")
    try:
        with zipfile.ZipFile(path) as file:
            yield _Zip(file)
    except zipfile.BadZipFile as error:
        raise DatasetError(f"{path.name} is no ZIP file, or a damaged one.") from error


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self.names = _listed(
            path.relative_to(self._root).as_posix()
            for path in self._root.rglob("*")
            if path.is_file()
        )

    def read(self, name: str, most_bytes: int) -> bytes:
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root):
            raise DatasetError("It is a link that leads out of the folder.")
        if path.stat().st_size > most_bytes:
            raise _too_large(most_bytes)
        return path.read_bytes()


class _Zip:
    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self.names = _listed(
            info.filename for info in file.infolist() if not info.is_dir()
        )

    def read(self, name: str, most_bytes: int) -> bytes:
        """The size that a ZIP file says isn't believed."""
        try:
            with self._file.open(name) as file:
                content = file.read(most_bytes + 1)
        except (RuntimeError, NotImplementedError) as error:
            raise DatasetError(
                "It is encrypted, or packed in an unusual way."
            ) from error
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise DatasetError("It is damaged in the ZIP file.") from error
        if len(content) > most_bytes:
            raise _too_large(most_bytes)
        return content


def refuse_outside(name: str) -> None:
    """Raises: DatasetError, for a name that leads out of where it is."""
    path = PurePosixPath(name.replace("\\", "/"))
    parts = path.parts
    if not parts or path.is_absolute() or ".." in parts or ":" in parts[0]:
        raise DatasetError(f"The name “{name}” leads out of the archive.")


def _listed(names: Iterator[str]) -> list[str]:
    listed = []
    for name in names:
        refuse_outside(name)
        if not set(_LITTER) & set(PurePosixPath(name).parts):
            listed.append(name)
    if len(listed) > MOST_FILES:
        raise DatasetError(f"There are more than {MOST_FILES:,} files in it.")
    return sorted(listed)


def _too_large(most_bytes: int) -> DatasetError:
    return DatasetError(f"It is larger than {most_bytes >> 20} MB.")
