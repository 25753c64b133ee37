"""The two groups of people who aren't superusers: who looks, and who operates.

They are there after every migration, with what they need at least; what a superuser
gives them besides stays theirs.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

VIEWER, OPERATOR = "viewer", "operator"
APPS = ("inference", "emporium_sessions")
# Pictures of people, which nobody sees by the way.
PICTURES = "view_capture"
# Beyond looking, and no more than the admin's pages ask for. Models come from
# addresses, so that only superusers add them.
OPERATES = (
    PICTURES,
    "activate_deployment",
    "add_job",
    "add_dataset",
    "change_dataset",
    "delete_example",
    "review_capture",
)


def make_groups(**_: Any) -> None:
    """After a migration, when all permissions are there."""
    ours = Permission.objects.filter(content_type__app_label__in=APPS)
    looks = ours.filter(codename__startswith="view_").exclude(codename=PICTURES)
    operates = ours.filter(Q(codename__in=OPERATES) | Q(pk__in=looks.values("pk")))
    for name, permissions in ((VIEWER, looks), (OPERATOR, operates)):
        group, _created = Group.objects.get_or_create(name=name)
        group.permissions.add(*permissions)
