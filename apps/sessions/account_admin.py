"""Accounts as Django's admin has them, but for those whose names the records keep."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User

from apps.inference import records
from apps.inference.admin.removal import RemovalAdmin

admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(RemovalAdmin, UserAdmin):
    def why_it_stays(self, row: User) -> str:
        if not (kinds := records.naming(row)):
            return ""
        return (
            f"{row} stays, for records say that it was {row}: {kinds}. Make the account"
            " inactive instead."
        )

    def remove(self, row: User) -> None:
        row.delete()
