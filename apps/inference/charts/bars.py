"""Amounts by name, and amounts that are made of parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.inference.charts.drawing import (
    HEIGHT,
    LEFT,
    RIGHT,
    colour,
    cut,
    figure,
    height_of,
    nothing,
    short,
    text,
    top_of,
    vertical_axis,
)

ROW = 26
NAMES, VALUES = 190, 84
_LONGEST_NAME = 20
_MOST_LABELS = 6


def bar_chart(
    title: str,
    bars: Mapping[str, float],
    *,
    unit: str = "",
    up_to: Mapping[str, float] | None = None,
    most: float = 0.0,
) -> SafeString:
    """A bar a name, one below the other, with its value.

    Args:
        title: names what is drawn, with its unit.
        bars: none of them negative.
        unit: of the values, for the words.
        most: what a bar that fills its room stands for; the longest, if that is more.
        up_to: a thinner line from a bar's end: bars are the p50 then, and this the p95.
    """
    if not bars:
        return nothing(title)
    reach = {
        name: max(value, (up_to or {}).get(name, 0)) for name, value in bars.items()
    }
    scale = (RIGHT - NAMES - VALUES) / (max(most, *reach.values()) or 1)

    def told(name: str) -> str:
        if up_to is None or name not in up_to:
            return f"{short(bars[name])} {unit}".rstrip()
        pairs = zip(("p50", "p95"), (bars[name], up_to[name]), strict=True)
        return ", ".join(
            f"{what} {short(value)} {unit}".rstrip() for what, value in pairs
        )

    def marks() -> Iterator[SafeString]:
        for number, (name, value) in enumerate(bars.items()):
            y = number * ROW + 4
            end = NAMES + value * scale
            values = [value] if reach[name] == value else [value, reach[name]]
            yield text(NAMES - 8, y + 13, cut(name, _LONGEST_NAME), "end")
            yield format_html(
                '<g><title>{}: {}</title><rect class="colour-1" x="{}" y="{}" '
                'width="{}" height="{}"/><rect class="reach colour-1" x="{}" y="{}" '
                'width="{}" height="4"/></g>',
                name,
                told(name),
                NAMES,
                y,
                _width(value * scale),
                ROW - 8,
                round(end, 1),
                y + (ROW - 12) / 2,
                _width((reach[name] - value) * scale, 0),
            )
            label = " / ".join(short(each) for each in values)
            yield text(
                round(NAMES + reach[name] * scale + 6, 1), y + 13, label, "start"
            )

    return figure(
        title,
        marks(),
        said="; ".join(f"{name}: {told(name)}" for name in bars),
        height=len(bars) * ROW + 4,
    )


def stacked_bars(
    title: str,
    columns: Sequence[str],
    parts: Mapping[str, Sequence[float]],
    *,
    unit: str = "",
) -> SafeString:
    """A column for each name in `columns`, made of one piece of each part.

    Args:
        title: names what is drawn, with its unit.
        columns: what is written below them, as far as there is room.
        parts: by name, one value a column each, none of them negative.
        unit: of the values, for the words.
    """
    stacks = list(zip(*parts.values(), strict=True))
    if not any(map(sum, stacks)):
        return nothing(title)
    top = top_of(map(sum, stacks))
    wide = (RIGHT - LEFT) / len(columns)
    every = -(-len(columns) // _MOST_LABELS)

    def marks() -> Iterator[SafeString]:
        yield from vertical_axis(top)
        for number, (name, stack) in enumerate(zip(columns, stacks, strict=True)):
            x = LEFT + number * wide
            if number % every == 0:
                yield text(round(x + wide / 2, 1), HEIGHT - 12, name)
            below = 0.0
            for order, (part, value) in enumerate(zip(parts, stack, strict=True)):
                if value:
                    lower, upper = height_of(below, top), height_of(below + value, top)
                    yield format_html(
                        '<rect class="{}" x="{}" y="{}" width="{}" height="{}">'
                        "<title>{}, {}: {}</title></rect>",
                        colour(order),
                        round(x + wide * 0.08, 1),
                        upper,
                        _width(wide * 0.84),
                        round(lower - upper, 1),
                        name,
                        part,
                        f"{short(value)} {unit}".rstrip(),
                    )
                below += value

    return figure(
        title,
        marks(),
        said="; ".join(
            f"{part}: {short(sum(values))} {unit}".rstrip() + " in all"
            for part, values in parts.items()
        ),
        names=list(parts),
    )


def _width(width: float, least: float = 1) -> float:
    return round(max(width, least), 1)
