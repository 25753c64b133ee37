"""The whole job: a version with its lineage, or a sentence and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError
from pytest_django import Settings
from safetensors.torch import save_file

from apps.inference import jobs, weights
from apps.inference.datasets import keeping
from apps.inference.engines import TORCH_CPU
from apps.inference.evaluating import shown
from apps.inference.exceptions import InferenceError
from apps.inference.finetuning import course, job, plan
from apps.inference.finetuning.job import finetune
from apps.inference.finetuning.plan import Choices
from apps.inference.jobs import CancelledError
from apps.inference.models import Dataset, Evaluation, Job, ModelVersion
from apps.inference.predictors.yolov5_network import YOLOv5
from apps.inference.registering.registry import register_version
from apps.inference.verifying import verification

from .conftest import Draw

pytestmark = pytest.mark.django_db
State = ModelVersion.State
BRIEFLY = Choices(steps=3, learning_rate=1e-3, seed=5, rehearsal=0.5)


class KilledError(BaseException):
    """As a process ends that is killed: nothing is done about it."""


class Told:
    """A progress that may stop the job, or kill it, at some words."""

    def __init__(self, at: str = "", error: type[BaseException] | None = None) -> None:
        self._at, self._error = at, error
        self.said: list[tuple[float, str]] = []

    def tell(self, share: float, words: str) -> None:
        self.said.append((share, words))
        if self._error and self._at in words:
            raise self._error


@pytest.fixture(autouse=True)
def places(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verified on the reference alone: engines are tested elsewhere."""
    settings.MODELS_DIR, settings.DATASETS_DIR = tmp_path / "models", tmp_path / "sets"
    monkeypatch.setattr(verification, "engines_to_try", lambda *_: [TORCH_CPU])
    monkeypatch.setattr(job, "WORKERS", 0)
    monkeypatch.setattr(shown, "SCENES", 2)
    monkeypatch.setattr(shown, "LABELLED_SCENES", 1)
    monkeypatch.setattr(jobs, "ring", lambda: None)


@pytest.fixture
def parent(yolov5: Path) -> ModelVersion:
    """With weights so calm that several pictures at once change no digit."""
    save_file(YOLOv5(2, 0.33, 0.125).state_dict(), yolov5 / weights.WEIGHTS_NAME)
    return register_version(name="mine", family="yolov5", directory=yolov5)


@pytest.fixture
def slippers(draw: Draw) -> Dataset:
    """Three pictures to train on, one of them without a box, and one held out."""
    dataset = keeping.create("slippers")
    for number, has_box in enumerate((True, True, False, True)):
        picture = draw(at=(5 + 10 * number, 30), has_box=has_box)
        said: dict[str, Any] = {"label": "slipper"}
        if has_box:
            said["box"] = picture.boxes[0]
        keeping.add_picture(
            dataset,
            picture.path.read_bytes(),
            [said],
            split="held_out" if number == 3 else "train",
        )
    return dataset


@pytest.fixture
def asked(parent: ModelVersion, slippers: Dataset, admin_user: Any) -> Job:
    asked = plan.request(parent, slippers, BRIEFLY, admin_user)
    assert jobs.take(asked)
    return asked


