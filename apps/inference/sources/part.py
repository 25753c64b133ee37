"""A download's files on the disk. Must not know where the bytes come from.

NAME            the whole file, there only when complete and checked
NAME.part       what has come so far
NAME.validator  which file that is the beginning of, in the server's words
NAME.lock       locked by the process that writes; goes with the last of the others, so
                whoever has waited for it looks whether it is still there
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from apps.inference.sources.content import refuse_checksum
from apps.inference.sources.disk import refuse_too_large, unwritten
from apps.inference.sources.types import Progress


class Part:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f"{path.name}.part")
        self._validator = path.with_name(f"{path.name}.validator")
        self._lock = path.with_name(f"{path.name}.lock")

    @property
    def size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    @property
    def validator(self) -> str:
        """What `begin` was given; empty if there is nothing that could go on."""
        known = self.size and self._validator.exists()
        return self._validator.read_text() if known else ""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait until no other process writes these files, and keep others waiting.

        Raises:
            SourceDiskError
        """
        with self._locked():
            try:
                yield
            finally:
                self._leave()

    def _locked(self) -> BinaryIO:
        while True:
            with self._told():
                try:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    lock = self._lock.open("wb")
                except FileNotFoundError:  # whoever was here before has left just now
                    continue
                except FileExistsError:
                    if self.path.parent.exists():
                        raise
                    continue  # the same, in between two looks at it
            fcntl.flock(lock, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock.fileno()), self._lock.stat()):
                    return lock
            lock.close()

    def _leave(self) -> None:
        """Without a trace where nothing is kept."""
        with suppress(OSError):
            if [*self.path.parent.iterdir()] == [self._lock]:
                self._lock.unlink()
                self.path.parent.rmdir()

    def begin(self, validator: str) -> None:
        """Start over.

        Raises:
            SourceDiskError
        """
        # In this order a part never lies beside the validator of another file.
        with self._told():
            self.discard()
            self._validator.write_text(validator)

    def append(
        self, chunks: Iterable[bytes], total: int | None, progress: Progress
    ) -> str:
        """Write what comes after what is there.

        Returns:
            The SHA-256 checksum of it all.

        Raises:
            SourceDiskError: nothing is left of the part then. What `chunks` and
                `progress` raise leaves the part as it is.
        """
        size = self.size
        if total is not None:
            refuse_too_large(self.path.name, total - size, self.path.parent)
        # Unbuffered, so that what was counted is on the disk if this ends early.
        with self._told():
            file = self._part.open("a+b", buffering=0)
        with file:
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256")
            for chunk in chunks:
                with self._told():
                    rest = memoryview(chunk)
                    while rest:
                        rest = rest[file.write(rest) :]
                digest.update(chunk)
                size += len(chunk)
                progress(size, total)
            with self._told():
                os.fsync(file.fileno())
        return digest.hexdigest()

    def finish(self, actual: str, expected: str | None) -> None:
        """Let the whole file appear, if it is the right one.

        Raises:
            SourceChecksumError: nothing is left of the part then.
        """
        try:
            if expected is not None:
                refuse_checksum(expected, actual, self.path.name)
            with self._told():
                self._part.replace(self.path)
        finally:
            self.discard()

    def discard(self) -> None:
        self._part.unlink(missing_ok=True)
        self._validator.unlink(missing_ok=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what the disk refuses, and leave no part that it can't hold."""
        try:
            yield
        except OSError as error:
            with suppress(OSError):
                self.discard()
            raise unwritten(self.path.name, self.path.parent, error) from error
