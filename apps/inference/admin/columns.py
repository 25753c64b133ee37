"""How the admin's pages show times, states and JSON; they know no model of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

NOTHING = "—"
# Of keys that no rule makes readable.
_SPELT = {
    "map50": "mAP50",
    "map50_95": "mAP50-95",
    "top1": "Top-1",
    "ap50": "AP50",
    "p95_ms": "p95, ms",
    "sha256": "SHA-256",
}
Column = Callable[[Any, Any], SafeString | str]


def moment(at: datetime | None) -> SafeString | str:
    """A time to the second, in TIME_ZONE, which every page names once."""
    if at is None:
        return NOTHING
    here = timezone.localtime(at)
    this_year = here.year == timezone.localtime().year
    words = format_date(here, "j M H:i:s" if this_year else "j M Y H:i:s")
    return format_html('<time datetime="{}">{}</time>', here.isoformat(), words)


def when(name: str, description: str) -> Column:
    """The column or field that shows a row's time of this name."""

    @admin.display(description=description, ordering=name)
    def show(admin: Any, row: Any) -> SafeString | str:
        return moment(getattr(row, name))

    return show


def duration(span: timedelta) -> str:
    """In the two units that matter: "8 s", "3 min 12 s", "2 h 4 min"."""
    minutes, seconds = divmod(max(0, round(span.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def badge(value: str, label: str) -> SafeString:
    """A state by its label, with a colour for its value."""
    return format_html('<span class="state state-{}">{}</span>', value, capfirst(label))


def change_page(row: Model) -> str:
    """The address of a row's own page."""
    opts = row._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=(row.pk,))


def link_to(row: Model) -> SafeString:
    """A row by its name."""
    return format_html('<a href="{}">{}</a>', change_page(row), row)


def told(state: SafeString, reason: str) -> SafeString:
    """A state, and under it why, where there is a reason."""
    return (
        format_html('{}<div class="aside">{}</div>', state, reason) if reason else state
    )


def table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> SafeString:
    """A row a thing: what it is called, and its figures."""
    return format_html(
        '<div class="figures"><table><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>",
        format_html_join("", '<th scope="col">{}</th>', ((each,) for each in names)),
        format_html_join(
            "",
            '<tr><th scope="row">{}</th>'
            + '<td class="figure">{}</td>' * (len(names) - 1)
            + "</tr>",
            rows,
        ),
    )


def readable(value: Any) -> SafeString | str:
    """What JSON holds, as keys and values instead of brackets."""
    if value in (None, "", [], {}):
        return NOTHING
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
        case dict():
            entries = format_html_join(
                "",
                "<dt>{}</dt><dd>{}</dd>",
                ((_spelt(str(key)), readable(each)) for key, each in value.items()),
            )
            return format_html('<dl class="readable">{}</dl>', entries)
        case list():
            return format_html_join(", ", "{}", ((readable(each),) for each in value))
    return str(value)


def _spelt(key: str) -> str:
    return _SPELT.get(key) or capfirst(key.replace("_", " "))


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that the system writes: to be seen, not to be made up.

    Nobody changes them in the admin, so its record of changes isn't offered.
    """

    change_form_template = "admin/read_only_form.html"
    empty_value_display = NOTHING

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
