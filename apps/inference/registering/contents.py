"""What a version's files say of it, for people: which labels, which size of pictures.

Reads JSON alone, and no more of it than it shows: whether the files are right, their
predictors judge. A web process reads it too, whose machine may lack the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.inference import weights
from apps.inference.exceptions import WeightsError
from apps.inference.models import ModelVersion

UNKNOWN = "unknown here"
SHIPPED = "when it was made: it ships with the Emporium"
_FIRST = 6


@dataclass(frozen=True, slots=True)
class Contents:
    labels: str
    input_size: str


def contents(version: ModelVersion) -> Contents:
    config, recipe = (
        _read(version, weights.CONFIG_NAME),
        _read(version, weights.RECIPE_NAME),
    )
    return Contents(_labels(config), _size(config.get("input_size"), recipe))


def _read(version: ModelVersion, name: str) -> dict[str, Any]:
    try:
        return weights.read_config(version.path, name)
    except (WeightsError, OSError):
        return {}


def labels_of(version: ModelVersion) -> list[str]:
    """All that a version can name, in its order; none where its files can't be read."""
    return _names(_read(version, weights.CONFIG_NAME))


def _names(config: dict[str, Any]) -> list[str]:
    named = config.get("labels") or config.get("id2label") or ()
    return [*map(str, named.values() if isinstance(named, dict) else named)]


def _labels(config: dict[str, Any]) -> str:
    """How many there are, and the first few."""
    names = _names(config)
    if not names:
        return UNKNOWN
    rest = ", …" if len(names) > _FIRST else ""
    return f"{len(names)}: {', '.join(names[:_FIRST])}{rest}"


def _size(said: Any, recipe: dict[str, Any]) -> str:
    if isinstance(said, list) and len(said) == 2:
        return f"{said[0]} x {said[1]} pixels"
    size = recipe.get("crop_size") if recipe.get("do_center_crop") else None
    match size or recipe.get("size"):
        case int(side):
            return f"{side} x {side} pixels"
        case {"width": width, "height": height}:
            return f"{width} x {height} pixels"
        case {"shortest_edge": int(side), "longest_edge": int(longest)}:
            return f"{side} pixels the short side, at most {longest} the long one"
        case {"shortest_edge": int(side)}:
            return f"{side} pixels the short side"
    return UNKNOWN
