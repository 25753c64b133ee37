"""Colours as RGB in 0..255: mixing them, and varying them by chance."""

from __future__ import annotations

from random import Random
from typing import TypeAlias

Colour: TypeAlias = tuple[float, float, float]


def mix(first: Colour, second: Colour, share: float) -> Colour:
    r, g, b = (x + (y - x) * share for x, y in zip(first, second, strict=True))
    return r, g, b


def vary(rng: Random, colour: Colour, spread: float = 10, gain: float = 0.12) -> Colour:
    """A neighbour of `colour`: brightness ± `gain`, each channel ± `spread`."""
    factor = 1 + rng.uniform(-gain, gain)
    r, g, b = (
        min(255.0, max(0.0, channel * factor + rng.uniform(-spread, spread)))
        for channel in colour
    )
    return r, g, b


def ramp(dark: Colour, middle: Colour, bright: Colour, share: float) -> Colour:
    """A way of two halves, for a `share` from 0 to 1."""
    if share < 0.5:
        return mix(dark, middle, share * 2)
    return mix(middle, bright, share * 2 - 1)
