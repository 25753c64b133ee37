"""What a version that was trained further is made of: enough to make it once more."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.inference.datasets import keeping
from apps.inference.finetuning.plan import Plan
from apps.inference.models import Example


def lineage_of(plan: Plan, *, used: int, left_out: int, torch: str) -> dict[str, Any]:
    return {
        "dataset": plan.dataset.name,
        "data_sha256": keeping.checksum(plan.dataset, Example.Split.TRAIN),
        "pictures": used,
        "left_out": left_out,
        "parent": str(plan.parent),
        "parent_sha256": plan.parent.sha256,
        "steps": plan.choices.steps,
        "learning_rate": plan.choices.learning_rate,
        "seed": plan.choices.seed,
        "rehearsal": plan.rehearsal,
        "code": code(),
        "torch": torch,
        "token": plan.token,
    }


def code() -> str:
    """The commit of the checkout, with a word where it was changed; or the version."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        about = Path(settings.BASE_DIR, "pyproject.toml").read_text()
        return f"version {tomllib.loads(about)['project']['version']}"
    return said.stdout.strip()
