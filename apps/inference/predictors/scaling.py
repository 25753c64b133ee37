"""How large a picture becomes before a network sees it: the rules of transformers.

Knows sizes as (width, height) and the field `size` of a recipe, not pixels. Each rule
answers with the size that transformers would scale to, to the pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeGuard

from apps.inference.predictors.fields import Fields, is_whole
from apps.inference.predictors.processors import Processor

Size = tuple[int, int]

# Larger than any camera's picture: a slip of the pen must not eat the machine's memory.
LARGEST_SIDE = 2048
_EXPECTED = (
    f"edges in whole pixels up to {LARGEST_SIDE}, in words that its processor knows"
)


class Scaling(Protocol):
    def target(self, size: Size) -> Size: ...


@dataclass(frozen=True, slots=True)
class Stretch:
    """To one size, whatever shape the picture had."""

    size: Size

    def target(self, size: Size) -> Size:
        return self.size


@dataclass(frozen=True, slots=True)
class ShortestEdge:
    """The shorter side to `edge`, the other in proportion; both up to a multiple."""

    edge: int
    multiple: int = 1

    def target(self, size: Size) -> Size:
        shortest, longest = sorted(size)
        scaled = self.edge, int(self.edge * longest / shortest)
        short, long = (-(-side // self.multiple) * self.multiple for side in scaled)
        return (long, short) if size[0] >= size[1] else (short, long)


@dataclass(frozen=True, slots=True)
class ShortestEdgeUpTo:
    """The shorter side to `edge` unless the longer one would exceed `longest`.

    Both sides down to a multiple, which YOLOS asks for.
    """

    edge: int
    longest: int
    multiple: int = 1

    def target(self, size: Size) -> Size:
        width, height = size
        shortest, longest = sorted(size)
        exact: float = self.edge
        if longest / shortest * self.edge > self.longest:
            exact = self.longest * shortest / longest
        edge = round(exact)
        # A picture that fits stays, except that YOLOS looks at the width first.
        if edge == shortest and (self.multiple == 1 or width >= height):
            scaled = size
        elif width < height:
            scaled = edge, int(exact * height / width)
        else:
            scaled = int(exact * width / height), edge
        # However narrow it is, something of it is left.
        scaled_width, scaled_height = (
            max(side - side % self.multiple, self.multiple) for side in scaled
        )
        return scaled_width, scaled_height


@dataclass(frozen=True, slots=True)
class Inside:
    """As large as fits into `size` without distortion."""

    size: Size

    def target(self, size: Size) -> Size:
        scale = min(self.size[1] / size[1], self.size[0] / size[0])
        return max(int(size[0] * scale), 1), max(int(size[1] * scale), 1)


def read_scaling(fields: Fields, processor: Processor) -> tuple[Scaling, Size | None]:
    """How to scale, and the middle to cut out of it where the processor always does.

    Raises:
        ConfigError: the file says what its processor can't follow.
    """
    edges = _edges(fields, processor)
    edge = edges.get("shortest_edge", 0)
    if processor.rule == "convnext" and edge:
        if edge >= 384:
            return Stretch((edge, edge)), None
        return _before_crop(edge, fields), (edge, edge)
    if processor.rule == "poolformer" and (edge or len(set(edges.values())) == 1):
        return _before_crop(max(edges.values()), fields), None
    if processor.rule == "levit" and edge:
        return ShortestEdge(int(256 / 224 * edge)), None
    if processor.rule == "textnet" and edge:
        expected = f"a whole number from 1 to {LARGEST_SIDE}"
        return ShortestEdge(edge, fields.take("size_divisor", expected, is_side)), None
    if processor.rule in ("plain", "levit", "yolos"):
        scaling = _by_words(edges, multiple=16 if processor.rule == "yolos" else 1)
        if scaling is not None:
            return scaling, None
    raise fields.wrong("size", _EXPECTED)


def _edges(fields: Fields, processor: Processor) -> dict[str, int]:
    """The field `size` in the words of today's files.

    Older files say one number, which is a square or a shortest edge as the processor
    has it (and the longest edge elsewhere), or height and width in a list.
    """
    size = fields.take("size", _EXPECTED, bool)
    if is_whole(size) and processor.is_square:
        size = {"height": size, "width": size}
    elif is_whole(size):
        longest = {}
        if "max_size" in processor.defaults:
            longest["longest_edge"] = fields.take("max_size", _EXPECTED, is_side)
        size = {"shortest_edge": size, **longest}
    elif isinstance(size, list) and len(size) == 2:
        size = {"height": size[0], "width": size[1]}
    if not isinstance(size, dict):
        raise fields.wrong("size", _EXPECTED)
    # transformers writes the words that don't apply as null.
    edges = {word: edge for word, edge in size.items() if edge is not None}
    if not all(is_side(edge) for edge in edges.values()):
        raise fields.wrong("size", _EXPECTED)
    return edges


def _by_words(edges: dict[str, int], *, multiple: int) -> Scaling | None:
    match edges:
        case {"shortest_edge": edge, "longest_edge": longest}:
            return ShortestEdgeUpTo(edge, longest, multiple)
        case {"shortest_edge": edge}:
            return ShortestEdge(edge)
        case {"max_height": height, "max_width": width}:
            return Inside((width, height))
        case {"height": height, "width": width}:
            return Stretch((width, height))
    return None


def _before_crop(edge: int, fields: Fields) -> Scaling:
    """To more than the edge that is cut out of it."""
    whole = int(edge / fields.number("crop_pct", largest=1))
    if whole > LARGEST_SIDE:
        raise fields.wrong("crop_pct", f"so large that no edge exceeds {LARGEST_SIDE}")
    return ShortestEdge(whole)


def is_side(value: object) -> TypeGuard[int]:
    return is_whole(value) and value <= LARGEST_SIDE
