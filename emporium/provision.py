"""What a fresh database needs before it is of use: the starter models and an operator.

May run at every start: what is there, and what an operator has changed since, stays.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model

from apps.inference.registering.registry import register_starters

OPERATOR = "admin"


def password_file() -> Path:
    """Where the generated password is kept, for as long as it is the right one."""
    return Path(settings.VAR_DIR) / "admin-password"


def provision() -> None:
    register_starters()
    if get_user_model().objects.filter(is_superuser=True).exists():
        forget_changed_password()
    else:
        create_operator()


def create_operator() -> None:
    password = secrets.token_urlsafe(12)
    path = password_file()
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(f"{password}\n")
    get_user_model().objects.create_superuser(OPERATOR, password=password)


def forget_changed_password() -> None:
    path = password_file()
    if not path.exists():
        return
    operator = get_user_model().objects.filter(username=OPERATOR).first()
    if operator is None or not operator.check_password(path.read_text().strip()):
        path.unlink()
