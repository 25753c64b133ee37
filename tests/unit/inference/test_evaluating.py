"""Figures are what one counts by hand, and each version is held against one data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from apps.inference import jobs
from apps.inference.datasets import add_picture, keeping
from apps.inference.evaluating import evaluations, shown
from apps.inference.evaluating.job import evaluate
from apps.inference.evaluating.scoring import Answered, figures_of
from apps.inference.evaluating.shown import Shown, data_of
from apps.inference.evaluating.vocabulary import Vocabulary
from apps.inference.exceptions import DatasetError, InferenceError, NotVerifiedError
from apps.inference.i420 import i420_to_rgb
from apps.inference.jobs.doing import do
from apps.inference.models import Dataset, Evaluation, Job, ModelVersion
from apps.inference.types import (
    Box,
    Classification,
    Detection,
    Prediction,
    Timings,
)

from .dataset_files import HEIGHT, WIDTH, picture

NO_TIME = Timings(0, 0, 0)
MIDDLE = [WIDTH / 4, HEIGHT / 4, WIDTH * 3 / 4, HEIGHT * 3 / 4]


def there(label: str, *box: float) -> dict[str, Any]:
    return {"label": label, "box": list(box)} if box else {"label": label}


def detected(*found: tuple[str, float, tuple[float, ...]]) -> Prediction:
    return Prediction(
        NO_TIME,
        detections=tuple(
            Detection(Box(*box), label, score) for label, score, box in found
        ),
    )


def classified(*labels: str) -> Prediction:
    return Prediction(
        NO_TIME, classifications=tuple(Classification(each, 0.5) for each in labels)
    )


A, B = (0.0, 0.0, 10.0, 10.0), (20.0, 20.0, 30.0, 30.0)


def test_boxes_are_counted_as_coco_does():
    figures = figures_of(
        [
            # Both are found, one of them with an IoU of 0.7 only.
            Answered(
                [there("hot dog", *A), there("cup", *B)],
                detected(("Hot Dog", 0.9, A), ("cup", 0.8, (20, 20, 27, 30))),
            ),
            # The hot dog is taken for a cup, and one is seen where nothing is.
            Answered([there("hot dog", *A)], detected(("cup", 0.6, A))),
            Answered([], detected(("hot dog", 0.4, B))),
        ],
        ["Hot Dog", "cup", "plane"],
    )
    labels = {each["label"]: each for each in figures["labels"]}
    # One of two hot dogs, at full precision: 51 of 101 points of recall.
    assert labels["hot dog"]["ap50"] == pytest.approx(51 / 101, abs=1e-4)
    assert labels["hot dog"]["ap50_95"] == pytest.approx(51 / 101, abs=1e-4)
    assert labels["cup"]["ap50"] == 1
    # Right for the thresholds 0.5 to 0.7, wrong for those from 0.75 on.
    assert labels["cup"]["ap50_95"] == pytest.approx(0.5)
    assert figures["map50"] == pytest.approx((51 / 101 + 1) / 2, abs=1e-4)
    assert (
        labels["hot dog"] | {"there": 2, "recall": 0.5, "precision": 0.5}
        == (labels["hot dog"])
    )
    assert labels["cup"] | {"there": 1, "recall": 1, "precision": 0.5} == labels["cup"]
    assert figures["confusion"] == {
        "labels": ["cup", "hot dog", "nothing"],
        "counts": [[1, 0, 0], [1, 1, 0], [0, 1, 0]],
    }
    # Only the first is said to be a hot dog: 0.4 is too little for the verdict.
    assert (figures["verdict_precision"], figures["verdict_recall"]) == (1, 0.5)
    assert figures["only_in_version"] == ["plane"]
    assert "top1" not in figures


def test_a_label_that_a_version_does_not_know_is_never_found_and_said():
    figures = figures_of(
        [
            Answered([there("hot dog", *A)], detected(("hot dog", 0.9, A))),
            Answered([there("bun", *A)], detected()),
        ],
        ["hot dog"],
    )
    assert figures["map50"] == 0.5
    assert figures["only_in_data"] == ["bun"]


def test_what_the_data_has_no_name_for_is_no_false_alarm_of_another_label():
    figures = figures_of(
        [Answered([there("cup", *A)], detected(("plane", 0.9, A), ("cup", 0.8, A)))],
        ["cup", "plane"],
    )
    assert figures["map50"] == 1
    assert figures["confusion"]["labels"] == ["cup", "nothing", "another label"]


def test_a_classifier_is_right_if_its_best_label_is_there():
    figures = figures_of(
        [
            Answered([there("hot dog")], classified("hotdog, hot dog, red hot")),
            Answered([there("cup", *A), there("hot dog", *B)], classified("cup")),
            Answered([there("cup")], classified("nothing", "cup")),
            Answered([], classified("nothing")),
        ],
        ["hotdog, hot dog, red hot", "cup", "nothing"],
    )
    assert figures["top1"] == 0.75
    assert "map50" not in figures
    assert figures["confusion"] == {
        "labels": ["cup", "hot dog", "nothing"],
        "counts": [[1, 0, 1], [0, 1, 0], [0, 0, 1]],
    }
    assert (figures["verdict_precision"], figures["verdict_recall"]) == (1, 0.5)


def test_a_classifier_without_a_word_for_nothing_is_not_asked_for_it():
    figures = figures_of(
        [
            Answered([there("cup")], classified("cup")),
            Answered([], classified("cup")),
        ],
        ["cup"],
    )
    assert figures["top1"] == 1


def test_a_detector_is_judged_by_whole_pictures_where_nobody_drew_boxes():
    figures = figures_of(
        [
            Answered([there("hot dog")], detected(("hot dog", 0.9, A))),
            Answered([there("cup")], detected()),
        ],
        ["cup", "hot dog"],
    )
    assert "map50" not in figures
    assert figures["confusion"]["counts"] == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert figures["verdict_recall"] == 1


def test_nothing_to_find_and_nothing_found_has_no_figures():
    figures = figures_of([Answered([], detected())], ["cup"])
    assert set(figures) == {"labels", "confusion", "only_in_data", "only_in_version"}


def test_labels_are_the_same_by_name():
    words = Vocabulary(["Hot  Dog", "hot dog", "nothing"], ["HOT DOG", "Nothing"])
    assert words.labels == ["Hot  Dog"]
    assert words.of("hot dog") == "Hot  Dog"
    assert words.of("nothing") == "nothing"
    assert words.of("hot") is None
    assert words.knows_nothing
    assert (words.only_in_data, words.only_in_version) == ([], [])


def test_a_picture_is_shown_as_a_camera_sends_it():
    image = np.zeros((49, 65, 3), np.uint8)
    image[:, :, 0] = 200
    frame = Shown(image, []).frame(3)
    assert (frame.width, frame.height, frame.seq) == (64, 48, 3)
    assert np.abs(i420_to_rgb(frame).astype(int) - image[:48, :64]).max() <= 6


@pytest.mark.django_db
class TestOfAVersion:
    @pytest.fixture(autouse=True)
    def small(
        self, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.DATASETS_DIR = tmp_path / "datasets"
        monkeypatch.setattr(shown, "SCENES", 3)
        monkeypatch.setattr(shown, "LABELLED_SCENES", 2)
        monkeypatch.setattr(jobs, "ring", lambda: None)

    @pytest.fixture
    def kitchen(self) -> Dataset:
        """Of three held-out pictures, two show what a scripted version always says."""
        dataset = keeping.create("kitchen")
        said: list[list[dict[str, Any]]] = [
            [there("hot dog", *MIDDLE)],
            [there("hot dog", *MIDDLE)],
            [],
        ]
        for seed, each in enumerate(said):
            add_picture(dataset, picture(seed), each, split="held_out")
        add_picture(dataset, picture(9), [there("cup", *MIDDLE)], split="train")
        return dataset

    @pytest.fixture
    def version(self, scripted_version: Callable[..., ModelVersion]) -> ModelVersion:
        return scripted_version(labels=["hot dog"])

    def test_a_job_evaluates_on_a_datasets_held_out_pictures(
        self, version: ModelVersion, kitchen: Dataset
    ):
        evaluations.request(version, kitchen)
        job = jobs.take_next()
        assert job
        do(job)
        job.refresh_from_db()
        assert (job.state, job.reason) == (Job.State.DONE, "")
        evaluation = Evaluation.objects.get(pk=job.result["evaluation"])
        assert evaluation.job == job
        assert (evaluation.version, evaluation.dataset) == (version, kitchen)
        assert evaluation.pictures == 3
        assert evaluation.data_sha256 == keeping.checksum(kitchen, "held_out")
        assert evaluation.figures["verdict_precision"] == pytest.approx(2 / 3, abs=1e-4)
        assert evaluation.figures["verdict_recall"] == 1
        assert evaluation.figures["engine"] == "scripted"
        assert job.result["map50"] == evaluation.figures["map50"]

    def test_the_same_is_the_same_again(self, version: ModelVersion, kitchen: Dataset):
        for _ in range(2):
            call_command("evaluate", "scripted", "--dataset", "kitchen")
        one, other = Evaluation.objects.all()
        assert (one.figures, one.data_sha256) == (other.figures, other.data_sha256)

    def test_the_scenes_are_always_there(
        self, version: ModelVersion, capsys: pytest.CaptureFixture[str]
    ):
        call_command("evaluate", "scripted", "--json")
        said = json.loads(capsys.readouterr().out)
        assert (said["dataset"], said["pictures"]) == (None, 5)
        assert "map50" in said["figures"]

    def test_a_person_reads_a_table(
        self,
        version: ModelVersion,
        kitchen: Dataset,
        capsys: pytest.CaptureFixture[str],
    ):
        call_command("evaluate", "scripted", "--dataset", "kitchen")
        said = capsys.readouterr().out
        assert "verdict recall" in said
        assert "3 pictures of kitchen" in said
        assert "hot dog  2      0.667      1.000" in said

    def test_versions_are_laid_side_by_side(
        self,
        scripted_version: Callable[..., ModelVersion],
        kitchen: Dataset,
        capsys: pytest.CaptureFixture[str],
    ):
        names = []
        for label in ("hot dog", "cup"):
            version = scripted_version(label=label, labels=[label])
            names.append(f"scripted:{version.version}")
            call_command("evaluate", names[-1], "--dataset", "kitchen")
        capsys.readouterr()
        call_command("evaluate", "compare", *names, "--dataset", "kitchen")
        printed = capsys.readouterr()
        lines = printed.out.splitlines()
        assert lines[0].split()[:2] == ["version", "mAP50"]
        assert [line.split()[1] for line in lines[1:3]] == [
            name.removeprefix("scripted:") for name in names
        ]
        assert printed.err == ""

        add_picture(kitchen, picture(4), [], split="held_out")
        call_command("evaluate", names[0], "--dataset", "kitchen")
        capsys.readouterr()
        call_command("evaluate", "compare", *names, "--dataset", "kitchen")
        assert "have not answered the same pictures" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("nobody",), "No model is called nobody"),
            (("scripted", "scripted"), "One version is evaluated at a time"),
            (("scripted", "--dataset", "x"), "No dataset is called 'x'"),
            (("scripted", "--dataset", "empty"), "empty has no held-out pictures"),
            (("compare",), "No version has been evaluated on held-out scenes yet"),
            (("compare", "scripted"), "has not been evaluated on held-out scenes yet"),
        ],
    )
    def test_what_cannot_be_evaluated(
        self, version: ModelVersion, arguments: tuple[str, ...], sentence: str
    ):
        keeping.create("empty")
        with pytest.raises(CommandError, match=sentence):
            call_command("evaluate", *arguments)

    def test_what_nobody_has_verified_is_not_evaluated(self, version: ModelVersion):
        version.state = ModelVersion.State.FAILED
        version.save()
        with pytest.raises(NotVerifiedError, match="has not been verified"):
            evaluations.request(version, None)
        with pytest.raises(CommandError, match="has not been verified"):
            call_command("evaluate", "scripted")
        assert not Job.objects.exists()

    def test_one_that_is_removed_meanwhile_fails_the_job(self, version: ModelVersion):
        evaluations.request(version, None)
        version.delete()
        job = jobs.take_next()
        assert job
        do(job)
        job.refresh_from_db()
        assert job.reason == "The version has been removed meanwhile."

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("gone", ["version", "dataset"])
    def test_what_is_removed_at_the_last_moment_is_said(
        self, version: ModelVersion, kitchen: Dataset, gone: str
    ):
        removed = {"version": version, "dataset": kitchen}[gone]

        class Removing:
            def tell(self, share: float, words: str) -> None:
                if words == "Counting.":
                    type(removed)._default_manager.filter(pk=removed.pk).delete()

        with pytest.raises(InferenceError, match=f"The {gone} has been removed"):
            evaluate(version, kitchen, Removing())

    def test_a_split_without_pictures_is_refused(self):
        with pytest.raises(DatasetError, match="has no held-out pictures"):
            data_of(keeping.create("bare"))
