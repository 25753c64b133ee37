"""What operators can see and do. Every page answers, and none asks row by row."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles import finders
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.inference.admin.columns import duration, moment
from apps.inference.datasets import add_picture
from apps.inference.models import (
    Activation,
    Dataset,
    Deployment,
    Evaluation,
    Example,
    Job,
    ModelVersion,
    RegisteredModel,
    Trial,
)
from apps.inference.services import activate
from apps.inference.serving.switching import roll_back, switch, tell
from apps.sessions import captures, services
from apps.sessions.access import log
from apps.sessions.admin import RunColumns
from apps.sessions.captures import Occasion
from apps.sessions.models import CameraSession, Capture, CaptureAccess, Run
from tests.unit.sessions.conftest import ANSWER, still
from tests.unit.sessions.test_services import AGES, FIGURES

MODELS = (
    RegisteredModel,
    ModelVersion,
    Deployment,
    Activation,
    CameraSession,
    Run,
    Capture,
    CaptureAccess,
    Trial,
    Job,
    Dataset,
    Example,
    Evaluation,
)
WRITTEN_BY_PEOPLE = {Deployment, Dataset}
READ_ONLY = tuple(model for model in MODELS if model not in WRITTEN_BY_PEOPLE)

Grow = Callable[[], None]


@pytest.fixture
def grow(
    deployment: Deployment,
    scripted_version: Callable[..., ModelVersion],
    captures_dir: Path,
) -> Grow:
    """Make one more row of everything, with all that a row can have."""
    operator = User.objects.create_user("somebody")
    numbers = iter(range(1000))

    def add() -> None:
        number = next(numbers)
        version, broken = scripted_version(), scripted_version()
        other = Deployment.objects.create(name=f"d{number}", active_version=version)
        RegisteredModel.objects.create(name=f"m{number}", family="scripted")
        activate(other, deployment.active_version, operator)
        roll_back(asked(other, broken, operator), "The head is missing.")
        switch(asked(deployment, version, operator), {"check": {"gpu1:7": {}}})
        session = services.open_session(
            deployment=deployment.name, user=operator, client="Mozilla/5.0"
        )
        for _ in range(number + 1):
            run_id = services.start_run(session.pk, version.pk, timezone.now())
        services.add_to_run(run_id, FIGURES, timezone.now())
        services.start_run(session.pk, deployment.active_version_id, timezone.now())
        captures.allow(session.pk, days=30)
        occasion = Occasion(Capture.Reason.WRONG, version.pk, ANSWER)
        capture = captures.keep_capture(session.pk, still(), occasion)
        log([capture], CaptureAccess.Act.SEEN, operator)
        Trial.objects.create(
            deployment=other, version=broken, kind=Trial.Kind.SHADOW, share=1
        )
        job = Job.objects.create(kind="evaluate", parameters={"what": str(version)})
        dataset = Dataset.objects.create(name=f"kitchen-{number}")
        add_picture(dataset, still().encoded, [{"label": "cup"}])
        Evaluation.objects.create(
            version=version, dataset=dataset, job=job, pictures=1, figures={"top1": 0.5}
        )

    add()
    return add


def asked(
    deployment: Deployment, version: ModelVersion, user: User | None = None
) -> int:
    activation = activate(deployment, version, user, "Because.")
    assert activation is not None
    return activation.pk


@pytest.fixture
def operator(db: None, client: Client) -> Client:
    """Someone who may look at everything and change nothing."""
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def list_page(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_of(row: Any) -> str:
    return reverse(
        f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=(row.pk,)
    )


def add_page(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")


def test_everything_we_have_is_in_the_admin():
    ours = {
        model
        for model in admin.site._registry
        if model._meta.app_label in {"inference", "emporium_sessions"}
    }
    assert ours == set(MODELS)


@pytest.mark.usefixtures("grow")
@pytest.mark.parametrize("model", MODELS)
def test_every_page_answers(admin_client: Client, model: type[Model]):
    assert admin_client.get(list_page(model)).status_code == 200
    rows = model._default_manager.all()
    assert rows
    for row in rows:
        assert admin_client.get(page_of(row)).status_code == 200


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("model", MODELS)
def test_every_list_answers_when_it_is_empty(admin_client: Client, model: type[Model]):
    assert admin_client.get(list_page(model)).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_a_list_asks_as_often_for_many_rows_as_for_few(
    admin_client: Client, grow: Grow, model: type[Model]
):
    # The content types are asked for once a process.
    admin_client.get(list_page(model))

    few = queries(admin_client, list_page(model))
    for _ in range(4):
        grow()
    many = queries(admin_client, list_page(model))

    assert many <= few


@pytest.mark.parametrize(
    "model",
    [CameraSession, Deployment, RegisteredModel],
)
def test_a_page_asks_as_often_for_many_parts_as_for_few(
    admin_client: Client, grow: Grow, model: type[Model], deployment: Deployment
):
    def richest() -> str:
        rows = {
            CameraSession: CameraSession.objects.order_by("-opened_at"),
            Deployment: Deployment.objects.filter(pk=deployment.pk),
            RegisteredModel: RegisteredModel.objects.filter(name="scripted"),
        }
        return page_of(rows[model].first())

    admin_client.get(richest())
    few = queries(admin_client, richest())
    for _ in range(4):
        grow()
    many = queries(admin_client, richest())

    assert many <= few


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


@pytest.mark.usefixtures("grow")
@pytest.mark.parametrize("model", MODELS)
def test_an_operator_who_may_only_look_can_look(operator: Client, model: type[Model]):
    assert operator.get(list_page(model)).status_code == 200
    row = model._default_manager.first()
    assert operator.get(page_of(row)).status_code == 200


@pytest.mark.usefixtures("grow")
@pytest.mark.parametrize("model", MODELS)
def test_an_operator_who_may_only_look_changes_nothing(
    operator: Client, model: type[Model]
):
    before = list(model._default_manager.values())
    page = page_of(model._default_manager.first())
    assert operator.post(page, {"name": "mine"}).status_code == 403
    delete = operator.post(page.replace("/change/", "/delete/"), {"post": "yes"})
    assert delete.status_code == 403
    assert operator.get(add_page(model)).status_code == 403
    assert list(model._default_manager.values()) == before


@pytest.mark.usefixtures("grow")
@pytest.mark.parametrize("model", READ_ONLY)
def test_what_the_system_writes_is_not_even_changed_by_a_superuser(
    admin_client: Client, model: type[Model]
):
    row = model._default_manager.first()
    assert admin_client.post(page_of(row), {}).status_code == 403
    # What is asked for there, the system brings in.
    may_ask = model is ModelVersion
    assert admin_client.get(add_page(model)).status_code == (200 if may_ask else 403)


def test_a_visitor_sees_a_login(client: Client, db: None):
    for model in MODELS:
        response = client.get(list_page(model))
        assert response.status_code == 302
        assert "/admin/login/" in response.headers["Location"]


def test_what_came_of_it_is_on_the_page(
    admin_client: Client,
    deployment: Deployment,
    scripted_version: Callable[..., ModelVersion],
):
    version = scripted_version()
    roll_back(asked(deployment, version), "The <head> is missing.")
    for page in (page_of(deployment), list_page(Deployment), list_page(Activation)):
        content = admin_client.get(page).content.decode()
        assert "Rolled back" in content
        assert "The &lt;head&gt; is missing." in content


def test_how_far_an_activation_is_and_for_how_long_is_on_the_page(
    admin_client: Client,
    deployment: Deployment,
    scripted_version: Callable[..., ModelVersion],
):
    version = scripted_version()
    activation_id = asked(deployment, version)
    Activation.objects.update(requested_at=timezone.now() - timedelta(hours=2))
    pages = (page_of(deployment), list_page(Deployment), list_page(Activation))
    for words in ("Waiting for a worker", "Loaded by the worker."):
        for page in pages:
            content = admin_client.get(page).content.decode()
            assert words in content
            assert "2 h 0 min so far." in content
        activation = Activation.objects.get(pk=activation_id)
        tell(activation, Activation.State.LOADING, "Loaded by the worker.")
    switch(activation_id, {})
    for page in pages:
        content = admin_client.get(page).content.decode()
        assert "Switched" in content
        assert "so far." not in content


@pytest.mark.usefixtures("grow")
@pytest.mark.parametrize("model", MODELS)
def test_times_have_seconds_and_the_page_says_of_which_zone(
    admin_client: Client, model: type[Model]
):
    row = model._default_manager.first()
    for page in (list_page(model), page_of(row)):
        content = admin_client.get(page).content.decode()
        assert "Times are in UTC" in content
        assert not re.search(r"\d [ap]\.m\.|midnight|noon", content)


def test_the_two_ends_of_a_short_run_can_be_told_apart(
    admin_client: Client, deployment: Deployment
):
    started = datetime(2020, 11, 25, 2, 7, 51, tzinfo=UTC)
    session = services.open_session(deployment=deployment.name, user=None, client="")
    run_id = services.start_run(session.pk, deployment.active_version_id, started)
    services.add_to_run(run_id, FIGURES, started + timedelta(seconds=8))

    content = admin_client.get(page_of(Run.objects.get())).content.decode()
    listed = admin_client.get(list_page(Run)).content.decode()

    assert ">25 Nov 2020 02:07:51</time>" in content
    assert ">25 Nov 2020 02:07:59</time>" in content
    assert ">25 Nov 2020 02:07:51</time>" in listed
    assert ">8 s</td>" in listed


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (90_060, "25 h 1 min")],
)
def test_a_duration_is_told_in_the_units_that_matter(seconds: float, words: str):
    assert duration(timedelta(seconds=seconds)) == words


def test_a_time_of_this_year_is_told_without_it():
    now = timezone.now()
    assert moment(now).endswith(f">{now.day} {now:%b %H:%M:%S}</time>")


def test_a_live_session_is_not_live_because_it_is_live(
    admin_client: Client, deployment: Deployment
):
    session = services.open_session(deployment=deployment.name, user=None, client="")
    services.change_status(session.pk, CameraSession.Status.LIVE, "Live.")
    for page in (list_page(CameraSession), page_of(session)):
        assert "Live." not in admin_client.get(page).content.decode()

    services.close_session(session.pk, sentence="The page was closed.")
    for page in (list_page(CameraSession), page_of(session)):
        assert "The page was closed." in admin_client.get(page).content.decode()


def test_a_card_is_read_as_keys_and_values(
    admin_client: Client, deployment: Deployment
):
    version = deployment.active_version
    version.card = {
        "batch_size": 16,
        "labels": ["hot dog", "<b>cup</b>"],
        "parameters": 1772035,
        "figures": {"ap50": {"hot dog": 0.9642}, "<i>": True},
        "notes": None,
    }
    version.save()

    content = admin_client.get(page_of(version)).content.decode()

    assert "<dt>Batch size</dt><dd>16</dd>" in content
    assert "<dd>hot dog, &lt;b&gt;cup&lt;/b&gt;</dd>" in content
    assert "<dd>1,772,035</dd>" in content
    assert "<dt>Hot dog</dt><dd>0.9642</dd>" in content
    assert "<dt>&lt;i&gt;</dt><dd>yes</dd>" in content
    assert "<dt>Notes</dt><dd>—</dd>" in content


def test_a_deployment_can_choose_between_versions_and_nothing_else(
    admin_client: Client, deployment: Deployment
):
    content = admin_client.get(page_of(deployment)).content.decode()

    assert str(deployment.active_version) in content
    assert "---------" not in content


@pytest.mark.usefixtures("grow")
def test_an_activation_tells_its_outcome_before_its_times(admin_client: Client):
    content = admin_client.get(page_of(Activation.objects.first())).content.decode()
    fields = re.findall(r"form-row field-(\w+)", content)

    for earlier, later in pairwise(["outcome", "requested", "finished", "took"]):
        assert fields.index(earlier) < fields.index(later)


@pytest.mark.parametrize(
    ("model", "first"),
    [
        (Activation, ["requested", "outcome", "change", "requested_by"]),
        (CameraSession, ["short_id", "state", "why", "opened", "ended"]),
        (Run, ["started", "rate", "age", "model_version", "received"]),
    ],
)
def test_what_one_comes_for_is_in_the_first_columns(
    admin_client: Client, grow: Grow, model: type[Model], first: list[str]
):
    content = admin_client.get(list_page(model)).content.decode()
    assert re.findall(r"column-(\w+)", content)[: len(first)] == first


def test_every_page_has_the_icon_and_our_styles(
    admin_client: Client, client: Client, deployment: Deployment
):
    login = client.get(reverse("admin:login")).content.decode()
    for content in (
        login,
        admin_client.get(reverse("admin:index")).content.decode(),
        admin_client.get(list_page(Deployment)).content.decode(),
        admin_client.get(page_of(deployment)).content.decode(),
    ):
        for address in ("img/hot-dog.svg", "css/admin.css"):
            assert f'href="/static/{address}"' in content
            assert finders.find(address)
        assert "<style" not in content
        assert " style=" not in content


def test_a_session_that_is_over_was_last_seen_at_its_end(
    admin_client: Client, deployment: Deployment
):
    session = services.open_session(deployment=deployment.name, user=None, client="")
    ended_at = datetime(2020, 11, 25, 2, 7, 51, tzinfo=UTC)
    CameraSession.objects.filter(pk=session.pk).update(ended_at=ended_at)
    content = admin_client.get(page_of(session)).content.decode()
    assert content.count(">25 Nov 2020 02:07:51</time>") == 2


def test_runs_are_filtered_by_versions_that_have_answered(
    admin_client: Client, grow: Grow, deployment: Deployment
):
    other = RegisteredModel.objects.create(name="other", family="scripted")
    version = ModelVersion.objects.create(model=other, version="1", state="verified")
    choice = f"?model_version__id__exact={version.pk}"
    assert choice not in admin_client.get(list_page(Run)).content.decode()
    session = services.open_session(deployment=deployment.name, user=None, client="")
    services.start_run(session.pk, version.pk, timezone.now())
    content = admin_client.get(list_page(Run)).content.decode()
    assert content.count(choice) == 1


def test_a_run_shows_its_ledger_and_its_percentiles(
    admin_client: Client, deployment: Deployment
):
    session = services.open_session(deployment=deployment.name, user=None, client="")
    run_id = services.start_run(
        session.pk, deployment.active_version_id, timezone.now()
    )
    services.add_to_run(run_id, FIGURES)

    content = admin_client.get(page_of(Run.objects.get())).content.decode()

    for name in ("received", "inferred", "superseded", "expired", "failed", "lost"):
        assert f"field-{name}" in content
    assert '<th scope="row">hot dog</th><td class="figure">4</td>' in content
    age = AGES.summary()["age"]
    p50, p95 = (f'<td class="figure">{age[each]:.1f}</td>' for each in ("p50", "p95"))
    assert p50 + p95 in content


def test_a_run_tells_the_stages_in_their_order_and_which_age_it_knows(
    admin_client: Client, deployment: Deployment
):
    session = services.open_session(deployment=deployment.name, user=None, client="")
    served = {
        stage: {"p50": 1.0, "p95": 2.0}
        for stage in ("age", "publish", "wait", "receive")
    }
    drawn = {stage: {"p50": 61.0, "p95": 82.0} for stage in ("picture", "capture")}
    ages, stages = [], []
    for latency in (served, {**served, **drawn}):
        run = Run.objects.create(
            session=session,
            model_version_id=deployment.active_version_id,
            latency=latency,
        )
        ages.append(RunColumns().age(run))
        content = admin_client.get(page_of(run)).content.decode()
        stages.append(re.findall(r'<tr><th scope="row">(.*?)</th>', content))

    assert ages == ["≥ 1 / 2 ms", "61 / 82 ms"]
    assert stages[0] == [
        *("decode the picture", "wait for the model", "publish", "age at the server")
    ]
    assert stages[1] == ["camera to server", *stages[0], "age when drawn"]