def files_in(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def nothing_is_left(parent: ModelVersion, settings: Settings) -> bool:
    alone = [*ModelVersion.objects.all()] == [parent]
    return alone and not files_in(settings.MODELS_DIR)


def test_what_comes_of_it_is_a_verified_version_that_waits(
    asked: Job, parent: ModelVersion, settings: Settings, admin_user: Any
):
    told = Told()
    result = finetune(asked.parameters, told)

    version = ModelVersion.objects.get(pk=result["version"])
    assert (version.model, version.parent) == (parent.model, parent)
    assert version.state == State.VERIFIED
    assert version.version == version.sha256[:8] != parent.version
    assert version.added_by == admin_user
    assert version.card["labels"] == ["hot dog", "pizza", "slipper"]
    assert not version.deployments.exists()
    assert {path.parent for path in files_in(settings.MODELS_DIR)} == {version.path}
    shares = [share for share, _ in told.said]
    assert shares == sorted(shares)
    assert any("step 2 of 3, loss " in words for _, words in told.said)


def test_its_lineage_is_enough_to_make_it_again(asked: Job, slippers: Dataset):
    lineage = ModelVersion.objects.get(
        pk=finetune(asked.parameters, Told())["version"]
    ).lineage
    assert lineage["dataset"] == "slippers"
    assert len(lineage["data_sha256"]) == 64
    assert (lineage["pictures"], lineage["left_out"]) == (2, 1)
    assert (lineage["steps"], lineage["seed"]) == (3, 5)
    assert (lineage["learning_rate"], lineage["rehearsal"]) == (1e-3, 0.5)
    assert lineage["code"]
    assert lineage["torch"].startswith("2.")
    assert [step for step, _ in lineage["curve"]] == [1, 2, 3]
    steps, figures = zip(*lineage["validation"], strict=True)
    assert steps == (0, 1, 2, 3)
    assert all({"map50", "map50_95"} <= each.keys() for each in figures)


def test_what_is_learned_is_seen_meanwhile(asked: Job):
    seen = []

    class Watched(Told):
        def tell(self, share: float, words: str) -> None:
            super().tell(share, words)
            if "Training" in words:
                seen.append(Job.objects.get().result)

    finetune(asked.parameters, Watched())
    assert [len(each.get("curve", ())) for each in seen] == [0, 1, 2, 3]
    assert len(seen[-1]["validation"]) == 4


def test_without_held_out_pictures_it_learns_all_the_same(
    asked: Job, slippers: Dataset
):
    slippers.examples.filter(split="held_out").delete()
    result = finetune(asked.parameters, Told())
    lineage = ModelVersion.objects.get(pk=result["version"]).lineage
    assert (len(lineage["curve"]), lineage["validation"]) == (3, [])


def test_a_held_out_picture_that_is_gone_costs_only_figures(
    asked: Job, slippers: Dataset
):
    slippers.examples.get(split="held_out").path.unlink()
    result = finetune(asked.parameters, Told())
    lineage = ModelVersion.objects.get(pk=result["version"]).lineage
    assert (len(lineage["curve"]), lineage["validation"]) == (3, [])
    assert "missing" in result["figures"]


def test_it_is_evaluated_beside_its_parent(
    asked: Job, parent: ModelVersion, slippers: Dataset
):
    result = finetune(asked.parameters, Told())
    assert [*result["figures"]] == ["slippers", "held-out scenes"]
    for name, pictures in (("slippers", 1), ("held-out scenes", 3)):
        figures = result["figures"][name]
        assert figures["pictures"] == pictures
        assert figures["before"].keys() == figures["after"].keys() != set()
    # The parent's figures of the same pictures are had once.
    again = plan.request(parent, slippers, Choices(steps=2, rehearsal=0.5))
    finetune(again.parameters, Told())
    assert Evaluation.objects.filter(version=parent).count() == 2


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (DatabaseError("gone"), "It failed in a way nobody foresaw; the log says how."),
        (MemoryError(), "It failed in a way nobody foresaw; the log says how."),
        (InferenceError("It has no pictures."), "It has no pictures."),
    ],
)
def test_a_version_that_cannot_be_evaluated_is_a_version_all_the_same(
    asked: Job,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    sentence: str,
):
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(job, "compare", fail)
    result = finetune(asked.parameters, Told())
    version = ModelVersion.objects.get(pk=result["version"])
    assert version.state == State.VERIFIED
    assert result["figures"] == {"missing": sentence}
    assert f"{version} has no figures" in caplog.text


def test_the_version_is_named_before_it_is_evaluated(
    asked: Job, kill: Callable[[Job, str], None]
):
    kill(asked, "Counting")
    version = ModelVersion.objects.exclude(parent=None).get()
    assert Job.objects.get().result == {"version": version.pk}


@pytest.mark.parametrize("words", ["step 2", "Measuring", "Counting"])
def test_one_that_is_cancelled_leaves_nothing(
    asked: Job,
    parent: ModelVersion,
    settings: Settings,
    django_capture_on_commit_callbacks: Any,
    words: str,
):
    Job.objects.update(is_cancelling=True)
    told = Told(words, CancelledError)
    with (
        django_capture_on_commit_callbacks(execute=True),
        pytest.raises(CancelledError),
    ):
        finetune(asked.parameters, told)
    assert "version" not in Job.objects.get().result
    assert nothing_is_left(parent, settings)


