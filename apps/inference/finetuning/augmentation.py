"""Makes one picture many: mirrored, nearer and farther, in another light.

A function of the picture and the random numbers alone, so that a finetune that goes on
sees what it would have seen.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from apps.inference.i420 import Image
from apps.inference.preprocessing import PADDING

# Of some examples nothing is changed but the side: they are what a camera will send.
_PLAIN_SHARE = 0.3
_ZOOM = (0.7, 1.4)
_SHIFT = 0.1  # of the picture's sides
_HUE, _SATURATION, _VALUE = 6, 0.35, 0.3
# What is left of a box that is cut by the picture's edge, to be a thing still.
_LEAST_LEFT = 0.4

Boxes = NDArray[np.float32]


def vary(
    image: Image, boxes: Boxes, random: np.random.Generator
) -> tuple[Image, Boxes, NDArray[np.bool_]]:
    """Another view of what is on the picture, of the same size.

    Args:
        image: uint8 RGB [H, W, 3].
        boxes: [N, 4] `xyxy` in its pixels.
        random: decides what is done.

    Returns:
        The view, the boxes in it, and which of them are still to be seen.
    """
    if random.random() < 0.5:
        image, boxes = _mirrored(image, boxes)
    if random.random() >= _PLAIN_SHARE:
        image, boxes = _moved(image, boxes, random)
        image = relit(image, random)
    height, width = image.shape[:2]
    whole = _areas(boxes)
    inside = boxes.clip(0, np.array((width, height) * 2, np.float32))
    return image, inside, _areas(inside) >= _LEAST_LEFT * np.maximum(whole, 1e-6)


def relit(image: Image, random: np.random.Generator) -> Image:
    """In another light: hue, saturation and brightness a little off."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + random.uniform(-_HUE, _HUE)) % 180
    hsv[..., 1] *= random.uniform(1 - _SATURATION, 1 + _SATURATION)
    hsv[..., 2] *= random.uniform(1 - _VALUE, 1 + _VALUE)
    changed = cv2.cvtColor(hsv.clip(0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB)
    return np.asarray(changed, np.uint8)


def _mirrored(image: Image, boxes: Boxes) -> tuple[Image, Boxes]:
    width = image.shape[1]
    turned = boxes[:, [2, 1, 0, 3]].copy()
    turned[:, [0, 2]] = width - turned[:, [0, 2]]
    return np.ascontiguousarray(image[:, ::-1]), turned


def _moved(
    image: Image, boxes: Boxes, random: np.random.Generator
) -> tuple[Image, Boxes]:
    """Zoomed about the middle and shifted, on the grey that pads every picture."""
    height, width = image.shape[:2]
    zoom = float(np.exp(random.uniform(*np.log(_ZOOM))))
    middle = np.array((width, height), np.float32) / 2
    shift = random.uniform(-_SHIFT, _SHIFT, 2) * (width, height)
    offset = (middle * (1 - zoom) + shift).astype(np.float32)
    moved = cv2.warpAffine(
        image,
        np.array([[zoom, 0, offset[0]], [0, zoom, offset[1]]], np.float32),
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderValue=(PADDING,) * 3,
    )
    return np.asarray(moved, np.uint8), boxes * zoom + np.tile(offset, 2)


def _areas(boxes: Boxes) -> NDArray[np.float32]:
    return np.asarray(
        (boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(axis=1), np.float32
    )
