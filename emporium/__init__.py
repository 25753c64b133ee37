"""The Emporium's wiring: settings, entry points, and the processes beside the apps."""

from __future__ import annotations

from emporium.celery import app as celery_app

__all__ = ["celery_app"]
