"""Charts as SVG that the server draws: no JavaScript, nothing that is loaded.

Colours and letters are `static/css/charts.css`'s, so they follow light and dark. Each
chart says in words what it shows, and each mark its figures in its `<title>`. They know
no model of ours, and what is given to them need not be escaped.
"""

from __future__ import annotations

from apps.inference.charts.bars import bar_chart, stacked_bars
from apps.inference.charts.heat import heat_map
from apps.inference.charts.lines import line_chart

__all__ = ["bar_chart", "heat_map", "line_chart", "stacked_bars"]
