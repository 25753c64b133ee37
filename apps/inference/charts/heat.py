"""Counts by two names, as of a confusion matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.inference.charts.drawing import RIGHT, cut, figure, nothing, short, text

LEFT, TOP = 130, 42
LOWEST_ROW = 16
_LONGEST_NAME = 14
# More than these would hide each other.
_MOST_NUMBERS, _MOST_NAMES = 12, 30
_DARKEST = 0.6


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[float]],
    *,
    about: tuple[str, str] = ("", ""),
) -> SafeString:
    """Cells by rows, each as dark as its share of its row.

    Args:
        title: names what is drawn.
        rows: from above.
        columns: from the left.
        cells: `cells[row][column]`, none of them negative.
        about: what the rows and the columns are: ("what it is", "what it is called").
    """
    if not rows or not columns:
        return nothing(title)
    wide = (RIGHT - LEFT) / len(columns)
    high = max(LOWEST_ROW, min(wide, 34.0)) if len(rows) <= _MOST_NAMES else wide
    names = max(3, int(wide / 7))

    def marks() -> Iterator[SafeString]:
        yield text(LEFT - 8, 34, about[0], "end")
        yield text((LEFT + RIGHT) / 2, 12, about[1])
        for number, name in enumerate(columns):
            if len(columns) <= _MOST_NUMBERS:
                x = round(LEFT + (number + 0.5) * wide, 1)
                yield text(x, 34, cut(name, names))
        for number, (name, row) in enumerate(zip(rows, cells, strict=True)):
            y = round(TOP + number * high, 1)
            if len(rows) <= _MOST_NAMES:
                yield text(LEFT - 8, y + high / 2 + 4, cut(name, _LONGEST_NAME), "end")
            yield from _row(name, columns, row, y, (wide, high))

    diagonal = sum(row[number] for number, row in enumerate(cells) if number < len(row))
    return figure(
        title,
        marks(),
        said=f"{len(rows)} rows, {len(columns)} columns; {short(sum(map(sum, cells)))} "
        f"in all, {short(diagonal)} of them on the diagonal",
        height=round(TOP + high * len(rows) + 4, 1),
    )


def _row(
    name: str,
    columns: Sequence[str],
    row: Sequence[float],
    y: float,
    size: tuple[float, float],
) -> Iterator[SafeString]:
    wide, high = size
    total = sum(row) or 1
    for number, (column, value) in enumerate(zip(columns, row, strict=True)):
        x = LEFT + number * wide
        yield format_html(
            '<rect class="cell" x="{}" y="{}" width="{}" height="{}" '
            'fill-opacity="{}"><title>{}, {}: {}</title></rect>',
            round(x, 1),
            y,
            round(wide, 1),
            round(high, 1),
            round(_DARKEST * value / total, 3),
            name,
            column,
            short(value),
        )
        if value and len(columns) <= _MOST_NUMBERS:
            yield text(round(x + wide / 2, 1), y + high / 2 + 4, short(value))
