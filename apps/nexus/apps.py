from __future__ import annotations

from django.apps import AppConfig


class NexusConfig(AppConfig):
    name = "apps.nexus"
    label = "nexus"