def test_one_that_another_process_has_taken_keeps_what_that_needs(
    asked: Job, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(course, "STEPS_PER_CHECKPOINT", 1)
    with pytest.raises(CancelledError):
        finetune(asked.parameters, Told("step 2", CancelledError))
    assert [path.name for path in files_in(settings.MODELS_DIR)] == ["checkpoint.pt"]


def test_one_that_fails_leaves_nothing(
    asked: Job, parent: ModelVersion, settings: Settings, slippers: Dataset
):
    for row in slippers.examples.filter(split="train"):
        row.path.unlink()
    with pytest.raises(InferenceError, match="is missing or damaged"):
        finetune(asked.parameters, Told())
    assert nothing_is_left(parent, settings)


def test_a_full_disk_is_a_sentence(
    asked: Job, parent: ModelVersion, settings: Settings
):
    folder = plan.Plan.read(asked.parameters).folder
    folder.mkdir(parents=True)
    (folder / "checkpoint.part").symlink_to("/dev/full")
    with pytest.raises(InferenceError, match=r"disk refused.*: No space left"):
        finetune(asked.parameters, Told())
    assert nothing_is_left(parent, settings)


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Callable[[Job, str], None]:
    """Run a job that is killed at some words, so that it can't clear up."""

    def run(asked: Job, words: str) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(job, "clear_up", lambda plan: None)
            with pytest.raises(KilledError):
                finetune(asked.parameters, Told(words, KilledError))

    return run


@pytest.mark.parametrize("words", ["step 3", "Measuring"])
def test_one_that_was_killed_goes_on(
    asked: Job,
    kill: Callable[[Job, str], None],
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    words: str,
):
    monkeypatch.setattr(course, "STEPS_PER_CHECKPOINT", 2)
    kill(asked, words)
    told = Told()
    result = finetune(asked.parameters, told)

    steps = [words for _, words in told.said if "step" in words]
    assert "step 2 of 3" in steps[0] or "step 3 of 3" in steps[0]
    version = ModelVersion.objects.exclude(parent=None).get()
    assert version.pk == result["version"]
    assert {path.parent for path in files_in(settings.MODELS_DIR)} == {version.path}


def test_one_that_was_killed_after_it_was_registered_is_registered_once(asked: Job):
    first = finetune(asked.parameters, Told())
    assert finetune(asked.parameters, Told())["version"] == first["version"]
    assert ModelVersion.objects.count() == 2


def test_what_a_killed_job_left_goes_when_nobody_goes_on_with_it(
    asked: Job,
    kill: Callable[[Job, str], None],
    parent: ModelVersion,
    settings: Settings,
):
    kill(asked, "Measuring")
    plan.remove_abandoned()
    assert not nothing_is_left(parent, settings)
    Job.objects.update(state=Job.State.CANCELLED)
    plan.remove_abandoned()
    assert nothing_is_left(parent, settings)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"steps": 0}, "steps must be between 1 and"),
        ({"learning_rate": 1.0}, "learning rate must be between"),
        ({"learning_rate": float("nan")}, "learning rate must be between"),
        ({"seed": -1}, "seed must be between"),
        ({"rehearsal": 1.0}, "rehearsal must be between 0 and 0.9"),
    ],
)
def test_choices_out_of_bounds_are_refused(
    parent: ModelVersion, slippers: Dataset, changes: dict[str, Any], why: str
):
    with pytest.raises(InferenceError, match=why):
        plan.request(parent, slippers, Choices(**changes))
    assert not Job.objects.exists()


def test_a_dataset_of_nothing_to_train_on_is_refused(
    parent: ModelVersion, slippers: Dataset
):
    slippers.examples.update(split="held_out")
    with pytest.raises(InferenceError, match="no pictures to train on"):
        plan.request(parent, slippers)


@pytest.mark.parametrize(
    ("family", "why"),
    [
        ("exported", "was exported"),
        ("transformers-detector", "detector of transformers"),
        ("scripted", "of the family scripted"),
    ],
)
def test_families_that_cannot_be_trained_are_refused(
    parent: ModelVersion, slippers: Dataset, family: str, why: str
):
    parent.model.family = family
    parent.model.save()
    with pytest.raises(InferenceError, match=why):
        plan.request(parent, slippers)


def test_a_version_that_is_not_verified_is_no_parent(
    parent: ModelVersion, slippers: Dataset
):
    ModelVersion.objects.update(state=State.FAILED)
    parent.refresh_from_db()
    with pytest.raises(InferenceError, match="isn't verified"):
        plan.request(parent, slippers)


def test_what_is_gone_when_the_job_begins_is_said(asked: Job, slippers: Dataset):
    slippers.delete()
    with pytest.raises(InferenceError, match="dataset has been removed"):
        finetune(asked.parameters, Told())
