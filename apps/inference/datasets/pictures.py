"""Pictures as datasets take them: of a known format, of a sane size, upright.

Knows bytes and pixels, no rows. Whoever may send a picture may send a trap, so its size
is read from its head before anything is decoded.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from apps.inference.exceptions import DatasetError

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}
MOST_BYTES = 64 * 2**20
MOST_PIXELS = 64_000_000
LEAST_SIDE = 8
# What Pillow raises of a file that is gone or can't be decoded.
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error)
_QUALITY = 95  # of those that had to be turned
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Picture:
    """An upright picture as its file has it."""

    encoded: bytes
    sha256: str
    suffix: str
    width: int
    height: int


def read(encoded: bytes) -> Picture:
    """Check a picture, and turn it upright where only a note says how it was held.

    Raises:
        DatasetError: it can't be taken, and why, as the end of a sentence about it.
    """
    if len(encoded) > MOST_BYTES:
        raise DatasetError(f"It is larger than {MOST_BYTES >> 20} MB.")
    try:
        with Image.open(BytesIO(encoded), formats=[*SUFFIXES]) as image:
            _refuse_size(*image.size)
            image.load()
            return _upright(encoded, image)
    except UnidentifiedImageError as error:
        raise DatasetError("It is no JPEG, PNG or WebP picture.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large() from error
    except DAMAGED as error:
        raise DatasetError("It is damaged: it can't be decoded to its end.") from error


def rgb(encoded: bytes | Path) -> NDArray[np.uint8]:
    """The pixels of a picture that `read` has taken: uint8 RGB [H, W, 3]."""
    source = encoded if isinstance(encoded, Path) else BytesIO(encoded)
    with Image.open(source, formats=[*SUFFIXES]) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


def thumbnail(path: Path, side: int) -> bytes:
    """A small JPEG of a kept picture, at most `side` wide and high."""
    with Image.open(path, formats=[*SUFFIXES]) as image:
        image.draft("RGB", (side, side))
        small = image.convert("RGB")
    small.thumbnail((side, side))
    return _encoded(small, "JPEG")


def _refuse_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise _too_large()
    if min(width, height) < LEAST_SIDE:
        raise DatasetError(f"It is only {width} x {height} pixels.")


def _too_large() -> DatasetError:
    return DatasetError(f"It has more than {MOST_PIXELS // 10**6} million pixels.")


def _upright(encoded: bytes, image: Image.Image) -> Picture:
    name = str(image.format)
    if image.getexif().get(_ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
        encoded = _encoded(image, name)
    sha256 = hashlib.sha256(encoded).hexdigest()
    return Picture(encoded, sha256, SUFFIXES[name], *image.size)


def _encoded(image: Image.Image, name: str) -> bytes:
    written = BytesIO()
    image.save(written, name, quality=_QUALITY)
    return written.getvalue()
