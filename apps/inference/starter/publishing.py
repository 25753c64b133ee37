"""Publishes a trained model: its files, what was measured on them, and its card.

`card.json` holds the facts for programs; `card.md` says the same to people. No figure
comes from anywhere else. `golden.json` has what it answers to the golden pictures, by
which a worker knows that it loads what was published.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.inference import weights
from apps.inference.predictors.families import engines_of, family_of
from apps.inference.serving import golden
from apps.inference.starter.training import Task, Trainer

LICENCE = "Apache-2.0"
DATA = (
    "Scenes that apps/inference/starter draws from numbered seeds: foods, look-alikes, "
    "clutter, backgrounds, and the flaws of cameras. Nobody's pictures are in it. Each "
    "scene is seen once, and the held-out scenes never."
)
LIMITS = (
    "It knows drawn food, not photographs: what a camera sees of real food may be "
    "named wrongly or not at all. It is made to show that the whole way works, "
    "without a download. Don't let it decide anything that matters."
)


HELD_OUT_SCENES = 500


def publish(
    task: Task, trainer: Trainer, directory: Path, command: str
) -> dict[str, Any]:
    """Write a version's weights, measure them as they lie there, write both cards."""
    directory.mkdir(parents=True, exist_ok=True)
    task.save(trainer.average, directory)
    path = directory / weights.WEIGHTS_NAME
    tensors = weights.load_state_dict(directory)
    learned = [name for name, _ in task.network.named_parameters()]
    card = {
        "name": task.name,
        "description": task.description,
        "labels": task.labels,
        "parameters": sum(tensors[name].numel() for name in learned),
        "data": DATA,
        "seed": task.seed,
        "steps": trainer.steps,
        "batch_size": task.batch_size,
        "command": command,
        "evaluation": task.evaluation,
        "figures": task.evaluate(directory, HELD_OUT_SCENES),
        "licence": LICENCE,
        "limits": LIMITS,
        "sha256": weights.sha256_of(path),
        "bytes": path.stat().st_size,
    }
    text = json.dumps(card, indent=2, ensure_ascii=False)
    (directory / weights.CARD_NAME).write_text(text + "\n")
    (directory / "card.md").write_text(_as_markdown(card))
    write_golden(directory)
    return card


def write_golden(directory: Path) -> None:
    """Write what the reference engine answers to the golden pictures."""
    family = importlib.import_module(settings.PREDICTOR_FAMILIES[family_of(directory)])
    predictor = family.load(directory, engine=engines_of(directory)[0])
    answers = golden.recorded(golden.examined(predictor))
    text = json.dumps({"answers": answers}, separators=(",", ":"))
    (directory / weights.GOLDEN_NAME).write_text(text + "\n")


def _as_markdown(card: Mapping[str, Any]) -> str:
    figures = "\n".join(
        f"| {name.replace('_', ' ')} | {_readable(value)} |"
        for name, value in card["figures"].items()
    )
    return f"""# {card["name"]}

{card["description"]}

- **Labels:** {", ".join(card["labels"])}
- **Parameters:** {card["parameters"]:,} in {card["bytes"]:,} bytes
- **Licence:** {card["licence"]}
- **SHA-256** of `{weights.WEIGHTS_NAME}`: `{card["sha256"]}`

## Figures

{card["evaluation"]}

| Figure | Measured |
|---|---|
{figures}

## Data and training

{card["data"]}

{card["steps"]:,} steps of {card["batch_size"]} scenes, seed {card["seed"]}:

    {card["command"]}

## Limits

{card["limits"]}
"""


def _readable(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_readable(part)}" for name, part in value.items())
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
