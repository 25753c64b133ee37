"""What verification has measured, as the admin shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


def figures_table(engines: Sequence[dict[str, Any]], chosen: str) -> SafeString:
    """The batch curve of every engine, the chosen one marked, or its refusal."""
    return format_html(
        '<div class="figures"><table><thead><tr><th>Engine</th><th>Batch</th>'
        "<th>Takes</th><th>Pictures/s</th></tr></thead>"
        "<tbody>{}</tbody></table></div>",
        format_html_join("", "{}", ((_rows(engine, chosen),) for engine in engines)),
    )


def _rows(engine: dict[str, Any], chosen: str) -> SafeString:
    """An engine's curve, or why it was refused, beside what it was loaded for."""
    name = f"{engine['engine']} ✓" if engine["engine"] == chosen else engine["engine"]
    if engine["reason"]:
        return format_html(
            '<tr><td>{}</td><td colspan="3">{}</td></tr>', name, engine["reason"]
        )
    curve = [
        (
            batch["size"],
            f"{batch['batch_ms']:.1f} ms",
            f"{1000 * batch['size'] / batch['batch_ms']:.1f}",
        )
        for batch in engine["batches"]
    ]
    loaded = (
        f"loads in {engine['load_s']:.1f} s, memory grows by"
        f" {engine['memory_mb']:.0f} MB"
    )
    first = format_html(
        '<td rowspan="{}">{}<div class="aside">{}</div></td>',
        len(curve),
        name,
        loaded,
    )
    return format_html_join(
        "",
        "<tr>{}" + '<td class="figure">{}</td>' * 3 + "</tr>",
        ((first if row == curve[0] else "", *row) for row in curve),
    )
