"""Lists of the admin that may have millions of rows, the newest first.

Nothing in them looks at all rows: they count up to a bound, filter by what has an index
and by ranges of time, and sort by time alone. Tests look at how the database goes about
it.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.paginator import Page, Paginator
from django.db import connections
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.inference.admin.columns import ReadOnlyAdmin

MOST_COUNTED = 10_000
MOST_CHOICES = 50


class BoundedPaginator(Paginator):
    """Pages of the first so many rows: to count a million takes longer than to wait."""

    @property
    def _rows(self) -> QuerySet[Model]:
        rows: Any = self.object_list
        return cast("QuerySet[Model]", rows)

    @cached_property
    def _counted(self) -> int:
        return self._rows.order_by()[: MOST_COUNTED + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST_COUNTED)

    def page(self, number: int | str) -> Page:
        """By their keys first, which an index has: others are joined to all before."""
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        keys = self._rows.values_list("pk", flat=True)
        shown = self._rows.filter(pk__in=list(keys[first : first + self.per_page]))
        return Page(shown, number, self)

    @property
    def goes_on(self) -> bool:
        return self._counted > MOST_COUNTED


class LongChangeList(ChangeList):
    @cached_property
    def older_link(self) -> str:
        """Where the list goes on behind its last page; empty where it doesn't."""
        if not self.paginator.goes_on:
            return ""
        name = cast("LongListAdmin", self.model_admin).time_field
        last = self.queryset.values_list(name, flat=True)[MOST_COUNTED - 1]
        older = {f"{name}__lt": last.isoformat(), PAGE_VAR: None}
        return str(self.get_query_string(older))


class LongListAdmin(ReadOnlyAdmin):
    """A list by `time_field`, which has an index, alone and behind what it filters."""

    time_field = ""
    change_list_template = "admin/long_list.html"
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    sortable_by = ()

    def get_changelist(
        self, request: HttpRequest, **options: Any
    ) -> type[LongChangeList]:
        return LongChangeList

    def get_ordering(self, request: HttpRequest) -> tuple[str, str]:
        return f"-{self.time_field}", "-pk"


class TimeFilter(admin.SimpleListFilter):
    title = "time"
    parameter_name = "within"
    SPANS = {
        "hour": ("the last hour", timedelta(hours=1)),
        "day": ("the last 24 hours", timedelta(days=1)),
        "week": ("the last 7 days", timedelta(days=7)),
        "month": ("the last 30 days", timedelta(days=30)),
    }

    def __init__(
        self, request: HttpRequest, params: Any, model: type[Model], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self._field = model_admin.time_field

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, words) for name, (words, _) in self.SPANS.items()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Model]
    ) -> QuerySet[Model]:
        if (span := self.SPANS.get(self.value() or "")) is None:
            return queryset
        return queryset.filter(**{f"{self._field}__gte": timezone.now() - span[1]})


class TextFilter(admin.SimpleListFilter):
    """The values of a text column that an index begins with."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        values = distinct(model_admin.model, str(self.parameter_name))
        return [(value, value) for value in values if value]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Model]
    ) -> QuerySet[Model]:
        if not self.value():
            return queryset
        return queryset.filter(**{str(self.parameter_name): self.value()})


def distinct(model: type[Model], column: str, most: int = MOST_CHOICES) -> list[str]:
    """The first values of a column, from one to the next by its index.

    `SELECT DISTINCT` would go through all rows.
    """
    connection = connections["default"]
    field: Any = model._meta.get_field(column)
    names = {
        "table": connection.ops.quote_name(model._meta.db_table),
        "column": connection.ops.quote_name(field.column),
    }
    step = "SELECT MIN({column}) FROM {table}".format(**names)
    walk = (
        f"WITH RECURSIVE walk(value) AS ({step} UNION ALL SELECT "
        f"({step} WHERE {names['column']} > value) FROM walk WHERE value IS NOT NULL) "
        "SELECT value FROM walk WHERE value IS NOT NULL LIMIT %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(walk, [most])
        return [value for (value,) in cursor.fetchall()]
