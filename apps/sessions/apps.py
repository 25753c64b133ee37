from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SessionsConfig(AppConfig):
    name = "apps.sessions"
    label = "emporium_sessions"  # Django's own sessions have the short one
    verbose_name = "Sessions"

    def ready(self) -> None:
        """Have the file of a capture go with its row, and every look written down."""
        from apps.sessions import access, captures  # noqa: F401
        from apps.sessions.groups import make_groups

        # The last of our apps that have permissions, so that all are there.
        post_migrate.connect(make_groups, sender=self)
