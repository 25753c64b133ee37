"""What `models bench` says on a GPU: every batch size, beside a bare loop of torch."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from apps.inference.engines import TORCH_CPU, TORCH_CUDA
from apps.inference.verifying import verification
from tests.parity import starter


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["starter-detector", "starter-classifier"])
def test_every_batch_size_is_held_against_a_bare_loop(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    settings.MODELS_DIR = tmp_path / "models"
    monkeypatch.setattr(
        verification, "engines_to_try", lambda *_: [TORCH_CPU, TORCH_CUDA]
    )
    said = StringIO()
    call_command("models", "add", "mine", "--from", f"file:{starter(name)}")
    path = tmp_path / "figures.json"
    call_command("models", "bench", "mine", "--json", str(path), stdout=said)

    reference, engine = json.loads(path.read_text())["engines"]
    assert (engine["engine"], engine["reason"]) == (TORCH_CUDA, "")
    assert engine["agreement"]["largest_score_difference"] <= 0.03
    assert engine["limit"] == ""
    assert [each["size"] for each in engine["batches"]] == [1, 2, 4, 8, 16, 32, 64]
    for batch in engine["batches"]:
        assert batch["bare_ms"] > 0
        assert batch["overlapped_ms"] > 0
    assert {each["bare_ms"] for each in reference["batches"]} == {None}
    assert said.getvalue().count(" bare:") == len(engine["batches"])
