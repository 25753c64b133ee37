"""What all charts are made of: the figure around one, its axes, and their numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

# In units of the drawing, which its page makes as wide as there is room.
WIDTH, HEIGHT = 560, 200
LEFT, RIGHT, TOP, BOTTOM = 58, 552, 12, 168
COLOURS = 8
# What is read off easily: of time, and of anything else.
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_DECIMALS = (1, 2, 5, 10)

Label = Callable[[float], str]


def figure(
    title: str,
    marks: Iterable[SafeString],
    *,
    said: str,
    names: Sequence[str] = (),
    height: float = HEIGHT,
) -> SafeString:
    """A drawing under its title and, if it has several, the names of its colours."""
    legend = format_html_join(
        "",
        '<li class="{}">{}</li>',
        ((colour(number), name) for number, name in enumerate(names)),
    )
    return format_html(
        '<figure class="chart"><figcaption>{}{}</figcaption>'
        '<svg role="img" viewBox="0 0 {} {}"><title>{}</title><desc>{}</desc>{}</svg>'
        "</figure>",
        title,
        format_html("<ul>{}</ul>", legend) if names else "",
        WIDTH,
        height,
        title,
        said,
        joined(marks),
    )


def nothing(title: str) -> SafeString:
    return format_html(
        '<figure class="chart"><figcaption>{}</figcaption>'
        "<p>Nothing to show yet.</p></figure>",
        title,
    )


def joined(marks: Iterable[SafeString]) -> SafeString:
    return mark_safe("".join(marks))


def colour(number: int) -> str:
    """The class of the colour of this number; they come again after the last."""
    return f"colour-{number % COLOURS + 1}"


def short(value: float) -> str:
    """A number in few characters: 0.25, 43, 1,200, 35k, 1.2M."""
    for size, letter in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / size * (10 if letter == 'k' else 1):.3g}{letter}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def elapsed(seconds: float) -> str:
    """A time since the beginning, or before now where it is negative."""
    sign = "−" if seconds < 0 else ""
    span = abs(seconds)
    for size, unit in ((3600, "h"), (60, "min")):
        if span >= size:
            return f"{sign}{span / size:.3g} {unit}"
    return f"{sign}{span:.3g} s"


def step(span: float, count: int, *, seconds: bool = False) -> float:
    """What `count` ticks at most are apart from each other over `span`."""
    least = max(span, 1e-9) / count
    if seconds and least >= 1:
        for each in _SECONDS:
            if each >= least:
                return each
        return math.ceil(least / 14400) * 14400
    size: float = 10.0 ** math.floor(math.log10(least))
    return next(each * size for each in _DECIMALS if each * size >= least * 0.999999)


def ticks(low: float, high: float, apart: float) -> list[float]:
    first, last = math.ceil(low / apart - 1e-9), math.floor(high / apart + 1e-9)
    return [number * apart for number in range(first, last + 1)]


def top_of(values: Iterable[float]) -> float:
    """Where the vertical axis ends so that it ends with a tick."""
    high = max(values, default=0.0)
    if high <= 0:
        return 1.0
    apart = step(high, 4)
    return math.ceil(high / apart - 1e-9) * apart


def vertical_axis(top: float) -> Iterator[SafeString]:
    for value in ticks(0, top, step(top, 4)):
        y = height_of(value, top)
        yield format_html(
            '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>', LEFT, RIGHT, y, y
        )
        yield text(LEFT - 6, y + 4, short(value), "end")


def height_of(value: float, top: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * value / top, 1)


def text(x: float, y: float, words: str, anchor: str = "middle") -> SafeString:
    return format_html(
        '<text x="{}" y="{}" text-anchor="{}">{}</text>', x, y, anchor, words
    )


def cut(words: str, most: int) -> str:
    """In the middle: versions of one model differ in their ends."""
    if len(words) <= most:
        return words
    behind = (most - 1) // 2
    return f"{words[: most - 1 - behind]}…{words[-behind:]}"
