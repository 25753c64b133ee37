"""Where a version comes from, as its page shows it: parents, data, figures of both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.inference.columns import NOTHING, readable
from apps.inference.models import Evaluation, ModelVersion

_SHOWN = {
    "map50": "mAP50",
    "map50_95": "mAP50-95",
    "top1": "top-1",
    "verdict_precision": "verdict precision",
    "verdict_recall": "verdict recall",
}
# Said elsewhere on the page, or of no use to people.
_UNSAID = {"curve", "token", "parent"}


def descent(version: ModelVersion) -> SafeString | str:
    """The chain of parents, and how this one was made of the last."""
    if version.parent is None:
        return NOTHING
    chain = format_html_join(" ← ", "{}", ((_link(each),) for each in _chain(version)))
    facts = {
        name: value for name, value in version.lineage.items() if name not in _UNSAID
    }
    return format_html("<p>{}</p>{}", chain, readable(facts))


def children(version: ModelVersion) -> SafeString | str:
    """The versions that were trained further from this one."""
    rows = version.children.select_related("model")
    return format_html_join(", ", "{}", ((_link(each),) for each in rows)) or NOTHING


def before_and_after(version: ModelVersion) -> SafeString | str:
    """The figures of a version beside its parent's, on the same pictures each."""
    rows = list(_compared(version))
    if not rows:
        return NOTHING
    return format_html(
        '<div class="figures"><table><thead><tr><th>Pictures</th><th>Figure</th>'
        "<th>Parent</th><th>This one</th></tr></thead><tbody>{}</tbody></table></div>",
        format_html_join(
            "",
            '<tr><td>{}</td><td>{}</td><td class="figure">{}</td>'
            '<td class="figure">{}</td></tr>',
            rows,
        ),
    )


def _chain(version: ModelVersion) -> Iterator[ModelVersion]:
    each: ModelVersion | None = version
    while each is not None:
        yield each
        each = each.parent


def _link(version: ModelVersion) -> SafeString:
    url = reverse("admin:inference_modelversion_change", args=[version.pk])
    return format_html('<a href="{}">{}</a>', url, version)


def _compared(version: ModelVersion) -> Iterator[tuple[str, str, str, str]]:
    if version.parent is None:
        return
    before = _latest(version.parent)
    for data, after in _latest(version).items():
        if data not in before:
            continue
        name = str(after.dataset or "built-in scenes")
        for key, words in _SHOWN.items():
            figures = before[data].figures.get(key), after.figures.get(key)
            if all(figure is not None for figure in figures):
                yield f"{name}: {after.pictures}", words, *map(_figure, figures)


def _latest(version: ModelVersion) -> dict[tuple[int | None, str], Evaluation]:
    """By what was answered; the newest evaluation of each."""
    rows = version.evaluations.select_related("dataset").order_by("evaluated_at", "id")
    return {(row.dataset_id, row.data_sha256): row for row in rows}


def _figure(value: Any) -> str:
    return f"{value:.3f}"
