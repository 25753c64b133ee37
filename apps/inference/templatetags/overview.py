"""`{% overview %}`: the panels of the admin's first page."""

from __future__ import annotations

from typing import Any

from django.template import Library

from apps.inference.admin import overview as shown

register = Library()


@register.inclusion_tag("admin/overview.html", takes_context=True)
def overview(context: Any) -> dict[str, Any]:
    request = context["request"]
    return {"notices": shown.notices(request), "panels": shown.panels(request)}
