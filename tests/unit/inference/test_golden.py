"""A version answers golden pictures as it did when it was verified, or stays out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from django.conf import settings

from apps.inference import weights
from apps.inference.comparison import Bounds, Candidates
from apps.inference.engines.choice import available_engines
from apps.inference.exceptions import VerificationError
from apps.inference.predictors import classifier, yolov5
from apps.inference.registering.registry import STARTER_MODELS, register_version
from apps.inference.serving import golden
from apps.inference.serving.golden import check, examined, golden_frames, recorded
from apps.inference.types import Frame


@dataclass
class Sayer:
    """Answers each picture as it is told."""

    answers: list[Candidates]

    def examine(self, frames: Sequence[Frame]) -> list[Candidates]:
        return [self.answers[frame.seq] for frame in frames]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "PAUSE_S", 0.0)


def boxes(*, moved: float = 0.0, score: float = 0.9) -> Candidates:
    corner = torch.tensor([[100.0, 50.0, 200.0, 150.0], [10.0, 10.0, 60.0, 50.0]])
    return Candidates(torch.tensor([[score, 0.1], [0.05, 0.3]]), corner + moved)


def labels(*scores: float) -> Candidates:
    return Candidates(torch.tensor([scores]))


def kept(answers: list[Candidates]) -> golden.Golden:
    """As it comes back from the database."""
    return json.loads(json.dumps(recorded(answers)))  # type: ignore[no-any-return]


@pytest.mark.parametrize("answer", [boxes(), labels(0.7, 0.2, 0.1)])
def test_the_same_answers_agree(answer: Candidates):
    answers = [answer] * golden.PICTURES
    found = check(Sayer(answers), kept(answers))
    assert found["pictures"] == golden.PICTURES
    assert found["largest_score_difference"] < 0.001
    assert Bounds().lowest_iou < (found["lowest_iou"] or 1)


@pytest.mark.parametrize(
    ("answer", "other", "words"),
    [
        (boxes(), boxes(moved=3), "an IoU down to 0.769"),
        (boxes(), boxes(score=0.8), "scores differ by up to 0.100"),
        (labels(0.7, 0.2, 0.1), labels(0.1, 0.2, 0.7), "the best label is another"),
        (labels(0.7, 0.3), labels(float("nan"), 0.3), "NaN"),
    ],
)
def test_one_other_answer_is_enough_to_stay_out(
    answer: Candidates, other: Candidates, words: str
):
    answers = [answer] * golden.PICTURES
    with pytest.raises(VerificationError, match=words):
        check(Sayer([*answers[:-1], other]), kept(answers))


def test_a_label_beyond_the_best_ones_is_another_label():
    many = torch.full((1, 200), 0.001)
    many[0, :60] = 0.004
    many[0, 0] = 0.5
    other = many.clone()
    other[0, [0, 199]] = torch.tensor([0.48, 0.52])
    answers = [Candidates(many)] * golden.PICTURES
    with pytest.raises(VerificationError, match="the best label is another"):
        check(Sayer([Candidates(other)] * golden.PICTURES), kept(answers))


@pytest.mark.parametrize("engine", available_engines())
@pytest.mark.parametrize(
    ("name", "family"),
    [("starter-detector", yolov5), ("starter-classifier", classifier)],
)
def test_the_starters_answer_as_they_did_when_they_were_published(
    name: str, family: object, engine: str
):
    directory = Path(settings.BASE_DIR) / STARTER_MODELS / name
    published = weights.read_config(directory, weights.GOLDEN_NAME)["answers"]
    predictor = family.load(directory, engine=engine)  # type: ignore[attr-defined]
    assert check(predictor, published)["pictures"] == len(golden_frames())


@pytest.mark.django_db
def test_what_is_registered_brings_its_golden_answers(
    scripted_model: Callable[..., Path],
):
    directory = scripted_model()
    version = register_version(name="a", family="scripted", directory=directory)
    assert version.golden == []
    # A version that was registered before there were any gets them, too.
    answers = kept(examined(Sayer([labels(0.9, 0.0)] * golden.PICTURES)))
    (directory / weights.GOLDEN_NAME).write_text(json.dumps({"answers": answers}))

    version = register_version(name="a", family="scripted", directory=directory)

    assert version.golden == answers
