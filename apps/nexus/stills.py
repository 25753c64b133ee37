"""Frames as pictures for people: upright and encoded. Blocking, some milliseconds.

With what a web process has at hand anyway: it imports nothing that runs models.
"""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
from av import VideoFrame
from PIL import Image

from apps.inference.types import Frame
from apps.sessions.captures import Still

# Large enough to see what it shows, small enough for a message.
PREVIEW_SIDE = 320
PREVIEW_QUALITY = 80
# Pillow counts against the clock, a frame's rotation with it.
_TURNS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


def still_of(frame: Frame) -> Still:
    """As PNG, so that its pixels stay those that the model was given."""
    image = _upright(frame)
    written = BytesIO()
    image.save(written, "PNG", compress_level=3)
    return Still(written.getvalue(), *image.size)


def preview_of(frame: Frame) -> str:
    """The address of a small JPEG that is its own content."""
    image = _upright(frame)
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    written = BytesIO()
    image.save(written, "JPEG", quality=PREVIEW_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"


def _upright(frame: Frame) -> Image.Image:
    planes = np.frombuffer(frame.pixels, np.uint8).reshape(-1, frame.width)
    decoded = VideoFrame.from_ndarray(planes, format="yuv420p")
    image = Image.fromarray(decoded.to_ndarray(format="rgb24"))
    turn = _TURNS.get(frame.rotation)
    return image if turn is None else image.transpose(turn)
