"""From a frame's bytes to an upright picture, without torch.

What models see of a frame's I420 and rotation. Images are uint8 RGB [H, W, 3].
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from apps.inference.types import Frame

Image = NDArray[np.uint8]

# A frame is too little work to share: OpenCV's threads cost more than they bring, and
# where others want the cores, ten times more.
cv2.setNumThreads(1)

_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


def i420_to_rgb(frame: Frame) -> Image:
    """The frame as encoded, not yet upright; BT.601 limited range, as WebRTC sends it.

    Raises:
        ValueError: the pixels aren't those of a frame of that width and height.
    """
    width, height = frame.width, frame.height
    planes = np.frombuffer(frame.pixels, dtype=np.uint8)
    is_even = width % 2 == 0 and height % 2 == 0
    if not is_even or not planes.size or planes.size != width * height * 3 // 2:
        raise ValueError(f"{planes.size} bytes are no I420 frame of {width} x {height}")
    stacked = planes.reshape(height * 3 // 2, width)
    return _image(cv2.cvtColor(stacked, cv2.COLOR_YUV2RGB_I420))


def upright(image: Image, rotation: int) -> Image:
    """Turn clockwise by 0, 90, 180 or 270 degrees."""
    if rotation == 0:
        return image
    if rotation not in _TURNS:
        raise ValueError(f"a frame can't be turned by {rotation} degrees")
    return _image(cv2.rotate(image, _TURNS[rotation]))


def _image(pixels: NDArray[np.generic]) -> Image:
    return np.asarray(pixels, dtype=np.uint8)
