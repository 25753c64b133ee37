"""Charts: well-formed, told in words, and nothing that our policy forbids."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from apps.inference.charts import bar_chart, heat_map, line_chart, stacked_bars
from apps.inference.charts.drawing import elapsed, short, step, ticks, top_of

HOSTILE = '<b>"cup" & co'

CHARTS: dict[str, Callable[[], str]] = {
    "lines": lambda: line_chart(
        HOSTILE, {HOSTILE: [(0, 1.0), (5, None), (10, 3.0), (15, 2.0)]}, unit="ms"
    ),
    "bars": lambda: bar_chart(HOSTILE, {HOSTILE: 3.0, "cup": 0.0}, up_to={HOSTILE: 9}),
    "stacked": lambda: stacked_bars(
        HOSTILE, [HOSTILE, "5 s"], {HOSTILE: [1, 2], "lost": [0, 4]}
    ),
    "heat": lambda: heat_map(HOSTILE, [HOSTILE, "cup"], ["a", "b"], [[1, 2], [0, 4]]),
}


def parsed(chart: str) -> ET.Element:
    return ET.fromstring(chart)


def titles(chart: str) -> list[str]:
    """What each mark says when it is pointed at."""
    return [each.text or "" for each in parsed(chart).iterfind(".//title")][1:]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_named_described_and_escaped(name: str):
    drawing = parsed(CHARTS[name]()).find("svg")
    assert drawing is not None
    assert drawing.get("role") == "img"
    assert drawing.findtext("title") == HOSTILE
    assert drawing.findtext("desc")
    for element in drawing.iter():
        assert "style" not in element.attrib
        assert element.tag not in {"style", "script", "b"}


@pytest.mark.parametrize("name", CHARTS)
def test_every_mark_says_its_figures(name: str):
    assert all(titles(CHARTS[name]()))


@pytest.mark.parametrize(
    "chart",
    [
        line_chart("Age", {"p50": [], "p95": [(0, None)]}),
        bar_chart("Age", {}),
        stacked_bars("Drops", ["0 s"], {"lost": [0], "failed": [0]}),
        stacked_bars("Labels", [], {}),
        heat_map("Confusion", [], [], []),
    ],
)
def test_nothing_is_said_to_be_nothing(chart: str):
    assert "Nothing to show yet." in chart
    assert "<svg" not in chart


def test_a_line_ends_at_a_gap_and_a_lone_figure_is_a_dot():
    drawing = parsed(CHARTS["lines"]())
    strokes = [each.get("points", "") for each in drawing.iter("polyline")]
    assert [len(stroke.split()) for stroke in strokes] == [2]
    assert len(list(drawing.iter("circle"))) == 1


def test_what_is_pointed_at_tells_all_lines_there():
    chart = line_chart(
        "Age", {"p50": [(0, 20), (5, 21)], "p95": [(0, 40), (5, None)]}, unit="ms"
    )
    assert titles(chart) == ["0 s: p50 20 ms, p95 40 ms", "5 s: p50 21 ms"]


def test_a_bar_is_as_long_as_its_share_of_what_is_possible():
    def length(most: float = 0) -> float:
        bar = parsed(bar_chart("Recall", {"cup": 0.5}, most=most)).find(".//rect")
        assert bar is not None
        return float(bar.attrib["width"])

    assert length(most=1) == pytest.approx(length() / 2, abs=0.1)
    assert length(most=0.1) == length()


def test_pieces_stand_on_each_other_and_add_up():
    chart = parsed(stacked_bars("Drops", ["0 s"], {"lost": [30], "failed": [10]}))
    lower, upper = [
        (float(each.get("y", 0)), float(each.get("height", 0)))
        for each in chart.iter("rect")
    ]
    assert sum(upper) == pytest.approx(lower[0])
    assert lower[1] == pytest.approx(3 * upper[1])


def test_a_cell_is_as_dark_as_its_share_of_its_row():
    chart = parsed(heat_map("", ["a", "b"], ["a", "b"], [[1, 1], [0, 400]]))
    dark = [float(each.get("fill-opacity", 0)) for each in chart.iter("rect")]
    assert dark[0] == dark[1] == dark[3] / 2 > dark[2] == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (43.21, "43.2"),
        (1200, "1,200"),
        (35_400, "35.4k"),
        (1_200_000, "1.2M"),
    ],
)
def test_a_number_is_short(value: float, words: str):
    assert short(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (45, "45 s"), (90, "1.5 min"), (-600, "−10 min"), (7200, "2 h")],
)
def test_a_time_is_told_in_its_unit(seconds: float, words: str):
    assert elapsed(seconds) == words


@pytest.mark.parametrize("high", [0.003, 0.4, 1, 7, 43, 99, 1000, 123_456])
def test_an_axis_ends_with_a_tick_above_all(high: float):
    top = top_of([high])
    marks = ticks(0, top, step(top, 4))
    assert high <= top == pytest.approx(marks[-1])
    assert 2 <= len(marks) <= 6


def test_ticks_of_time_are_whole_minutes():
    assert ticks(0, 700, step(700, 6, seconds=True)) == [0, 120, 240, 360, 480, 600]
