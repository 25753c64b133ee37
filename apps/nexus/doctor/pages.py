"""Whether the page's own address is one that browsers give the camera to."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host

from apps.nexus.doctor.findings import Finding, failed, not_configured, ok, warning
from apps.nexus.doctor.reach import listing

LOCAL = {"localhost", "127.0.0.1", "[::1]"}


def examine_page_address() -> Finding:
    hosts: list[str] = settings.ALLOWED_HOSTS
    strangers = [
        origin
        for origin in settings.CSRF_TRUSTED_ORIGINS
        if not validate_host(urlsplit(origin).netloc.partition(":")[0], hosts)
    ]
    if strangers:
        return failed(
            f"CSRF_TRUSTED_ORIGINS trusts {listing(strangers)}, but ALLOWED_HOSTS "
            "doesn't serve it.",
            "Name the host in ALLOWED_HOSTS as well, without https:// and port.",
        )
    if "*" in hosts:
        return warning(
            "ALLOWED_HOSTS=* lets every page of the internet open the WebSocket.",
            "Name the hosts that the page is served under.",
        )
    public = [host for host in hosts if host not in LOCAL]
    if not public:
        return not_configured(
            "The page opens under localhost alone, so on this machine.",
            "For others put a proxy that ends TLS in front, as docs/deployment.md "
            "shows, and name its host in ALLOWED_HOSTS.",
        )
    if not getattr(settings, "SECURE_PROXY_SSL_HEADER", None):
        return warning(
            f"The page is served as {listing(public)} without a proxy that ends TLS, "
            "and browsers give the camera to secure pages only.",
            "Put one in front, as docs/deployment.md shows, and set "
            "TRUST_PROXY_HEADERS=true.",
        )
    if settings.DEBUG:
        return warning(
            f"DEBUG shows the inside of the server to whoever opens {listing(public)}.",
            "Set DEBUG=false.",
        )
    return ok(f"The page is served as {listing(public)} behind a proxy that ends TLS.")
