"""Files that operators upload: kept where the jobs find them, until they are read.

Nothing else is ever removed here, whatever a version says it comes from.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from apps.inference import sources
from apps.inference.sources.disk import unwritten


def store(upload: UploadedFile[bytes]) -> str:
    """Keep it in a folder of its own, which no name leaves; returns it as a source.

    Raises:
        SourceDiskError: nothing is left of it then.
    """
    path = _shelf() / secrets.token_hex(8) / Path(str(upload.name)).name
    source = f"file:{path}"
    try:
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            for chunk in upload.chunks():
                file.write(chunk)
    except OSError as error:
        remove(source)
        raise unwritten(path.name, _shelf(), error) from error
    return source


def remove(source: str) -> None:
    """Remove what a source of a version names, if it is an upload."""
    path = _path(source)
    if _is_upload(path) and path.parent.exists():
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def is_gone(source: str) -> bool:
    """Whether it was an upload, which has been read and removed."""
    path = _path(source)
    return _is_upload(path) and not path.exists()


def shown(source: str) -> str:
    """A source as anybody may read it: of an upload the name that it came with."""
    path = _path(source)
    return f"{path.name}, uploaded" if _is_upload(path) else sources.origin(source)


def _is_upload(path: Path) -> bool:
    return path.parent.parent == _shelf().resolve()


def _path(source: str) -> Path:
    return Path(source.removeprefix("file:")).resolve()


def _shelf() -> Path:
    return Path(settings.MODELS_DIR) / "uploads"
