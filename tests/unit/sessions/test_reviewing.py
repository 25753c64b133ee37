"""What a reviewer makes of captures, on the page and typed, and who may."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.inference import datasets
from apps.inference.models import Dataset, Example
from apps.sessions import retention, reviewing
from apps.sessions.models import CameraSession, Capture, CaptureAccess
from apps.sessions.reviewing import ReviewError, suggestions
from tests.unit.sessions.conftest import KeepOne, files, still

State = Capture.State
CUP: list[dict[str, Any]] = [{"label": "cup", "box": [8, 8, 24, 20]}]


def user_with(*permissions: str) -> User:
    user = User.objects.create_user("-".join(permissions) or "nobody", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


@pytest.fixture
def reviewer(client: Client, db: None) -> User:
    """Who is logged in, and may review."""
    user = user_with("review_capture", "view_capture", "view_camerasession")
    client.force_login(user)
    return user


@pytest.fixture
def dataset(captures_dir: Path, db: None) -> Dataset:
    return datasets.create("captures")


def address(name: str, *args: Any) -> str:
    return reverse(f"admin:emporium_sessions_{name}", args=args)


def decide(client: Client, capture: Capture, decision: str, **fields: Any) -> Any:
    posted = {
        "capture": capture.pk,
        "decision": decision,
        "annotations": json.dumps(CUP),
        "dataset": "captures",
        **fields,
    }
    return client.post(address("capture_decide"), posted, follow=True)


def review(client: Client, **query: str) -> Any:
    return client.get(address("capture_review"), query)


def words(response: Any) -> list[str]:
    return [str(each) for each in response.context["messages"]]


# --- decisions ------------------------------------------------------------------------


def test_an_accepted_capture_is_an_example_of_its_picture(
    keep: KeepOne, reviewer: User, dataset: Dataset, captures_dir: Path
):
    capture = reviewing.accept(keep().pk, reviewer, CUP, dataset)
    example = Example.objects.get()
    assert capture.example == example
    assert example.annotations == CUP
    assert example.source == f"capture {capture.pk}"
    assert example.path.read_bytes() == (captures_dir / capture.file).read_bytes()
    saved = Capture.objects.get()
    assert (saved.state, saved.annotations) == (State.ACCEPTED, CUP)
    assert (saved.reviewed_by, saved.reviewed_at) == (reviewer, capture.reviewed_at)
    assert CaptureAccess.objects.get().act == "reviewed"


def test_the_second_of_two_reviewers_is_told(
    keep: KeepOne, reviewer: User, dataset: Dataset
):
    capture = keep()
    reviewing.reject(capture.pk, user_with())
    with pytest.raises(ReviewError, match="was rejected by nobody meanwhile"):
        reviewing.accept(capture.pk, reviewer, CUP, dataset)
    assert not Example.objects.exists()


def test_what_was_removed_meanwhile_is_told(
    keep: KeepOne, session: CameraSession, reviewer: User, dataset: Dataset
):
    capture = keep()
    retention.purge(session.pk, None)
    with pytest.raises(ReviewError, match="removed meanwhile"):
        reviewing.accept(capture.pk, reviewer, CUP, dataset)


def test_a_picture_whose_file_is_gone_can_only_be_rejected(
    keep: KeepOne, reviewer: User, dataset: Dataset, captures_dir: Path
):
    capture = keep()
    (captures_dir / capture.file).unlink()
    with pytest.raises(ReviewError, match="is gone: reject it"):
        reviewing.accept(capture.pk, reviewer, CUP, dataset)
    assert Capture.objects.get().state == State.WAITING
    reviewing.reject(capture.pk, reviewer)


@pytest.mark.parametrize(
    "annotations",
    [
        {"label": "cup"},
        [7],
        [{"label": " "}],
        [{"label": "cup", "box": [0, 0, 65.5, 10]}],
        [{"label": "cup", "box": [10, 10, 10, 20]}],
    ],
)
def test_boxes_that_can_not_be_right_change_nothing(
    annotations: Any, keep: KeepOne, reviewer: User, dataset: Dataset
):
    with pytest.raises(ReviewError):
        reviewing.accept(keep().pk, reviewer, annotations, dataset)
    assert Capture.objects.get().state == State.WAITING
    assert not Example.objects.exists()
    assert files(dataset.directory) == []


@pytest.mark.django_db(transaction=True)
def test_a_decision_is_undone_by_who_took_it(
    keep: KeepOne, reviewer: User, dataset: Dataset
):
    capture = reviewing.accept(keep().pk, reviewer, CUP, dataset)
    with pytest.raises(ReviewError):
        reviewing.undo(capture.pk, user_with())
    reviewing.undo(capture.pk, reviewer)
    waiting = Capture.objects.get()
    assert (waiting.state, waiting.annotations) == (State.WAITING, [])
    assert (waiting.reviewed_by, waiting.example) == (None, None)
    assert not Example.objects.exists()
    assert files(dataset.directory) == []


@pytest.mark.django_db(transaction=True)
def test_a_picture_that_was_kept_twice_stays_until_both_are_taken_back(
    keep: KeepOne, reviewer: User, dataset: Dataset, captures_dir: Path
):
    first, second = keep(), keep()
    picture = (captures_dir / first.file).read_bytes()
    (captures_dir / second.file).write_bytes(picture)
    reviewing.accept(first.pk, reviewer, CUP, dataset)
    reviewing.accept(second.pk, reviewer, [], dataset)
    reviewing.undo(second.pk, reviewer)
    assert Example.objects.get().annotations == CUP
    assert len(files(dataset.directory)) == 1
    reviewing.undo(first.pk, reviewer)
    assert not Example.objects.exists()
    assert files(dataset.directory) == []


@pytest.mark.django_db(transaction=True)
def test_a_purge_takes_the_example_along(
    keep: KeepOne, session: CameraSession, reviewer: User, dataset: Dataset
):
    reviewing.accept(keep().pk, reviewer, CUP, dataset)
    assert retention.purge(session.pk, reviewer) == 1
    assert not Example.objects.exists()
    assert files(dataset.directory) == []


# --- what to begin with ---------------------------------------------------------------


def answered(*labels: str, is_hot_dog: bool = True) -> dict[str, Any]:
    detections = [
        {"label": label, "score": 0.9, "box": [0, 0, number + 1, 9]}
        for number, label in enumerate(labels)
    ]
    return {
        "is_hot_dog": is_hot_dog,
        "detections": detections,
        "classifications": [],
    }


@pytest.mark.parametrize(
    ("predicted", "said", "labels"),
    [
        (answered("hot dog", "cup"), {}, ["hot dog", "cup"]),
        (answered("hot dog", "cup"), {"is_hot_dog": False, "label": ""}, ["cup"]),
        (
            answered("cup", "hot dog"),
            {"is_hot_dog": False, "label": "banana"},
            ["banana", "cup"],
        ),
        (
            answered("banana", "cup", is_hot_dog=False),
            {"is_hot_dog": True, "label": ""},
            ["hot dog", "cup"],
        ),
        (answered(is_hot_dog=False), {"is_hot_dog": True, "label": ""}, ["hot dog"]),
        (
            answered("banana", "pizza", is_hot_dog=False),
            {"is_hot_dog": False, "label": "cup"},
            ["cup", "pizza"],
        ),
        (
            answered("banana", "cup", is_hot_dog=False),
            {"is_hot_dog": False, "label": "cup"},
            ["banana", "cup"],
        ),
        (
            answered("banana", is_hot_dog=False),
            {"is_hot_dog": False, "label": ""},
            ["banana"],
        ),
        (answered("hot dog"), {"is_hot_dog": True, "label": ""}, ["hot dog"]),
    ],
)
def test_a_correction_begins_with_what_the_person_said(
    predicted: dict[str, Any], said: dict[str, Any], labels: list[str]
):
    capture = Capture(predicted=predicted, said=said)
    assert [each["label"] for each in suggestions(capture)["wrong"]] == labels


def test_a_classifier_names_the_whole_picture():
    predicted = {
        "is_hot_dog": True,
        "detections": [],
        "classifications": [{"label": "hotdog, hot dog", "score": 0.8}],
    }
    said = {"is_hot_dog": False, "label": "cup"}
    suggested = suggestions(Capture(predicted=predicted, said=said))
    assert suggested["right"] == [{"label": "hotdog, hot dog"}]
    assert suggested["wrong"] == [{"label": "cup"}]


# --- the page -------------------------------------------------------------------------


def test_the_page_shows_the_oldest_and_goes_on(
    client: Client, reviewer: User, keep: KeepOne
):
    first, second = keep(), keep(said={"is_hot_dog": False, "label": "cup"})
    page = client.get(address("capture_review"))
    assert page.context["capture"] == first
    assert page.context["waiting"] == 2
    page = decide(client, first, "accept")
    assert page.context["capture"] == second
    assert page.context["person_said"] == "Not a hot dog: cup"
    assert page.context["undoable"] == first.pk
    page = decide(client, second, "reject")
    assert page.context["capture"] is None
    page = decide(client, second, "undo")
    assert page.context["capture"] == second
    assert page.context["undoable"] == first.pk


def test_what_is_skipped_waits(client: Client, reviewer: User, keep: KeepOne):
    first, second = keep(), keep()
    page = client.get(address("capture_review"), {"after": first.pk})
    assert page.context["capture"] == second
    page = decide(client, second, "accept", after=first.pk)
    assert page.context["capture"] is None
    assert b"You have come to the end; 1 still waits." in page.content


def test_nothing_is_passed_over_that_was_taken_later_and_written_first(
    client: Client, reviewer: User, keep: KeepOne
):
    second, same, first = keep(), keep(), keep()
    earlier = first.taken_at - timedelta(seconds=1)
    Capture.objects.filter(pk=first.pk).update(taken_at=earlier)
    Capture.objects.filter(pk=same.pk).update(taken_at=second.taken_at)
    assert review(client).context["capture"] == first
    for skipped, following in pairwise([first, second, same, None]):
        assert skipped is not None
        page = review(client, after=str(skipped.pk))
        assert page.context["capture"] == following
    assert b"You have come to the end; 3 still wait." in page.content


def test_who_has_skipped_what_is_gone_by_now_begins_again(
    client: Client, reviewer: User, keep: KeepOne
):
    first, second = keep(), keep()
    Capture.objects.filter(pk=second.pk).delete()
    assert review(client, after=str(second.pk)).context["capture"] == first


def test_only_what_is_asked_for_is_shown(client: Client, reviewer: User, keep: KeepOne):
    keep()
    uncertain = keep(Capture.Reason.UNCERTAIN)
    page = client.get(address("capture_review"), {"reason": "uncertain"})
    assert (page.context["capture"], page.context["waiting"]) == (uncertain, 1)
    page = client.get(address("capture_review"), {"deployment": "another"})
    assert page.context["capture"] is None


def test_a_decision_that_can_not_be_taken_is_told_and_the_picture_stays(
    client: Client, reviewer: User, keep: KeepOne
):
    capture = keep()
    for fields in (
        {"annotations": "["},
        {"annotations": "[" * 20_000},
        {"annotations": '[{"label": ""}]'},
        {"dataset": "not a name"},
        {"dataset": ""},
        {"dataset": "n" * 81},
    ):
        page = decide(client, capture, "accept", **fields)
        assert len(words(page)) == 1
        assert page.context["capture"] == capture
    assert not Example.objects.exists()


def test_two_reviewers_at_once_on_the_page(
    client: Client, reviewer: User, keep: KeepOne
):
    first, second = keep(), keep()
    reviewing.reject(first.pk, user_with())
    page = decide(client, first, "accept")
    assert words(page) == ["That picture was rejected by nobody meanwhile."]
    assert page.context["capture"] == second
    assert page.context["undoable"] is None


@pytest.mark.parametrize("number", ["", "0", "-1", "x", "9" * 40, "²"])
def test_a_number_that_is_none_leads_nowhere(
    client: Client, reviewer: User, number: str
):
    response = client.get(address("capture_review"), {"after": number})
    assert response.status_code == 200
    posted = {"capture": number, "decision": "reject"}
    page = client.post(address("capture_decide"), posted, follow=True)
    assert words(page) == ["That picture has been removed meanwhile."]


def test_a_picture_is_private_and_each_look_at_it_is_written_down(
    client: Client, reviewer: User, keep: KeepOne, captures_dir: Path
):
    capture = keep()
    response = client.get(address("capture_picture", capture.pk))
    assert response.content == (captures_dir / capture.file).read_bytes()
    assert response["Content-Type"] == "image/png"
    assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))
    access = CaptureAccess.objects.get()
    assert (access.act, access.user) == ("seen", reviewer)
    assert (access.capture_id, access.session_id) == (capture.pk, capture.session_id)


def test_a_picture_that_is_gone_is_not_found(
    client: Client, reviewer: User, keep: KeepOne, captures_dir: Path
):
    capture = keep()
    (captures_dir / capture.file).unlink()
    assert client.get(address("capture_picture", capture.pk)).status_code == 404
    assert client.get(address("capture_picture", 10**9)).status_code == 404
    assert not CaptureAccess.objects.exists()


def test_a_picture_that_is_gone_is_said_to_be(
    client: Client, reviewer: User, keep: KeepOne, captures_dir: Path
):
    capture = keep()
    source = f'"{address("capture_picture", capture.pk)}"'
    pages = address("capture_change", capture.pk), address("capture_review")
    for page in pages:
        assert source in client.get(page).content.decode()
    (captures_dir / capture.file).unlink()
    for page in pages:
        content = client.get(page).content.decode()
        assert "The file of this picture is gone: reject it." in content
        assert source not in content


@pytest.fixture
def example(keep: KeepOne, reviewer: User, dataset: Dataset) -> Example:
    """One that was made of a capture, beside one that is nobody's."""
    datasets.add_picture(dataset, still(level=20).encoded, [])
    example = reviewing.accept(keep().pk, reviewer, CUP, dataset).example
    CaptureAccess.objects.all().delete()
    assert example is not None
    return example


