"""The first half of `make run`: settings, ports and database, ready to be started.

May be repeated at any time and keeps what is there. What is impossible is told to the
operator in one sentence. `emporium.start` is the other half: it stays, so it must not
hold what is only needed here.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from pathlib import Path

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import DatabaseError

from apps.inference.exceptions import InferenceError
from emporium import redis_server
from emporium.redis_server import CHECKOUT
from emporium.security import require_secret_key


def write_env(checkout: Path) -> None:
    """Fill in a SECRET_KEY that is missing; without a .env, begin with .env.example."""
    path = checkout / ".env"
    source = path if path.exists() else checkout / ".env.example"
    line = f"SECRET_KEY={secrets.token_urlsafe(50)}"
    text, filled = re.subn(
        r"^SECRET_KEY=[ \t]*$", line, source.read_text(), flags=re.MULTILINE
    )
    if not filled and not re.search(r"^SECRET_KEY=", text, re.MULTILINE):
        text, filled = f"{text.rstrip()}\n{line}\n", True
    if filled:
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text)


def refuse_taken_ports() -> None:
    from django.conf import settings

    host, port = os.environ.get("HOST", "127.0.0.1"), settings.PORT
    if problem := redis_server.listen_problem(host, port):
        sys.exit(
            f"The page can't be served on {host}:{port} ({problem}). Stop what runs "
            f"there, choose another port (make run PORT={port + 1}), or set HOST in "
            ".env to an address of this machine."
        )
    if not os.environ.get("REDIS_URL"):
        redis_server.refuse_taken_port(redis_server.read_port())


def prepare_database() -> None:
    call_command("migrate", verbosity=0)
    # Models can only be imported once Django is set up.
    from emporium.provision import provision

    provision()


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emporium.settings")
    write_env(CHECKOUT)
    try:
        django.setup()
        require_secret_key()
        refuse_taken_ports()
        prepare_database()
    except (ImproperlyConfigured, InferenceError) as exc:
        sys.exit(str(exc))
    except DatabaseError as exc:
        sys.exit(f"The database can't be used, see DATABASE_URL in .env: {exc}")


if __name__ == "__main__":
    main()
