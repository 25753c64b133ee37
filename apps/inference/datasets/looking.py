"""Tells whenever somebody is shown pictures of a dataset, or takes them along.

Some are of people. Whose, only `apps.sessions` knows, which keeps the record; if it
can't, nothing is shown. Receivers are given `examples`, a queryset, and `user`, who is
none for a command.
"""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.dispatch import Signal

Who = AbstractBaseUser | AnonymousUser | None

seen = Signal()
exported = Signal()
