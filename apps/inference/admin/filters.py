"""What lists of the admin can be filtered by: only what leads to something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from apps.inference.models import ModelVersion

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


class ModelFilter(admin.RelatedFieldListFilter):
    """The models of which there is something to run."""

    def versions(self) -> QuerySet[ModelVersion]:
        return ModelVersion.objects.filter(state=ModelVersion.State.VERIFIED)

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: Any
    ) -> list[tuple[str, str | StrPromise]]:
        choices: list[tuple[str, str | StrPromise]] = field.get_choices(
            include_blank=False,
            ordering=self.field_admin_ordering(field, request, model_admin),
            limit_choices_to={"pk__in": self.versions().values("model")},
        )
        return choices


class VersionFilter(admin.RelatedFieldListFilter):
    """The versions that a long list names, found without going through all of it."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: Any
    ) -> list[tuple[str, str | StrPromise]]:
        rows = model_admin.model._default_manager.filter(model_version=OuterRef("pk"))
        versions = ModelVersion.objects.filter(Exists(rows)).select_related("model")
        return [(str(version.pk), str(version)) for version in versions]


class FamilyFilter(admin.AllValuesFieldListFilter):
    """The families that are known: until its files were read, a model has none."""

    def __init__(self, field: Any, *args: Any, **options: Any) -> None:
        super().__init__(field, *args, **options)
        self.lookup_choices = self.lookup_choices.exclude(**{field.name: ""})