@pytest.mark.parametrize("view", ["picture", "thumbnail"])
def test_who_sees_it_in_a_dataset_is_written_down_as_well(
    client: Client, reviewer: User, example: Example, view: str
):
    for shown in Example.objects.all():
        client.get(reverse(f"admin:inference_{view}", args=[shown.pk]))
    access = CaptureAccess.objects.get()
    assert (access.act, access.user) == ("seen", reviewer)
    capture = Capture.objects.get()
    assert (access.capture_id, access.session_id) == (capture.pk, capture.session_id)


def test_a_picture_that_could_not_be_shown_was_not_seen(
    client: Client, reviewer: User, example: Example
):
    example.path.unlink()
    client.get(reverse("admin:inference_picture", args=[example.pk]))
    assert not CaptureAccess.objects.exists()


@pytest.mark.parametrize("form", ["coco", "folders"])
def test_who_takes_a_dataset_along_is_written_down(
    client: Client, reviewer: User, example: Example, form: str, tmp_path: Path
):
    page = reverse("admin:inference_export", args=[example.dataset_id, form])
    assert client.get(page)["Content-Type"] == "application/zip"
    access = CaptureAccess.objects.get()
    assert (access.act, access.user) == ("exported", reviewer)
    assert access.capture_id == Capture.objects.get().pk
    to = str(tmp_path / "out.zip")
    call_command("datasets", "export", "captures", "--to", to, "--as", form)
    acts = CaptureAccess.objects.values_list("act", "user")
    assert sorted(acts, key=str) == [("exported", reviewer.pk), ("exported", None)]


