"""From upright pictures to a network's input, and its boxes back to the frame.

The only place that knows letterboxes and crops. It must not know any network. Images
are uint8 RGB [H, W, 3]; a size is (width, height).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from apps.inference.i420 import Image
from apps.inference.resampling import BICUBIC, scale
from apps.inference.types import Frame

PADDING = 114  # the grey that YOLOv5 networks were trained with


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a picture lies in a padded input: `fitted` large, `left` and `top` in."""

    frame: tuple[int, int]
    fitted: tuple[int, int]
    left: int
    top: int

    def to_frame(self, boxes: Tensor) -> Tensor:
        """Boxes [N, 4] `xyxy` in input pixels to frame pixels, clipped to the frame."""
        width, height = self.frame
        fitted_width, fitted_height = self.fitted
        offset = boxes.new_tensor((self.left, self.top) * 2)
        scale = boxes.new_tensor((width / fitted_width, height / fitted_height) * 2)
        limit = boxes.new_tensor((width, height) * 2)
        return ((boxes - offset) * scale).clamp(torch.zeros_like(limit), limit)


def letterbox(image: Image, size: tuple[int, int]) -> tuple[Image, Letterbox]:
    """Scale an image into `size` without distortion and pad what is left over.

    Source: the geometry of YOLOv5's letterbox with a fixed size, which also enlarges.
    """
    height, width = image.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    fitted = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = (size[0] - fitted[0]) // 2, (size[1] - fitted[1]) // 2

    padded = blank(size)
    padded[top : top + fitted[1], left : left + fitted[0]] = cv2.resize(
        image, fitted, interpolation=cv2.INTER_LINEAR
    )
    return padded, Letterbox((width, height), fitted, left, top)


def resize_center_crop(
    image: Image, side: int, *, crop_fraction: float, resample: int = BICUBIC
) -> Image:
    """Scale the shortest edge to `side / crop_fraction`, cut the middle square out.

    Source: the ConvNext recipe, with Pillow's antialiased filters.
    """
    height, width = image.shape[:2]
    shortest = int(side / crop_fraction)
    longest = int(shortest * max(width, height) / min(width, height))
    size = (longest, shortest) if height <= width else (shortest, longest)
    return center_crop(scale(image, size, resample), (side, side))


def center_crop(image: Image, size: tuple[int, int]) -> Image:
    """The middle of the image, on black where it is smaller than `size`."""
    (height, width), (wanted_width, wanted_height) = image.shape[:2], size
    top, left = (height - wanted_height) // 2, (width - wanted_width) // 2
    if top >= 0 and left >= 0:
        return image[top : top + wanted_height, left : left + wanted_width]
    # transformers rounds the middle of what is missing up, and so do we.
    black = np.zeros(
        (max(height, wanted_height), max(width, wanted_width), 3), np.uint8
    )
    above, before = (
        math.ceil((length - inner) / 2)
        for length, inner in zip(black.shape, (height, width), strict=False)
    )
    black[above : above + height, before : before + width] = image
    top, left = top + above, left + before
    return black[top : top + wanted_height, left : left + wanted_width]


class Featurize(nn.Module):
    """Pictures, uint8 [B, H, W, 3], to features [B, 3, H, W] in 0..1, or normalised.

    Made a part of the network, it lets an engine take bytes, a quarter of the memory,
    and compile the arithmetic into the first convolution's input. Features are as
    precise as `mean` is: half where the network has been made so. Their memory stays in
    channels-last order, which is what convolutions like best.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        self.is_normalised = (*mean, *std) != (0.0, 0.0, 0.0, 1.0, 1.0, 1.0)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        features = pictures.permute(0, 3, 1, 2).to(self.mean.dtype) / 255
        return (features - self.mean) / self.std if self.is_normalised else features


def featurize(
    images: Sequence[Image],
    *,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Images of one size to float32 features, for a network without a `Featurize`."""
    return Featurize(mean, std)(stack(images))  # type: ignore[no-any-return]


def blank(size: tuple[int, int]) -> Image:
    return np.full((size[1], size[0], 3), PADDING, dtype=np.uint8)


def grey_frame(width: int, height: int) -> Frame:
    """What an engine may be shown before the first camera is there."""
    return Frame("grey", 0, width, height, b"\x80" * (width * height * 3 // 2))


def stack(images: Sequence[Image]) -> Tensor:
    """Images of one size to one batch, uint8 [B, H, W, 3]."""
    return torch.from_numpy(np.stack(images))
