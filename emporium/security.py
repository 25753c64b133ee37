"""What every page is served with: a signing key, and a content security policy under
which nothing is loaded from anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse

# `connect-src 'self'` covers the page's own WebSocket in current browsers.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob: mediastream:",
        "worker-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


def require_secret_key() -> None:
    """Raises: ImproperlyConfigured, where there is none."""
    try:
        _ = settings.SECRET_KEY
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(
            "SECRET_KEY is empty. `make run` writes one into .env, unless it is set to "
            "nothing in the environment; by hand, copy .env.example to .env and fill "
            "it in."
        ) from error


class ContentSecurityPolicy:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Permissions-Policy", "camera=(self)")
        return response