def test_a_look_at_a_copy_in_another_dataset_is_written_down(
    client: Client, reviewer: User, example: Example
):
    content = example.path.read_bytes()
    copy = datasets.add_picture(datasets.create("copied"), content, [])
    client.get(reverse("admin:inference_picture", args=[copy.pk]))
    assert CaptureAccess.objects.get().capture_id == Capture.objects.get().pk


def test_a_copy_that_alone_is_left_is_named_before_a_purge(
    client: Client, reviewer: User, session: CameraSession, example: Example
):
    content = example.path.read_bytes()
    datasets.add_picture(datasets.create("copied"), content, [])
    datasets.remove_example(example)
    asked = client.get(address("camerasession_purge", session.pk)).content.decode()
    assert "of which 1 is in a dataset: copied." in asked


def test_who_may_not_review_sees_the_list_and_no_picture(client: Client, keep: KeepOne):
    capture = keep()
    client.force_login(user_with("view_capture", "view_camerasession"))
    listed = client.get(address("capture_changelist"))
    assert b"said to be wrong" in listed.content.lower()
    shown = client.get(address("capture_change", capture.pk))
    assert shown.status_code == 200
    assert b"/picture/" not in shown.content
    session = capture.session_id
    for refused in (
        client.get(address("capture_review")),
        client.get(address("capture_picture", capture.pk)),
        client.post(address("capture_decide"), {"capture": capture.pk}),
        client.get(address("camerasession_purge", session)),
        client.post(address("camerasession_purge", session)),
    ):
        assert refused.status_code == 403
    assert Capture.objects.get().state == State.WAITING
    assert not CaptureAccess.objects.exists()


