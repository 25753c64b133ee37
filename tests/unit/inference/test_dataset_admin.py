"""In the admin datasets are filled, looked at and taken along by who may."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from apps.inference import jobs
from apps.inference.admin import datasets as dataset_admin
from apps.inference.datasets import add_picture, keeping
from apps.inference.jobs.doing import do
from apps.inference.models import Dataset, Deployment, Example, Job

from .dataset_files import BOX, picture, zipped

pytestmark = pytest.mark.django_db
VIEWER = ("view_dataset", "view_example", "view_job")
OPERATOR = (
    *VIEWER,
    "add_dataset",
    "change_dataset",
    "delete_dataset",
    "delete_example",
    "review_capture",
)


@pytest.fixture(autouse=True)
def shelves(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATASETS_DIR = tmp_path / "datasets"
    settings.MODELS_DIR = tmp_path / "models"
    monkeypatch.setattr(jobs, "ring", lambda: None)


@pytest.fixture
def someone(client: Client) -> Callable[..., Client]:
    def log_in(codenames: tuple[str, ...], *, is_superuser: bool = False) -> Client:
        user = User.objects.create_user(
            "someone", is_staff=True, is_superuser=is_superuser
        )
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def kitchen() -> Dataset:
    dataset = keeping.create("kitchen")
    add_picture(dataset, picture(1), [{"label": "cup", "box": BOX}], split="train")
    add_picture(dataset, picture(2), [], split="held_out", source="capture 7")
    return dataset


def page(dataset: Dataset) -> str:
    return reverse("admin:inference_dataset_change", args=[dataset.pk])


def importing(dataset: Dataset) -> str:
    return reverse("admin:inference_import", args=[dataset.pk])


def archive(tmp_path: Path, **files: bytes) -> SimpleUploadedFile:
    path = zipped(tmp_path / "x.zip", {f"{k}/a.png": v for k, v in files.items()})
    return SimpleUploadedFile("foods.zip", path.read_bytes())


def test_one_is_made_and_its_page_says_what_is_in_it(
    someone: Callable[..., Client], kitchen: Dataset
):
    client = someone(OPERATOR)
    client.post(reverse("admin:inference_dataset_add"), {"name": "other"})
    assert Dataset.objects.filter(name="other").exists()
    content = client.get(page(kitchen)).content.decode()
    assert '<th scope="row">cup</th>' in content
    assert "(nothing)" in content
    assert "Export as COCO" in content
    assert reverse("admin:inference_import", args=[kitchen.pk]) in content


def test_an_upload_becomes_a_job_that_imports_it(
    someone: Callable[..., Client], kitchen: Dataset, tmp_path: Path
):
    client = someone(OPERATOR)
    response = client.post(
        importing(kitchen), {"upload": archive(tmp_path, pizza=picture(3))}
    )
    job = Job.objects.get()
    assert response.headers["Location"] == reverse(
        "admin:inference_job_change", args=[job.pk]
    )
    assert str(job.requested_by) == "someone"
    assert jobs.take(job)
    do(job)
    job.refresh_from_db()
    assert job.result == {"added": 1, "changed": 0, "repeated": 0}
    example = kitchen.examples.get(source="foods.zip, uploaded: pizza/a.png")
    assert example.annotations == [{"label": "pizza"}]
    # What was uploaded has been read and isn't needed any more.
    assert not list((tmp_path / "models").rglob("*.zip"))


def test_a_wrong_upload_changes_nothing_and_the_job_says_why(
    someone: Callable[..., Client],
    kitchen: Dataset,
    tmp_path: Path,
    django_capture_on_commit_callbacks: Any,
):
    client = someone(OPERATOR)
    upload = archive(tmp_path, pizza=picture(3), cup=b"none")
    client.post(importing(kitchen), {"upload": upload})
    job = Job.objects.get()
    assert jobs.take(job)
    with django_capture_on_commit_callbacks(execute=True):
        do(job)
    job.refresh_from_db()
    assert job.reason == (
        "Nothing of 2 pictures was imported:\n"
        "cup/a.png: It is no JPEG, PNG or WebP picture."
    )
    assert kitchen.examples.count() == 2
    assert not list((tmp_path / "models").rglob("*.zip"))


@pytest.mark.parametrize("data", [{}, {"path": "/etc"}])
def test_an_operator_may_not_name_files_of_the_machine(
    someone: Callable[..., Client], kitchen: Dataset, data: dict[str, str]
):
    client = someone(OPERATOR)
    content = client.post(importing(kitchen), data).content.decode()
    assert "Choose a ZIP file." in content
    assert not Job.objects.exists()


def test_a_superuser_may(
    someone: Callable[..., Client], kitchen: Dataset, tmp_path: Path
):
    client = someone((), is_superuser=True)
    client.post(importing(kitchen), {"path": str(tmp_path)})
    assert Job.objects.get().parameters == {
        "what": "into kitchen",
        "dataset": "kitchen",
        "source": f"file:{tmp_path}",
    }
    again = client.post(importing(kitchen), {"path": "here"}).content.decode()
    assert "A path begins with a slash." in again


def test_pictures_are_shown_to_who_may_see_kept_ones(
    someone: Callable[..., Client], kitchen: Dataset
):
    client = someone(OPERATOR)
    example = kitchen.examples.get(split="train")
    listed = client.get(
        reverse("admin:inference_example_changelist"),
        {"dataset__id__exact": kitchen.pk},
    ).content.decode()
    small = reverse("admin:inference_thumbnail", args=[example.pk])
    assert small in listed
    response = client.get(small)
    assert Image.open(io.BytesIO(response.content)).format == "JPEG"
    # Whoever looks once more is written down once more.
    assert "no-store" in response.headers["Cache-Control"]
    whole = client.get(reverse("admin:inference_picture", args=[example.pk]))
    assert whole.content == example.path.read_bytes()
    assert whole.headers["Content-Type"] == "image/png"
    drawn = client.get(
        reverse("admin:inference_example_change", args=[example.pk])
    ).content.decode()
    assert '<rect x="4.0" y="6.0" width="36.0" height="24.0"' in drawn


def test_a_picture_whose_file_is_gone_or_damaged_says_so(
    someone: Callable[..., Client], kitchen: Dataset
):
    client = someone(OPERATOR)
    example = kitchen.examples.get(split="train")
    small = reverse("admin:inference_thumbnail", args=[example.pk])
    example.path.write_bytes(example.path.read_bytes()[:60])
    assert client.get(small).status_code == 404
    example.path.unlink()
    assert client.get(small).status_code == 404
    listed = client.get(reverse("admin:inference_example_changelist")).content.decode()
    assert small not in listed
    assert ">gone<" in listed
    shown = client.get(reverse("admin:inference_example_change", args=[example.pk]))
    assert "The file of this picture is gone" in shown.content.decode()
    assert '<svg class="example"' not in shown.content.decode()


def test_who_only_views_sees_words_but_no_picture_and_changes_nothing(
    someone: Callable[..., Client], kitchen: Dataset
):
    client = someone(VIEWER)
    example = kitchen.examples.get(split="train")
    listed = client.get(reverse("admin:inference_example_changelist"))
    assert "cup" in listed.content.decode()
    assert "thumbnail" not in listed.content.decode()
    content = client.get(page(kitchen)).content.decode()
    assert "Export" not in content
    assert "Import" not in content
    for name, arguments in (
        ("thumbnail", [example.pk]),
        ("picture", [example.pk]),
        ("import", [kitchen.pk]),
        ("export", [kitchen.pk, "coco"]),
    ):
        address = reverse(f"admin:inference_{name}", args=arguments)
        assert client.get(address).status_code == 403, name


def test_one_is_taken_along(someone: Callable[..., Client], kitchen: Dataset):
    client = someone(OPERATOR)
    response: Any = client.get(
        reverse("admin:inference_export", args=[kitchen.pk, "coco"])
    )
    with zipfile.ZipFile(io.BytesIO(response.getvalue())) as file:
        names = file.namelist()
    assert {"train.json", "held_out.json"} < set(names)
    assert len(names) == 4


def test_an_export_that_cannot_be_says_why(
    someone: Callable[..., Client], kitchen: Dataset
):
    client = someone(OPERATOR)
    kitchen.examples.get(split="train").path.unlink()
    response = client.get(
        reverse("admin:inference_export", args=[kitchen.pk, "coco"]), follow=True
    )
    assert "Of kitchen 1 file can" in response.content.decode()


def test_pictures_are_taken_out_with_their_files(
    someone: Callable[..., Client],
    kitchen: Dataset,
    django_capture_on_commit_callbacks: Any,
):
    client = someone(OPERATOR)
    example = kitchen.examples.get(split="train")
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(
            reverse("admin:inference_example_changelist"),
            {"action": "take_out", "_selected_action": example.pk},
            follow=True,
        )
    assert "Taken out of the dataset: 1 picture." in response.content.decode()
    assert not Example.objects.filter(pk=example.pk).exists()
    assert not example.path.exists()


def test_one_that_is_asked_for_is_not_removed(
    someone: Callable[..., Client], kitchen: Dataset, deployment: Deployment
):
    client = someone(OPERATOR)
    remove = reverse("admin:inference_dataset_delete", args=[kitchen.pk])
    deployment.gate_dataset = kitchen
    deployment.save()
    refused = client.post(remove, {"post": "yes"}, follow=True).content.decode()
    assert "Kitchen stays: default asks for figures on it." in refused
    assert Dataset.objects.exists()
    deployment.gate_dataset = None
    deployment.save()
    client.post(remove, {"post": "yes"})
    assert not Dataset.objects.exists()


def test_the_labels_of_many_are_counted_on_some(
    someone: Callable[..., Client], kitchen: Dataset, monkeypatch: pytest.MonkeyPatch
):
    client = someone(OPERATOR)
    assert "drawn by lot" not in client.get(page(kitchen)).content.decode()
    monkeypatch.setattr(dataset_admin, "MOST_LOOKED_AT", 1)
    content = client.get(page(kitchen)).content.decode()
    assert "Of 1 pictures, drawn by lot." in content
    first = kitchen.examples.order_by("sha256")[0]
    assert ("<td>cup</td>" in content) is bool(first.annotations)
    assert ("(nothing)" in content) is not bool(first.annotations)


def test_pictures_are_found_by_where_they_are_from_and_by_their_checksum(
    someone: Callable[..., Client], kitchen: Dataset
):
    client = someone(OPERATOR)
    one, other = kitchen.examples.order_by("-source")
    for term, found in (("pture 7", {one}), (other.sha256[:8], {other}), ("", None)):
        response: Any = client.get(
            reverse("admin:inference_example_changelist"), {"q": term}
        )
        assert {*response.context["cl"].result_list} == (found or {one, other})


def test_a_list_of_many_needs_no_query_for_each(
    someone: Callable[..., Client],
    kitchen: Dataset,
    django_assert_max_num_queries: Any,
):
    client = someone(OPERATOR)
    for number in range(30):
        add_picture(kitchen, picture(100 + number), [])
        keeping.create(f"other-{number}")
    for name in ("dataset", "example"):
        with django_assert_max_num_queries(15):
            client.get(reverse(f"admin:inference_{name}_changelist"))
