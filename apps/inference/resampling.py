"""Scales pictures with the filters that Pillow has, to the same pixels, without Pillow.

Networks were trained on pictures that Pillow had scaled, and see the difference. It
knows images as uint8 [H, W, 3], not what they are scaled for.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

NEAREST, LANCZOS, BILINEAR, BICUBIC, BOX, HAMMING = range(6)  # as Pillow counts them

# What torch has too; it is several times faster than what is below.
_TORCH_MODES = {LANCZOS: "lanczos", BILINEAR: "bilinear", BICUBIC: "bicubic"}


def _box(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return ((x > -0.5) & (x <= 0.5)).astype(np.float64)


def _hamming(x: NDArray[np.float64]) -> NDArray[np.float64]:
    window = np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x))
    return np.where(np.abs(x) < 1, window, 0.0)


# Each with the half width that it has when nothing shrinks.
_FILTERS: dict[
    int, tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], float]
] = {BOX: (_box, 0.5), HAMMING: (_hamming, 1.0)}


def scale(
    image: NDArray[np.uint8], size: tuple[int, int], resample: int
) -> NDArray[np.uint8]:
    """The whole image at `size` (width, height), distorted if that has another shape.

    Mostly to the very levels of Pillow, and else to the next: each of the two passes
    rounds, and Pillow sometimes takes the vertical one first.
    """
    height, width = image.shape[:2]
    if size == (width, height):
        return image
    if resample == NEAREST:
        rows, columns = _nearest(height, size[1]), _nearest(width, size[0])
        return image[rows[:, None], columns[None, :]]
    if resample in _TORCH_MODES:
        return _scale_in_torch(image, size, _TORCH_MODES[resample])
    across = _scale_rows(image.transpose(1, 0, 2), size[0], resample)
    return _scale_rows(across.transpose(1, 0, 2), size[1], resample)


def _scale_in_torch(
    image: NDArray[np.uint8], size: tuple[int, int], mode: str
) -> NDArray[np.uint8]:
    scaled = functional.interpolate(
        torch.from_numpy(image).permute(2, 0, 1)[None],
        size=(size[1], size[0]),
        mode=mode,
        antialias=True,
    )[0]
    return np.asarray(scaled.permute(1, 2, 0).numpy(), dtype=np.uint8)


def _nearest(length: int, wanted: int) -> NDArray[np.intp]:
    """Which old pixel each new one shows; summed up step by step, as Pillow does."""
    step = length / wanted
    centers = np.full(wanted, step)
    centers[0] = step / 2
    return np.cumsum(centers).astype(np.intp).clip(0, length - 1)


def _scale_rows(
    image: NDArray[np.uint8], wanted: int, resample: int
) -> NDArray[np.uint8]:
    """[H, W, 3] to [wanted, W, 3]: each new row is a mean of some old ones."""
    rows, weights = _taps(len(image), wanted, resample)
    mean = np.full((wanted, *image.shape[1:]), 0.5, dtype=np.float32)  # to round by
    for row, weight in zip(rows.T, weights.T, strict=True):
        mean += image[row] * weight[:, None, None]
    return mean.clip(0, 255).astype(np.uint8)


def _taps(
    length: int, wanted: int, resample: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """[wanted, taps]: which old rows are in each new one, and how much of each."""
    kernel, half = _FILTERS[resample]
    step = length / wanted
    shrinks = max(step, 1.0)
    centers = (np.arange(wanted)[:, None] + 0.5) * step
    first = np.floor(centers - half * shrinks + 0.5).clip(0)
    end = np.floor(centers + half * shrinks + 0.5).clip(0, length)
    rows = first + np.arange(math.ceil(2 * half * shrinks) + 1)
    weights = np.where(rows < end, kernel((rows - centers + 0.5) / shrinks), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    return rows.clip(0, length - 1).astype(np.intp), weights.astype(np.float32)