@pytest.mark.parametrize("decision", ["", "rejected", "delete"])
def test_what_is_no_decision_changes_nothing(
    client: Client, reviewer: User, keep: KeepOne, decision: str
):
    capture = keep()
    reviewing.reject(capture.pk, reviewer)
    assert decide(client, capture, decision).status_code == 400
    capture.refresh_from_db()
    assert capture.state == State.REJECTED


def test_strangers_are_sent_to_the_login(client: Client, keep: KeepOne):
    response = client.get(address("capture_picture", keep().pk))
    assert response.status_code == 302
    assert "/login/" in response["Location"]


def test_a_session_is_purged_from_its_page(
    client: Client, reviewer: User, keep: KeepOne, session: CameraSession
):
    keep()
    shown = client.get(address("camerasession_change", session.pk))
    purge = address("camerasession_purge", session.pk)
    assert purge.encode() in shown.content
    asked = client.get(purge).content
    assert b"has given 1 picture." in asked
    assert b"learned from" not in asked
    assert Capture.objects.count() == 1
    page = client.post(purge, follow=True)
    assert words(page) == ["Removed, with what was made of them: 1."]
    assert not Capture.objects.exists()
    assert purge.encode() not in page.content


def test_a_purge_says_what_becomes_of_what_was_learned(
    client: Client, reviewer: User, session: CameraSession, example: Example
):
    datasets.add_picture(
        datasets.create("copied"), example.path.read_bytes(), example.annotations
    )
    asked = client.get(address("camerasession_purge", session.pk)).content.decode()
    assert "of which 1 is in a dataset: captures, copied." in asked
    assert "Evaluations and versions that learned from it stay" in asked


