"""Frames as pictures for people: upright, encoded, without torch. Blocking.

Web processes import it with the first picture that somebody allows, since few need it.
"""

from __future__ import annotations

import base64

import cv2

from apps.inference.i420 import Image, i420_to_rgb, upright
from apps.inference.types import Frame, Still

# Large enough to see what it shows, small enough for a message.
PREVIEW_SIDE = 320
_PREVIEW_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 80)


def still_of(frame: Frame) -> Still:
    image = _upright_bgr(frame)
    height, width = image.shape[:2]
    _, encoded = cv2.imencode(".png", image)
    return Still(encoded.tobytes(), width, height)


def preview_of(frame: Frame) -> str:
    """The address of a small JPEG that is its own content."""
    image = _upright_bgr(frame)
    scale = min(1.0, PREVIEW_SIDE / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", small, _PREVIEW_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


def _upright_bgr(frame: Frame) -> Image:
    # OpenCV's encoders want the colours the other way round.
    return upright(i420_to_rgb(frame), frame.rotation)[:, :, ::-1].copy()
