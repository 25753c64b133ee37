"""Where operators look at a dataset's pictures, and take wrong ones out."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.inference.admin.columns import when
from apps.inference.admin.long_lists import LongListAdmin, TimeFilter
from apps.inference.datasets import keeping, looking, pictures
from apps.inference.datasets.annotations import labels_of
from apps.inference.models import Example
from apps.inference.words import counted

# Datasets are filled from kept pictures, so who sees those sees these.
MAY_SEE_PICTURES = "emporium_sessions.review_capture"
THUMBNAIL_SIDE = 160
GONE = "The file of this picture is gone: take it out, or import it again."


def may_see_pictures(request: HttpRequest) -> bool:
    return request.user.has_perm(MAY_SEE_PICTURES)


@admin.register(Example)
class ExampleAdmin(LongListAdmin):
    time_field = "added_at"
    how_to_begin = "Import them into a dataset, or review captures."
    list_select_related = ("dataset",)
    list_filter = (TimeFilter, "dataset", "split")
    list_per_page = 40
    search_fields = ("source", "sha256")
    search_help_text = (
        "A part of where it is from, or the first 8 digits of its SHA-256."
    )
    added = when("added_at", "added")
    actions = ("take_out",)

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        words = ("labels", "split", "source", "dataset", "added")
        return ("thumbnail", *words) if may_see_pictures(request) else words

    def get_fields(
        self, request: HttpRequest, obj: Example | None = None
    ) -> tuple[str, ...]:
        words = ("labels", "split", "source", "dataset", "size", "sha256", "added")
        return ("drawn", *words) if may_see_pictures(request) else words

    @admin.display(description="picture")
    def thumbnail(self, example: Example) -> SafeString | str:
        if not example.path.is_file():
            return "gone"
        return format_html(
            '<img src="{}" alt="{}" loading="lazy" height="80">',
            reverse("admin:inference_thumbnail", args=[example.pk]),
            self.labels(example),
        )

    @admin.display(description="picture")
    def drawn(self, example: Example) -> SafeString | str:
        """With its boxes."""
        if not example.path.is_file():
            return GONE
        boxes = format_html_join(
            "",
            '<rect x="{}" y="{}" width="{}" height="{}" fill="none"'
            ' stroke="currentColor" vector-effect="non-scaling-stroke"'
            ' stroke-width="3"><title>{}</title></rect>',
            (
                (left, top, right - left, bottom - top, each["label"])
                for each in example.annotations
                if "box" in each
                for left, top, right, bottom in [each["box"]]
            ),
        )
        return format_html(
            '<svg class="example" viewBox="0 0 {} {}" role="img" aria-label="{}">'
            '<image href="{}" width="{}" height="{}"/>{}</svg>',
            example.width,
            example.height,
            self.labels(example),
            reverse("admin:inference_picture", args=[example.pk]),
            example.width,
            example.height,
            boxes,
        )

    @admin.display
    def labels(self, example: Example) -> str:
        return ", ".join(labels_of(example.annotations)) or keeping.UNLABELLED

    @admin.display
    def size(self, example: Example) -> str:
        return f"{example.width} x {example.height} pixels"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Example], search_term: str
    ) -> tuple[QuerySet[Example], bool]:
        term = search_term.strip()
        if re.fullmatch(r"[0-9a-f]{8,64}", term):
            ends = term, term.ljust(64, "f")
            return queryset.filter(sha256__range=ends), False
        return queryset.filter(source__icontains=term) if term else queryset, False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(admin.ModelAdmin.has_delete_permission(self, request, obj))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Django's own would leave the files."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.action(description="Take out of the dataset", permissions=["delete"])
    def take_out(self, request: HttpRequest, queryset: QuerySet[Example]) -> None:
        count = 0
        for example in queryset.select_related("dataset"):
            keeping.remove_example(example)
            count += 1
        pictures = counted(count, "picture")
        self.message_user(request, f"Taken out of the dataset: {pictures}.")

    def delete_model(self, request: HttpRequest, obj: Example) -> None:
        keeping.remove_example(obj)

    def get_urls(self) -> list[URLPattern]:
        urls: list[URLPattern] = super().get_urls()
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/picture/", view(self.picture), name="inference_picture"),
            path("<int:pk>/thumbnail/", view(self.small), name="inference_thumbnail"),
            *urls,
        ]

    def picture(self, request: HttpRequest, pk: int) -> HttpResponse:
        example = _shown(request, pk)
        kind = f"image/{example.path.suffix.removeprefix('.').replace('jpg', 'jpeg')}"
        return _answer(request, example, example.path.read_bytes, kind)

    def small(self, request: HttpRequest, pk: int) -> HttpResponse:
        example = _shown(request, pk)
        read = partial(pictures.thumbnail, example.path, THUMBNAIL_SIDE)
        return _answer(request, example, read, "image/jpeg")


def _shown(request: HttpRequest, pk: int) -> Example:
    if not may_see_pictures(request):
        raise PermissionDenied
    return get_object_or_404(Example.objects.select_related("dataset"), pk=pk)


def _answer(
    request: HttpRequest, example: Example, read: Callable[[], bytes], kind: str
) -> HttpResponse:
    """A picture, of which it is written down that it was seen; so nobody keeps it."""
    try:
        content = read()
    except pictures.DAMAGED as error:
        raise Http404("The file is gone or damaged.") from error
    examples = Example.objects.filter(pk=example.pk)
    looking.seen.send(Example, examples=examples, user=request.user)
    headers = {"Cache-Control": "private, no-store"}
    return HttpResponse(content, content_type=kind, headers=headers)