def test_lists_don_t_ask_row_by_row(client: Client, reviewer: User, keep: KeepOne):
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address("capture_changelist")).status_code == 200
        return len(asked)

    keep()
    few = queries()
    for _ in range(4):
        keep()
    assert queries() <= few <= 15


# --- typed ----------------------------------------------------------------------------


def test_captures_are_listed(keep: KeepOne, capsys: pytest.CaptureFixture[str]):
    keep(said={"is_hot_dog": False, "label": "cup"})
    keep(Capture.Reason.RANDOM)
    call_command("captures", "list", "--reason", "wrong")
    said = capsys.readouterr().out
    assert "Hot dog: hot dog 90% | Not a hot dog: cup" in said
    assert "1 in all." in said


def test_captures_are_exported_and_that_is_written_down(
    keep: KeepOne, tmp_path: Path, captures_dir: Path
):
    capture = keep()
    out = tmp_path / "out"
    call_command("captures", "export", str(out))
    (facts,) = json.loads((out / "captures.json").read_text())
    picture = (captures_dir / capture.file).read_bytes()
    assert (out / facts["file"]).read_bytes() == picture
    assert facts["predicted"] == capture.predicted
    assert CaptureAccess.objects.get().act == "exported"
    with pytest.raises(CommandError, match="is not empty"):
        call_command("captures", "export", str(out))


def test_an_export_leaves_out_what_is_gone_and_says_so(
    keep: KeepOne,
    tmp_path: Path,
    captures_dir: Path,
    capsys: pytest.CaptureFixture[str],
):
    gone, there = keep(), keep()
    (captures_dir / gone.file).unlink()
    out = tmp_path / "out"
    call_command("captures", "export", str(out))
    said = capsys.readouterr().out
    assert "1 exported" in said
    assert f"Left out, for their files are gone: {gone.pk}." in said
    (facts,) = json.loads((out / "captures.json").read_text())
    assert facts["file"] == f"{there.pk}.png"
    assert CaptureAccess.objects.get().capture_id == there.pk


def test_an_export_of_nothing_but_what_is_gone_makes_none(
    keep: KeepOne, tmp_path: Path, captures_dir: Path
):
    (captures_dir / keep().file).unlink()
    out = tmp_path / "out"
    with pytest.raises(CommandError, match="all of the files are gone"):
        call_command("captures", "export", str(out))
    assert not CaptureAccess.objects.exists()
    assert not out.exists()


