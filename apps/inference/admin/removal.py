"""How rows are removed in the admin: one by one, and what stays with a sentence.

Who may remove is a matter of permissions; what can go, of the rows that name it.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from apps.inference.exceptions import InUseError


class RemovalAdmin(admin.ModelAdmin):
    def why_it_stays(self, row: Any) -> str:
        """What keeps a row from being removed; empty if nothing does."""
        raise NotImplementedError

    def remove(self, row: Any) -> None:
        """
        Raises:
            InUseError: it stays, and why.
        """
        raise NotImplementedError

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Not even asked about where it stays, for there may be a million records."""
        row = self.get_object(request, unquote(object_id))
        if row is None or not self.has_delete_permission(request, row):
            return super().delete_view(request, object_id, extra_context)
        try:
            if reason := self.why_it_stays(row):
                raise InUseError(reason)
            return super().delete_view(request, object_id, extra_context)
        except InUseError as error:
            messages.error(request, str(error))
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
            return redirect(name, quote(row.pk))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.remove(obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions
