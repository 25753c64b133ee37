"""`manage.py provision`: after `migrate`, on machines where nobody types `make run`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.inference.exceptions import InferenceError
from emporium.provision import OPERATOR, password_file, provision


class Command(BaseCommand):
    help = "Register the starter models and make sure that an operator can sign in."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            provision()
        except InferenceError as exc:
            raise CommandError(str(exc)) from exc
        path = password_file()
        login = (
            f"as {OPERATOR}, with the password in {path}"
            if path.exists()
            else "with the account that you made"
        )
        self.stdout.write(f"Sign in at /admin/ {login}.")
