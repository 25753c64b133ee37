"""How the admin's pages show times, states and JSON; they know no model of ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

NOTHING = "—"
# Of keys that no rule makes readable.
_SPELT = {"map50": "mAP50", "ap50": "AP50", "sha256": "SHA-256"}
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


def told(state: SafeString, reason: str) -> SafeString:
    """A state, and under it why, where there is a reason."""
    return (
        format_html('{}<div class="aside">{}</div>', state, reason) if reason else state
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