def test_nothing_is_exported_that_can_not_be_written_down(
    keep: KeepOne, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(rows: Any) -> None:
        raise DatabaseError

    keep()
    shelf = tmp_path / "shelf"
    monkeypatch.setattr(CaptureAccess.objects, "bulk_create", fail)
    with pytest.raises(DatabaseError):
        call_command("captures", "export", str(shelf / "out"))
    assert list(shelf.iterdir()) == []


def test_an_export_that_is_not_put_in_place_is_not_said_to_be(
    keep: KeepOne, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(source: str, target: Path) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    keep()
    shelf = tmp_path / "shelf"
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(CommandError, match=r"Nothing was exported: .*denied"):
        call_command("captures", "export", str(shelf / "out"))
    assert not CaptureAccess.objects.exists()
    assert list(shelf.iterdir()) == []


def test_an_export_that_has_no_room_leaves_nothing(
    keep: KeepOne, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    keep()
    copied: list[Path] = []

    def copy(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        copied.append(target)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", copy)
    out = tmp_path / "shelf" / "out"
    out.mkdir(parents=True)
    with pytest.raises(CommandError, match=r"Nothing was exported: .*No space left"):
        call_command("captures", "export", str(out))
    assert copied
    assert list(out.parent.iterdir()) == [out]
    assert list(out.iterdir()) == []


def test_an_export_is_for_nobody_else_on_the_machine(keep: KeepOne, tmp_path: Path):
    keep()
    out = tmp_path / "new" / "out"
    call_command("captures", "export", str(out))
    assert stat.S_IMODE(out.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("said", "annotations"),
    [
        (["--right"], [{"label": "hot dog", "box": [8, 8, 24, 20]}]),
        (["--wrong"], [{"label": "cup", "box": [8, 8, 24, 20]}]),
        (
            ["--label", "cup", "--label", "plate"],
            [{"label": "cup"}, {"label": "plate"}],
        ),
        (["--annotations", json.dumps(CUP)], CUP),
        (["--nothing"], []),
    ],
)
def test_a_capture_is_reviewed_typed(
    keep: KeepOne,
    captures_dir: Path,
    capsys: pytest.CaptureFixture[str],
    said: list[str],
    annotations: list[Any],
):
    number = str(keep(said={"is_hot_dog": False, "label": "cup"}).pk)
    call_command("captures", "accept", number, *said, "--dataset", "kitchen")
    assert f"Capture {number} is an example of kitchen." in capsys.readouterr().out
    example = Example.objects.get(dataset__name="kitchen")
    assert example.annotations == annotations
    call_command("captures", "show", number)
    shown = capsys.readouterr().out
    assert f"example:     {example.pk} of kitchen" in shown
    assert "person said: Not a hot dog: cup" in shown
    call_command("captures", "undo", number)
    assert Capture.objects.get().state == State.WAITING
    call_command("captures", "reject", number)
    assert Capture.objects.get().state == State.REJECTED
    assert not Example.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["accept", "0", "--right"], "There is no capture 0"),
        (["show", "0"], "There is no capture 0"),
        (["reject", "0"], "There is no capture 0"),
        (["undo", "0"], "There is no capture 0"),
        (["undo", "PK"], "nothing of yours to undo"),
        (["accept", "PK", "--wrong"], "Nobody has said what it is"),
        (["accept", "PK", "--annotations", "["], "The boxes could not be read."),
        (["accept", "PK", "--label", " "], "One of its annotations has no label."),
        (["accept", "PK", "--right", "--dataset", "a b"], "can't be called so."),
    ],
)
def test_what_can_not_be_decided_typed_says_why(
    keep: KeepOne, arguments: list[str], sentence: str
):
    number = str(keep().pk)
    with pytest.raises(CommandError, match=sentence):
        call_command(
            "captures", *[number if each == "PK" else each for each in arguments]
        )
    assert Capture.objects.get().state == State.WAITING


@pytest.mark.parametrize("arguments", [["accept", "--right"], ["reject"]])
def test_who_has_decided_before_is_told_typed(
    keep: KeepOne, reviewer: User, arguments: list[str]
):
    number = str(keep().pk)
    reviewing.reject(int(number), reviewer)
    what, *options = arguments
    with pytest.raises(CommandError) as error:
        call_command("captures", what, number, *options)
    assert str(error.value) == f"Capture {number} was rejected by {reviewer} already."


def test_a_session_is_purged_by_how_its_number_begins(
    keep: KeepOne, session: CameraSession
):
    keep()
    with pytest.raises(CommandError, match="No session has a number"):
        call_command("captures", "purge", "nothing")
    assert Capture.objects.exists()
    call_command("captures", "purge", str(session.pk)[:13])
    assert not Capture.objects.exists()


def test_what_is_overdue_is_removed_by_command(
    keep: KeepOne, capsys: pytest.CaptureFixture[str]
):
    keep()
    call_command("captures", "expire")
    assert "their time was over: 0." in capsys.readouterr().out
