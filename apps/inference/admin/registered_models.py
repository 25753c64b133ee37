"""Registered models: what they are, and which versions of them there are."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.inference.admin.columns import NOTHING, ReadOnlyAdmin, badge, when
from apps.inference.admin.filters import FamilyFilter
from apps.inference.models import ModelVersion, RegisteredModel


class VersionInline(admin.TabularInline):
    model = ModelVersion
    fields = readonly_fields = ("version", "shown_state", "registered", "sha256")
    extra = 0
    can_delete = False
    empty_value_display = NOTHING
    show_change_link = True
    registered = when("created_at", "registered")

    @admin.display(description="state")
    def shown_state(self, version: ModelVersion) -> SafeString:
        return badge(version.state, version.get_state_display())

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        queryset: QuerySet[ModelVersion] = super().get_queryset(request)
        return queryset.select_related("model")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(RegisteredModel)
class RegisteredModelAdmin(ReadOnlyAdmin):
    list_display = ("name", "family", "licence", "registered")
    list_filter = (("family", FamilyFilter),)
    search_fields = ("name", "description")
    fields = ("name", "family", "description", "licence", "registered")
    readonly_fields = ("registered",)
    registered = when("created_at", "registered")
    inlines = (VersionInline,)
