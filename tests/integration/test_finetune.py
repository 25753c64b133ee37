"""A finetune as the command starts it: worth its minutes, and safe from a kill."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bench.processes import CHECKOUT, wait_until
from bench.product import Product
from bench.records import deploy_starters

from .job_rows import lose, read

pytestmark = pytest.mark.long
PATIENCE_S = 300.0
# Of any figure on the built-in scenes; measured once: 0.084, of verdict precision.
FORGOTTEN = 0.1


def fill(name: str, pictures: int, held_out: int) -> None:
    """Make a dataset of hot dogs that our own scenes never draw."""
    import cv2

    from apps.inference.datasets import keeping
    from tests.strange_scenes import strange_scene

    dataset = keeping.create(name)
    for seed in range(pictures + held_out):
        scene = strange_scene(seed)
        encoded = cv2.imencode(".png", scene.image[..., ::-1])[1].tobytes()
        said = [{"label": label, "box": [*box]} for label, box in scene.objects]
        split = "train" if seed < pictures else "held_out"
        keeping.add_picture(dataset, encoded, said, split=split)


def request(parent: str, dataset: str, **choices: Any) -> int:
    from apps.inference.datasets import keeping
    from apps.inference.finding import find_version
    from apps.inference.finetuning import plan

    chosen = plan.Choices(**choices)
    return plan.request(find_version(parent), keeping.find(dataset), chosen).pk


def children() -> list[dict[str, Any]]:
    from apps.inference.models import ModelVersion

    rows = ModelVersion.objects.exclude(parent=None)
    return [{"folder": str(row.path), **row.lineage} for row in rows]


def processes_of(job: int) -> list[int]:
    """Those of ours that do it: the one that trains, and those that draw scenes."""
    command = "\0".join(["manage.py", "jobs", "do", str(job), ""]).encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile, or is somebody else's
            ours = os.readlink(place / "cwd") == str(CHECKOUT)
            if ours and (place / "cmdline").read_bytes().endswith(command):
                found.append(int(place.name))
    return found


@pytest.fixture
def models(product: Product) -> Path:
    """Where versions are kept that aren't in the tree, and what is on its way there."""
    product.env["MODELS_DIR"] = str(product.directory / "models")
    product.inside(deploy_starters)
    return product.directory / "models"


def test_a_detector_learns_what_it_missed_and_forgets_little(
    product: Product, models: Path
):
    product.inside(fill, "strange", pictures=30, held_out=20)
    job = product.inside(request, "starter-detector", "strange")
    product.manage("jobs", "run", str(job))

    figures = json.loads(read(product, job)["result"])["figures"]
    strange, scenes = figures["strange"], figures["held-out scenes"]
    assert strange["before"]["verdict_recall"] < 0.2
    assert strange["after"]["verdict_recall"] > 0.9
    assert strange["after"]["verdict_precision"] > 0.9
    assert strange["after"]["map50"] > 0.9
    for name, before in scenes["before"].items():
        assert scenes["after"][name] > before - FORGOTTEN, name


def test_one_whose_worker_is_killed_goes_on_and_makes_one_version(
    product: Product, models: Path
):
    product.inside(fill, "strange", pictures=6, held_out=0)
    job = product.inside(request, "starter-detector", "strange", steps=45, rehearsal=0)
    worker = product.start("jobs")
    wait_until(lambda: [*models.rglob("checkpoint.pt")], "a checkpoint", PATIENCE_S)
    assert processes_of(job)

    worker.kill()

    del product.processes["jobs"]
    wait_until(lambda: not processes_of(job), "all that trains to end with its worker")
    assert read(product, job)["state"] == "running"
    product.start("jobs")
    assert product.inside(lose, job) == 1
    steps: list[str] = []

    def is_over() -> bool:
        row = read(product, job)
        if row["attempts"] == 2 and row["step"].startswith("Training"):
            steps.append(row["step"])
        return bool(row["state"] == "done")

    wait_until(is_over, "it to end", PATIENCE_S)
    assert steps, "nothing was seen of the second training"
    assert not any("first steps" in step for step in steps)
    [version] = product.inside(children)
    assert [step for step, _ in version["curve"]] == [*range(1, 46)]
    files = [path for path in models.rglob("*") if path.is_file()]
    assert {str(path.parent) for path in files} == {version["folder"]}
    wait_until(lambda: not processes_of(job), "its processes to end")
