"""A trial's figures as the admin shows them; it knows figures, and no rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.inference.admin.columns import NOTHING
from apps.inference.charts import bar_chart
from apps.inference.models import Trial
from apps.inference.trials.agreement import summary
from apps.inference.trials.figures import CHALLENGER, CHAMPION, Side, side

VERDICTS = {
    "both": "both",
    "neither": "neither",
    CHAMPION: "champion alone",
    CHALLENGER: "challenger alone",
}
BEHIND = (
    "The challenger was given what live frames left of the processor, so it is slower"
    " here than it would be if it answered them."
)


def sides(figures: Mapping[str, Any], kind: str) -> SafeString | str:
    """Champion and challenger beside each other."""
    champion, challenger = side(figures, CHAMPION), side(figures, CHALLENGER)
    if not champion.frames and not challenger.frames:
        return NOTHING
    rows = format_html_join(
        "",
        '<tr><th scope="row">{}</th><td class="figure">{}</td>'
        '<td class="figure">{}</td></tr>',
        zip(
            ("answered", "failed", "age p50 / p95", "model p50 / p95"),
            _cells(champion),
            _cells(challenger),
            strict=True,
        ),
    )
    aside = BEHIND if kind == Trial.Kind.SHADOW else ""
    return format_html(
        '<div class="figures"><table><thead><tr><td></td><th scope="col">Champion</th>'
        '<th scope="col">Challenger</th></tr></thead><tbody>{}</tbody></table></div>'
        '<div class="aside">{}</div>',
        rows,
        aside,
    )


def _cells(seen: Side) -> Iterator[str]:
    yield f"{seen.answered:,}"
    yield f"{seen.failed:,} ({seen.failed_share:.1%})"
    for p50, p95 in (
        (seen.age_p50, seen.age_p95),
        (seen.model_p50, seen.model_p95),
    ):
        is_known = p50 is not None and p95 is not None
        yield f"{p50:.0f} / {p95:.0f} ms" if is_known else NOTHING


def agreement(sums: Mapping[str, Any]) -> SafeString | str:
    agreed = summary(sums)
    if not agreed.compared:
        return NOTHING
    verdict = sums.get("verdict", {})
    rows = [
        ("frames compared", f"{agreed.compared:,}", ""),
        (
            "same verdict",
            _percent(agreed.verdict),
            "whether there is a hot dog",
        ),
        ("same label", _percent(agreed.labels), "of what both have found"),
        (
            "same boxes",
            _percent(agreed.boxes),
            _found(sums.get("boxes", {})),
        ),
        *(
            (f"overlap of {label}", f"{mean:.2f}", "mean IoU of boxes found by both")
            for label, mean in sorted(agreed.iou.items())
        ),
    ]
    return format_html(
        '<div class="figures"><table><tbody>{}</tbody></table></div>{}',
        format_html_join(
            "",
            '<tr><th scope="row">{}</th><td class="figure">{}</td><td>{}</td></tr>',
            rows,
        ),
        bar_chart(
            "Frames, by who sees a hot dog",
            {name: verdict.get(key, 0) for key, name in VERDICTS.items()},
            unit="frames",
        ),
    )


def _found(boxes: Mapping[str, int]) -> str:
    if not boxes:
        return "only detectors draw some"
    return (
        f"found by both {boxes.get('matched', 0):,}, by the champion alone"
        f" {boxes.get(CHAMPION, 0):,}, by the challenger alone"
        f" {boxes.get(CHALLENGER, 0):,}"
    )


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share:.1%}"


def pictures(captures: Iterable[Any]) -> SafeString:
    """Kept pictures, small, each a way to its own page."""
    return format_html_join(
        "",
        '<a class="capture-thumbnail" href="{}"><img src="{}" alt="{}" loading="lazy">'
        "</a>",
        (
            (
                reverse("admin:emporium_sessions_capture_change", args=[capture.pk]),
                reverse("admin:emporium_sessions_capture_picture", args=[capture.pk]),
                f"Capture {capture.pk}",
            )
            for capture in captures
        ),
    )
