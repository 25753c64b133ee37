"""Figures over time, or over anything else that is a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.inference.charts.drawing import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    Label,
    colour,
    elapsed,
    figure,
    height_of,
    nothing,
    short,
    step,
    text,
    ticks,
    top_of,
    vertical_axis,
)

# (x, y), in the order of x; a y of None is a gap.
Point = tuple[float, float | None]


def line_chart(
    title: str,
    lines: Mapping[str, Sequence[Point]],
    *,
    unit: str = "",
    x_label: Label = elapsed,
) -> SafeString:
    """Lines from 0 up, which share both axes.

    Args:
        title: names what is drawn, with its unit.
        lines: by name. Their first coordinate is seconds, unless `x_label` says
            something else of it.
        unit: of the second coordinate, for the words.
        x_label: what is written below the horizontal axis.
    """
    known = [y for points in lines.values() for _, y in points if y is not None]
    if not known:
        return nothing(title)
    every_x = sorted({x for points in lines.values() for x, _ in points})
    low, high = every_x[0], every_x[-1]
    scale = _Scale(low, high, top_of(known))

    def marks() -> Iterator[SafeString]:
        yield from vertical_axis(scale.top)
        apart = step(high - low, 6, seconds=x_label is elapsed)
        for x in ticks(low, high, apart) if high > low else [low]:
            yield text(scale.x(x), HEIGHT - 12, x_label(x))
        for number, points in enumerate(lines.values()):
            yield from _line(points, scale, colour(number))
        yield from _columns(lines, every_x, scale, unit, x_label)

    return figure(
        title,
        marks(),
        said="; ".join(_said(name, lines[name], unit) for name in lines),
        names=list(lines) if len(lines) > 1 else (),
    )


class _Scale:
    def __init__(self, low: float, high: float, top: float) -> None:
        self.low, self.span, self.top = low, high - low, top

    def x(self, x: float) -> float:
        share = (x - self.low) / self.span if self.span else 0.5
        return round(LEFT + (RIGHT - LEFT) * share, 1)

    def y(self, y: float) -> float:
        return height_of(y, self.top)


def _line(points: Sequence[Point], scale: _Scale, paint: str) -> Iterator[SafeString]:
    """One stroke from gap to gap, and a dot where there is nothing to draw one to."""
    strokes: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is not None:
            strokes[-1].append((scale.x(x), scale.y(y)))
        elif strokes[-1]:
            strokes.append([])
    for stroke in strokes:
        if len(stroke) > 1:
            path = " ".join(f"{x},{y}" for x, y in stroke)
            yield format_html('<polyline class="{}" points="{}"/>', paint, path)
        elif stroke:
            yield format_html(
                '<circle class="{}" cx="{}" cy="{}" r="3"/>', paint, *stroke[0]
            )


def _columns(
    lines: Mapping[str, Sequence[Point]],
    every_x: Sequence[float],
    scale: _Scale,
    unit: str,
    x_label: Label,
) -> Iterator[SafeString]:
    """What is pointed at tells the figures of all lines there."""
    values = {name: dict(points) for name, points in lines.items()}
    at = [scale.x(x) for x in every_x]
    edges = [LEFT, *((a + b) / 2 for a, b in pairwise(at)), RIGHT]
    for number, x in enumerate(every_x):
        told = ", ".join(
            f"{name} {_amount(values[name][x], unit)}"
            for name in lines
            if values[name].get(x) is not None
        )
        yield format_html(
            '<rect class="pointed" x="{}" y="{}" width="{}" height="{}">'
            "<title>{}: {}</title></rect>",
            round(edges[number], 1),
            TOP,
            round(edges[number + 1] - edges[number], 1),
            BOTTOM - TOP,
            x_label(x),
            told or "nothing",
        )


def _amount(value: float | None, unit: str) -> str:
    return "nothing" if value is None else f"{short(value)} {unit}".rstrip()


def _said(name: str, points: Sequence[Point], unit: str) -> str:
    known = [y for _, y in points if y is not None]
    if not known:
        return f"{name}: nothing"
    return (
        f"{name}: from {_amount(min(known), unit)} to {_amount(max(known), unit)}, "
        f"at last {_amount(known[-1], unit)}"
    )
