"""How many sessions there may be, as the settings say."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Caps:
    """How many sessions there may be; 0 is any number."""

    in_all: int = 0
    per_node: int = 0
    per_process: int = 0
    per_address: int = 0
    per_user: int = 0

    @classmethod
    def from_settings(cls) -> Caps:
        return cls(
            in_all=settings.SESSIONS_IN_ALL,
            per_node=settings.SESSIONS_PER_NODE,
            per_process=settings.SESSIONS_PER_PROCESS,
            per_address=settings.SESSIONS_PER_ADDRESS,
            per_user=settings.SESSIONS_PER_USER,
        )
