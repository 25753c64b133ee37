"""Where the pictures of captures lie, `CAPTURES_DIR/yyyy/mm`; knows no rows.

Only the user that the processes run as can read them.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)


class CaptureError(Exception):
    """A picture can't be kept, with a sentence for the person before the camera."""


DISK_FULL = "The picture could not be kept: the disk is full."
NOT_WRITTEN = "The picture could not be kept: it could not be written."
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


# The names that `write` gives: whatever else lies there isn't ours.
_OURS = re.compile(r"[0-9a-f]{32}\.png")


def path_of(file: str) -> Path:
    return Path(settings.CAPTURES_DIR) / file


def is_gone(file: str) -> bool:
    return not path_of(file).is_file()


def write(encoded: bytes, at: datetime) -> str:
    """Write a PNG; gives its name below CAPTURES_DIR.

    Raises:
        CaptureError: there is no room, or no right; nothing is left of it.
    """
    file = f"{at:%Y}/{at:%m}/{uuid.uuid4().hex}.png"
    path = path_of(file)
    try:
        for directory in reversed(path.parents[:3]):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "wb") as opened:
            opened.write(encoded)
            opened.flush()
            os.fsync(number)
    except OSError as error:
        remove(file)
        has_room = error.errno not in _NO_ROOM
        raise CaptureError(NOT_WRITTEN if has_room else DISK_FULL) from error
    return file


def remove(file: str) -> None:
    try:
        path_of(file).unlink(missing_ok=True)
    except OSError as error:
        logger.error("A picture could not be removed: %s", error)


def found() -> Iterator[Path]:
    """Every file that is there, with or without a row."""
    directory = Path(settings.CAPTURES_DIR)
    for path in directory.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]/*"):
        if _OURS.fullmatch(path.name):
            yield path
