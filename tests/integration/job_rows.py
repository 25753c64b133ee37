"""A job's row, for tests in whose process the product isn't at home."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from bench.product import Product


def read(product: Product, pk: int) -> dict[str, Any]:
    """The job's row, by no process of its own: it is asked for again and again."""
    with closing(sqlite3.connect(product.directory / "emporium.sqlite3")) as database:
        database.row_factory = sqlite3.Row
        query = "SELECT * FROM inference_job WHERE id = ?"
        return dict(database.execute(query, [pk]).fetchone())


def lose(pk: int) -> int:
    """Let the time pass after which housekeeping takes a worker for dead."""
    from apps.inference import jobs
    from apps.inference.models import Job

    Job.objects.filter(pk=pk).update(
        last_seen_at=Job.objects.get(pk=pk).last_seen_at - 2 * jobs.LOST_AFTER
    )
    return jobs.revive_lost()
