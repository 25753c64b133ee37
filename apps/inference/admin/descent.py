"""Where a version comes from, as its page shows it: parents, data, figures of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.inference.admin.columns import NOTHING, link_to, readable
from apps.inference.charts import line_chart
from apps.inference.evaluating.evaluations import NAMES, data_name, headline, shown
from apps.inference.models import Evaluation, ModelVersion

# Said elsewhere on the page, or of no use to people.
_UNSAID = {"curve", "validation", "token", "parent"}


class DescentFields:
    @admin.display(description="trained further from")
    def descent(self, version: ModelVersion) -> SafeString | str:
        """The chain of parents, and how this one was made of the last."""
        if version.parent is None:
            return NOTHING
        chain = format_html_join(
            " ← ", "{}", ((link_to(each),) for each in _chain(version))
        )
        facts = {
            name: value
            for name, value in version.lineage.items()
            if name not in _UNSAID
        }
        return format_html("<p>{}</p>{}", chain, readable(facts))

    @admin.display(description="before and after")
    def before_and_after(self, version: ModelVersion) -> SafeString | str:
        """The figures of a version beside its parent's, on the same pictures each."""
        rows = list(_compared(version))
        if not rows:
            return NOTHING
        return format_html(
            '<div class="figures"><table><thead><tr><th>Pictures</th><th>Figure</th>'
            "<th>Parent</th><th>This one</th></tr></thead><tbody>{}</tbody></table>"
            "</div>",
            format_html_join(
                "",
                "<tr><td>{}</td><td>{}</td>"
                + '<td class="figure">{}</td>' * 2
                + "</tr>",
                rows,
            ),
        )

    @admin.display(description="how it learned")
    def learning(self, version: ModelVersion) -> SafeString | str:
        return learned(version.lineage)

    @admin.display(description="finetuned into")
    def children(self, version: ModelVersion) -> SafeString | str:
        rows = version.children.select_related("model")
        return format_html_join(", ", "{}", ((link_to(each),) for each in rows)) or (
            NOTHING
        )


def learned(lineage: Mapping[str, Any]) -> SafeString | str:
    """What was learned step by step, or has been so far."""
    if not (curve := lineage.get("curve")):
        return NOTHING
    charts = line_chart("Loss by step", {"loss": curve}, x_label=_whole)
    validation = lineage.get("validation")
    if not validation:
        return charts
    figures = {
        NAMES[key]: [(step, seen.get(key)) for step, seen in validation]
        for key in NAMES
        if any(key in seen for _, seen in validation)
    }
    return charts + line_chart(
        "Figures on held-out pictures by step", figures, x_label=_whole
    )


def _whole(step: float) -> str:
    return f"{step:.0f}"


def _chain(version: ModelVersion) -> Iterator[ModelVersion]:
    each: ModelVersion | None = version
    while each is not None:
        yield each
        each = each.parent


def _compared(version: ModelVersion) -> Iterator[tuple[str, str, str, str]]:
    if version.parent is None:
        return
    before = _latest(version.parent)
    for data, after in _latest(version).items():
        if data not in before:
            continue
        name = f"{data_name(after.dataset)}: {after.pictures}"
        was = headline(before[data])
        for key, value in headline(after).items():
            yield name, NAMES[key], shown(was.get(key)), shown(value)


def _latest(version: ModelVersion) -> dict[Any, Evaluation]:
    """By what was answered; the newest evaluation of each."""
    rows = version.evaluations.select_related("dataset").order_by("evaluated_at", "id")
    return {(row.dataset_id, row.data_sha256): row for row in rows}
