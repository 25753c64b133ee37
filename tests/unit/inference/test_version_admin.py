"""Adding a model in the admin, and what its page says of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from apps.inference import jobs
from apps.inference.admin import ModelVersionAdmin
from apps.inference.models import (
    Deployment,
    Evaluation,
    Job,
    ModelVersion,
    RegisteredModel,
)
from apps.inference.registering import asking
from apps.inference.services import activate

State = ModelVersion.State
ADD = "admin:inference_modelversion_add"
LIST = "admin:inference_modelversion_changelist"
Post = Callable[..., Any]
# What is asked of the jobs waits for the commit.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[str, int]]]:
    """What each bell finds written down."""
    bells: list[list[tuple[str, int]]] = []
    monkeypatch.setattr(jobs, "ring", lambda: bells.append(asked()))
    return bells


def asked() -> list[tuple[str, int]]:
    """The jobs that were asked for, and of which versions."""
    rows = Job.objects.order_by("pk")
    return [(row.kind, row.parameters["version"]) for row in rows]


@pytest.fixture
def post(settings: Settings, tmp_path: Path, admin_client: Client) -> Post:
    settings.MODELS_DIR = tmp_path

    def send(**fields: Any) -> Any:
        return admin_client.post(reverse(ADD), fields)

    return send


def content(response: Any) -> str:
    return str(response.content.decode())


def page(version: ModelVersion) -> str:
    return reverse("admin:inference_modelversion_change", args=[version.pk])


def test_what_is_asked_for_is_a_job(
    post: Post,
    rung: list[list[tuple[str, int]]],
    admin_client: Client,
    admin_user: User,
):
    response = post(name="mine", source="hub:somebody/something")
    version = ModelVersion.objects.get()
    assert rung == [[("add", version.pk)]]
    assert version.job
    assert version.job.requested_by == admin_user
    assert (version.state, version.added_by) == (State.ADDING, admin_user)
    assert version.source == "hub:somebody/something"
    assert response.headers["Location"] == page(version)
    shown = content(admin_client.get(page(version)))
    assert "The jobs bring it in." in shown
    assert "successfully" not in shown


def test_a_file_is_kept_where_the_jobs_find_it(post: Post, tmp_path: Path):
    post(name="mine", upload=SimpleUploadedFile("../../best.pt", b"weights"))
    version = ModelVersion.objects.get()
    path = Path(version.source.removeprefix("file:"))
    assert path.is_relative_to(tmp_path / "uploads")
    assert (path.name, path.read_bytes()) == ("best.pt", b"weights")
    assert asked() == [("add", version.pk)]


def test_a_file_of_what_is_not_asked_for_is_removed(post: Post, tmp_path: Path):
    upload = SimpleUploadedFile("best.pt", b"weights")
    assert "can&#x27;t be called uploads" in content(
        post(name="uploads", upload=upload)
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert asked() == []


def test_a_disk_that_takes_no_file_is_said_to_be(post: Post, tmp_path: Path):
    (tmp_path / "uploads").touch()
    upload = SimpleUploadedFile("best.pt", b"weights")
    shown = content(post(name="mine", upload=upload))
    assert "can&#x27;t be written to: Not a directory." in shown
    assert not ModelVersion.objects.exists()
    assert asked() == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "Say where the model comes from, or choose a file."),
        (
            {"source": "file:/a.pt", "upload": SimpleUploadedFile("a.pt", b"weights")},
            "one of the two, not both",
        ),
        ({"upload": SimpleUploadedFile("a.pt", b"")}, "The file is empty."),
        ({"source": "ftp://somewhere"}, "A model comes from hub:OWNER/NAME"),
        ({"source": "file:/a.pt", "name": "my model"}, "letters, digits, -"),
        ({"source": "file:/a.pt", "expected_sha256": "a" * 65}, "64 hexadecimal"),
        ({"source": "file:/a.pt", "expected_sha256": "abc"}, "64 hexadecimal"),
    ],
    ids=["neither", "both", "empty", "no source", "no name", "too long", "no checksum"],
)
def test_what_cannot_be_asked_for_is_said_at_once(
    post: Post, fields: dict[str, Any], why: str
):
    response = post(**{"name": "mine", **fields})
    shown = content(response)
    assert why in shown
    assert shown.count('<ul class="errorlist') == 1
    assert not ModelVersion.objects.exists()
    assert not RegisteredModel.objects.exists()
    assert asked() == []


@pytest.mark.parametrize(
    ("permissions", "may"),
    [
        (["view_modelversion"], False),
        (["view_modelversion", "change_modelversion"], False),
        (["view_modelversion", "add_modelversion"], True),
    ],
)
def test_only_who_may_add_adds(
    client: Client,
    permissions: list[str],
    may: bool,
):
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    client.post(reverse(ADD), {"name": "mine", "source": "hub:some/thing"})
    assert ModelVersion.objects.exists() is may
    assert bool(asked()) is may
    listed = content(client.get(reverse(LIST)))
    assert ("verify_anew" in listed) is may


def test_versions_with_files_are_verified_anew(
    admin_client: Client,
    scripted_version: Callable[..., ModelVersion],
):
    version = scripted_version()
    empty = ModelVersion.objects.create(model=version.model, version="new-1")
    choose(admin_client, "verify_anew", version)
    assert asked() == [("verify", version.pk)]
    version.refresh_from_db()
    assert version.state == State.VERIFIED  # as long as nothing else is known
    for other, words in (
        (empty, "has no files yet"),
        (version, "is being verified already"),
    ):
        shown = choose(admin_client, "verify_anew", other)
        assert f"{other.version} {words}" in shown
    assert len(asked()) == 1


def failed_version(**fields: Any) -> ModelVersion:
    model = RegisteredModel.objects.create(name="mine")
    facts = {"state": State.FAILED, "source": "hub:somebody/something"}
    return ModelVersion.objects.create(model=model, **{**facts, **fields})


def choose(client: Client, action: str, version: ModelVersion) -> str:
    fields = {"action": action, "_selected_action": [version.pk]}
    return content(client.post(reverse(LIST), fields, follow=True))


def test_what_failed_before_it_had_files_is_brought_in_again(
    admin_client: Client,
):
    version = failed_version(reason="No network.")
    shown = choose(admin_client, "bring_in_again", version)
    assert "The jobs bring it in." in shown
    assert asked() == [("add", version.pk)]
    version.refresh_from_db()
    assert (version.state, version.reason) == (State.ADDING, "")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"state": State.ADDING}, "hasn&#x27;t failed"),
        ({"sha256": "a" * 64}, "verify it anew"),
        ({"source": "https://somewhere/a.pt?…"}, "add it anew"),
        ({"source": "file:/models/uploads/f00/best.pt"}, "upload it anew"),
    ],
    ids=["under way", "has files", "kept no secret", "was read"],
)
def test_what_cannot_be_brought_in_again_says_why(
    admin_client: Client,
    settings: Settings,
    fields: dict[str, Any],
    why: str,
):
    settings.MODELS_DIR = "/models"
    version = failed_version(**fields)
    assert why in choose(admin_client, "bring_in_again", version)
    assert asked() == []
    before = version.state
    version.refresh_from_db()
    assert version.state == before


def delete_of(version: ModelVersion) -> str:
    return reverse("admin:inference_modelversion_delete", args=[version.pk])


def test_what_failed_before_it_had_files_can_be_deleted(
    admin_client: Client, settings: Settings, tmp_path: Path
):
    settings.MODELS_DIR = tmp_path
    upload = tmp_path / "uploads" / "f00" / "best.pt"
    version = failed_version(source=f"file:{upload}")
    for directory in (version.staging, upload.parent):
        directory.mkdir(parents=True)
    upload.touch()
    assert delete_of(version) in content(admin_client.get(page(version)))
    admin_client.post(delete_of(version), {"post": "yes"})
    assert not ModelVersion.objects.exists()
    assert not version.staging.exists()
    assert not upload.parent.exists()


def refusal(client: Client, version: ModelVersion) -> str:
    """What one reads who would delete a version, asked or sure."""
    asked = content(client.get(delete_of(version), follow=True))
    sure = content(client.post(delete_of(version), {"post": "yes"}, follow=True))
    for shown in (asked, sure):
        assert "Are you sure" not in shown
        assert "successfully" not in shown
    assert ModelVersion.objects.filter(pk=version.pk).exists()
    return sure


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("ships with us", "ships with the Emporium"),
        ("being added", "is being added or verified"),
        ("being verified", "is being added or verified"),
    ],
)
def test_what_is_needed_stays_with_a_sentence(
    admin_client: Client, settings: Settings, tmp_path: Path, what: str, why: str
):
    version = failed_version()
    if what == "being added":
        asking.add(version)
    else:
        version.sha256 = "a" * 64
        version.save()
    if what == "being verified":
        settings.MODELS_DIR = tmp_path
        version.directory = str(tmp_path / "mine" / "aa")
        version.save()
        asking.verify(version)
    assert why in refusal(admin_client, version)


def test_an_active_version_stays_with_a_sentence(
    admin_client: Client, deployment: Deployment
):
    shown = refusal(admin_client, deployment.active_version)
    assert "is active in default: choose another version there first." in shown


def test_what_comes_to_need_it_meanwhile_is_told_too(
    admin_client: Client, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ModelVersionAdmin, "why_it_stays", lambda *_: "")
    version = deployment.active_version
    sure = admin_client.post(delete_of(version), {"post": "yes"}, follow=True)
    assert "is active in default" in content(sure)
    assert not LogEntry.objects.filter(action_flag=DELETION).exists()


def test_who_may_not_delete_is_told_no_more(client: Client, deployment: Deployment):
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_modelversion"))
    client.force_login(user)
    version = deployment.active_version
    assert client.post(delete_of(version), {"post": "yes"}).status_code == 403


def test_what_nothing_needs_is_deleted_with_its_files_and_its_model(
    admin_client: Client, settings: Settings, tmp_path: Path
):
    settings.MODELS_DIR = tmp_path
    version = failed_version(
        sha256="a" * 64, state=State.VERIFIED, directory=str(tmp_path / "mine" / "aa")
    )
    version.path.mkdir(parents=True)
    evaluation = Evaluation.objects.create(version=version, figures={"map50": 0.9})
    assert "Evaluations: 1" in content(admin_client.get(delete_of(version)))
    response = admin_client.post(delete_of(version), {"post": "yes"})
    assert not Evaluation.objects.filter(pk=evaluation.pk).exists()
    assert response.headers["Location"] == reverse(LIST)
    assert not RegisteredModel.objects.exists()
    assert not version.path.parent.exists()


def test_what_was_chosen_once_stays_and_a_sentence_says_what_names_it(
    admin_client: Client,
    deployment: Deployment,
    settings: Settings,
    tmp_path: Path,
):
    settings.MODELS_DIR = tmp_path
    version = failed_version(
        sha256="a" * 64, state=State.VERIFIED, directory=str(tmp_path / "mine" / "aa")
    )
    before = deployment.active_version
    activate(deployment, version)
    assert "is being activated in default" in refusal(admin_client, version)
    activate(deployment, before)
    shown = refusal(admin_client, version)
    assert "is named by records that are kept, so it stays: activations." in shown


def test_filters_offer_what_there_is_to_run(
    admin_client: Client, scripted_version: Callable[..., ModelVersion]
):
    failed_version()
    scripted_version()
    other = RegisteredModel.objects.create(name="other", family="scripted")
    ModelVersion.objects.create(model=other, version="1", state=State.VERIFIED)
    shown = content(admin_client.get(reverse(LIST)))
    assert shown.count("?model__id__exact=") == 2
    assert "?model__family=scripted" in shown
    assert '?model__family="' not in shown


def test_what_waits_for_its_turn_says_so(admin_client: Client):
    version = failed_version()
    asking.add(version)
    for url in (reverse(LIST), page(version)):
        shown = content(admin_client.get(url))
        assert "Waiting for its turn, and a worker of the queue jobs." in shown
        assert "0%" not in shown


def test_the_page_says_what_a_version_knows_and_takes(
    admin_client: Client, scripted_version: Callable[..., ModelVersion]
):
    labels = ["a", "b", "c", "d", "e", "f", "g"]
    version = scripted_version(labels=labels, input_size=[640, 480])
    shown = content(admin_client.get(page(version)))
    assert "7: a, b, c, d, e, f, …" in shown
    assert "640 x 480 pixels" in shown
    assert "it ships with the Emporium" in shown


def test_the_page_offers_what_can_be_done_to_a_version(
    admin_client: Client, scripted_version: Callable[..., ModelVersion]
):
    for version, offered in (
        (scripted_version(), "verify_anew"),
        (failed_version(), "bring_in_again"),
    ):
        shown = content(admin_client.get(page(version)))
        assert re.findall(r'name="action" value="(\w+)"', shown) == [offered]
        assert f'name="_selected_action" value="{version.pk}"' in shown
        assert "historylink" not in shown
    assert 'name="action"' not in content(admin_client.get(reverse(ADD)))


def test_figures_are_spelt_as_people_do(
    admin_client: Client, scripted_version: Callable[..., ModelVersion]
):
    version = scripted_version()
    version.card = {"figures": {"map50": 0.96, "ap50": {"hot dog": 0.97}}}
    version.save()
    shown = content(admin_client.get(page(version)))
    for words in ("<dt>mAP50</dt>", "<dt>AP50</dt>"):
        assert words in shown


def test_an_uploaded_file_is_shown_by_its_name(
    admin_client: Client, settings: Settings, tmp_path: Path
):
    settings.MODELS_DIR = tmp_path
    version = failed_version(source=f"file:{tmp_path}/uploads/f00/best.pt")
    shown = content(admin_client.get(page(version)))
    assert "best.pt, uploaded" in shown
    assert "uploads/f00" not in shown


def test_the_list_and_the_page_say_how_far_its_job_is(
    admin_client: Client, scripted_version: Callable[..., ModelVersion]
):
    adding, verifying = failed_version(), scripted_version()
    asking.add(adding)
    asking.verify(verifying)
    step = {"progress": 0.25, "step": "Fetching the files."}
    Job.objects.update(state=Job.State.RUNNING, **step)
    for version, state in ((adding, "adding"), (verifying, "verifying")):
        version.refresh_from_db()
        assert version.job
        job = reverse("admin:inference_job_change", args=[version.job.pk])
        for url in (reverse(LIST), page(version)):
            shown = content(admin_client.get(url))
            # Which the page follows by itself.
            assert f'class="state state-{state}"' in shown
            assert f'<a href="{job}">25% Fetching the files.</a>' in shown
        assert 'name="action"' not in content(admin_client.get(page(version)))
        assert page(version) in content(admin_client.get(job))


def test_the_list_and_the_page_say_why_it_failed(admin_client: Client):
    version = failed_version(reason="It is cut short.")
    for url in (reverse(LIST), page(version)):
        assert "It is cut short." in content(admin_client.get(url))


def test_one_that_is_cancelled_is_failed_and_brought_in_again(admin_client: Client):
    version = failed_version()
    asking.add(version)
    job = Job.objects.get()
    url = reverse("admin:inference_job_changelist")
    admin_client.post(url, {"action": "cancel", "_selected_action": job.pk})
    shown = content(admin_client.get(page(version)))
    assert "It was cancelled before it began." in shown
    assert 'value="bring_in_again"' in shown
    choose(admin_client, "bring_in_again", version)
    version.refresh_from_db()
    assert version.state == State.ADDING
    assert len(asked()) == 2


def test_the_page_shows_every_engine_and_why_one_was_refused(
    admin_client: Client, scripted_version: Callable[..., ModelVersion]
):
    version = scripted_version()
    batches = [
        {"size": 1, "batch_ms": 5.0, "forward_ms": 3.0},
        {"size": 2, "batch_ms": 8.0, "forward_ms": 6.0},
    ]
    version.engine = "openvino"
    version.card = {"licence": "AGPL-3.0"}
    version.verification = {
        "engines": [
            {
                "engine": "openvino",
                "reason": "",
                "load_s": 2.34,
                "memory_mb": 56.7,
                "batches": batches,
            },
            {"engine": "torch-cuda", "reason": "It differs.", "batches": []},
        ]
    }
    version.save()
    shown = content(admin_client.get(page(version)))
    for words in (
        "openvino ✓",
        "loads in 2.3 s, memory grows by 57 MB",
        "8.0 ms",
        "250.0",
        "It differs.",
        "must be open",
    ):
        assert words in shown
    assert "&lt;tr" not in shown


def test_what_is_not_verified_cannot_be_chosen(
    admin_client: Client,
    deployment: Deployment,
    scripted_version: Callable[..., ModelVersion],
):
    version = scripted_version()
    url = reverse("admin:inference_deployment_change", args=[deployment.pk])
    assert f'value="{version.pk}"' in content(admin_client.get(url))
    ModelVersion.objects.filter(pk=version.pk).update(state=State.FAILED)
    assert f'value="{version.pk}"' not in content(admin_client.get(url))


def test_a_page_asks_as_often_for_many_engines_as_for_one(
    admin_client: Client, scripted_version: Callable[..., ModelVersion]
):
    version = scripted_version()
    engine = {"engine": "openvino", "reason": "It differs.", "batches": []}
    counts = []
    admin_client.get(page(version))
    for engines in ([engine], [engine] * 5):
        version.verification = {"engines": engines}
        version.save()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            admin_client.get(page(version))
        counts.append(len(queries))
    assert counts[0] == counts[1]
