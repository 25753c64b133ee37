"""What is kept of the past, and so keeps whatever it names."""

from __future__ import annotations

from django.db.models import PROTECT, ManyToOneRel, Model


def naming(row: Model) -> str:
    """The kinds of records that name a row and are kept: "captures, runs"; or nothing.

    Each kind is asked whether it does, and not how often: that may be a million times.
    """
    kinds = {
        str(relation.related_model._meta.verbose_name_plural)
        for relation in row._meta.get_fields(include_hidden=True)
        if isinstance(relation, ManyToOneRel)
        and relation.on_delete is PROTECT
        and relation.related_model._base_manager.filter(
            **{relation.field.name: row}
        ).exists()
    }
    return ", ".join(sorted(kinds))
