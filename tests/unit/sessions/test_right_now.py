"""The overview of operators: what runs, how well, and what needs attention."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from apps.inference.admin import overview, workforce
from apps.inference.admin.overview import Notice
from apps.inference.latency import LatencyHistogram
from apps.inference.models import Activation, Deployment, Job, Trial
from apps.sessions import services
from apps.sessions.figures import RunFigures
from apps.sessions.models import CameraSession, HalfMinute, Run
from apps.sessions.recent import HALF_MINUTES, add, recent
from apps.sessions.right_now import MAY_LOOK
from apps.sessions.timeline import Entry, entry

EVERY_QUEUE = ("gpu", "shadow", "jobs", "housekeeping")
MAY_SEE_SESSIONS = "emporium_sessions.view_camerasession"


class OnlyRedis:
    """A Redis that knows of these workers alone, by queue, and how busy they are."""

    def __init__(self, **busy: Sequence[float | None]) -> None:
        self._busy = busy

    def __enter__(self) -> OnlyRedis:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def eval(self, script: str, keys: int, key: str) -> list[bytes]:
        """The silences of a queue's workers: one lives, another has been gone."""
        queue = key.removeprefix("worker:beats:")
        alive = [
            word
            for number in range(len(self._busy.get(queue, ())))
            for word in (f"{queue}-{number}:7:ab".encode(), b"400")
        ]
        return [*alive, f"{queue}-gone:7:cd".encode(), b"9000"]

    def mget(self, keys: Iterable[str]) -> list[bytes | None]:
        names = [key.removeprefix("worker:busy:").split(":")[0] for key in keys]
        shares = [
            self._busy[queue][int(number)]
            for queue, _, number in (name.rpartition("-") for name in names)
        ]
        return [None if share is None else str(share).encode() for share in shares]


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> None:
    one_each = OnlyRedis(**{queue: [None] for queue in EVERY_QUEUE})
    monkeypatch.setattr(workforce, "sync_redis", lambda: one_each)


def interval(at: float, age_ms: float = 40.0, inferred: int = 50) -> Entry:
    ages = LatencyHistogram()
    for _ in range(inferred):
        ages.record(age_ms)
    return entry(at, 5, frames=(inferred, 0), ages=ages.counts(), labels={})


def run_of(
    deployment: Deployment,
    started_at: datetime,
    timeline: Sequence[Entry],
    **fields: Any,
) -> Run:
    session = services.open_session(deployment=deployment.name, user=None, client="")
    services.change_status(session.pk, CameraSession.Status.LIVE, "Live.")
    run = Run.objects.create(
        session=session,
        model_version=deployment.active_version,
        started_at=started_at,
    )
    for each in timeline:
        began_at = started_at + timedelta(seconds=each["at"])
        figures = RunFigures(
            inferred=each["inferred"],
            latency={"age": each["ages"]},
            began_at=began_at,
            measured_at=began_at + timedelta(seconds=each["seconds"]),
        )
        services.add_to_run(run.pk, figures)
    Run.objects.filter(pk=run.pk).update(**fields)
    return run


def words(client: Client) -> str:
    content = client.get(reverse("admin:index")).content.decode()
    shown = content[content.index('id="overview"') : content.index('id="content-main"')]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", shown))


def test_the_rates_of_sessions_that_go_on_add_up(deployment: Deployment):
    ago = timezone.now() - timedelta(seconds=20)
    for age_ms in (20.0, 200.0):
        timeline = [interval(0, age_ms), interval(5, age_ms), interval(10, age_ms)]
        run_of(deployment, started_at=ago, timeline=timeline)
    lately = recent()[deployment.pk]
    assert lately.rate == pytest.approx(20)
    assert lately.percentile(0.5) == pytest.approx(20, rel=0.03)
    assert lately.percentile(0.95) == pytest.approx(200, rel=0.03)


def test_what_ended_lately_is_drawn_and_no_longer_counted(deployment: Deployment):
    now = timezone.now()
    run_of(
        deployment,
        started_at=now - timedelta(minutes=5),
        ended_at=now - timedelta(minutes=4),
        timeline=[interval(number * 5.0) for number in range(12)],
    )
    lately = recent()[deployment.pk]
    assert lately.rate == 0
    assert lately.percentile(0.95) is None
    drawn = [(x, rate) for x, rate in lately.rates if rate]
    assert sum(rate for _, rate in drawn) * 30 == pytest.approx(600)
    assert all(-330 < x < -210 for x, _ in drawn)
    assert any(age for _, age in lately.ages)


def test_what_is_long_over_is_not_even_read(deployment: Deployment):
    now = timezone.now()
    run_of(
        deployment,
        started_at=now - timedelta(hours=2),
        ended_at=now - timedelta(hours=1),
        timeline=[interval(0)],
    )
    # Of one that goes on, only the last minutes are.
    run_of(deployment, started_at=now - timedelta(hours=2), timeline=[interval(0)])
    assert recent() == {}


def test_a_look_costs_the_same_however_many_runs_there_are_and_however_long(
    deployment: Deployment,
):
    now, span = timezone.now(), timedelta(seconds=10)
    ages = interval(0)["ages"]
    for ago in range(6 * 20, 0, -1):
        for _ in range(3):
            began_at = now - ago * span
            figures = RunFigures(
                inferred=100,
                latency={"age": ages},
                began_at=began_at,
                measured_at=began_at + span,
            )
            add(deployment.pk, figures)
    assert HalfMinute.objects.count() <= HALF_MINUTES
    with CaptureQueriesContext(connection) as captured:
        found = recent()
    (query,) = [each["sql"] for each in captured.captured_queries]
    assert Run._meta.db_table not in query
    # Three sessions of ten a second each; what goes on isn't drawn yet.
    rates = [rate for _, rate in found[deployment.pk].rates]
    assert len(rates) >= 28
    assert rates == pytest.approx([30] * len(rates))


def test_what_two_deployments_did_is_told_apart(deployment: Deployment):
    other = Deployment.objects.create(
        name="other", active_version=deployment.active_version
    )
    ago = timezone.now() - timedelta(seconds=20)
    run_of(deployment, started_at=ago, timeline=[interval(0), interval(5)])
    run_of(other, started_at=ago, timeline=[interval(0, 200.0)])
    found = recent()
    assert found[other.pk].percentile(0.5) == pytest.approx(200, rel=0.03)
    assert found[deployment.pk].percentile(0.5) == pytest.approx(40, rel=0.03)


@pytest.mark.parametrize(
    ("permissions", "is_told"),
    [((), set()), (MAY_LOOK, {"queue"}), ([MAY_SEE_SESSIONS], {"session"})],
    ids=["none", "the panel's", "the list's"],
)
def test_notices_are_for_who_may_see_what_they_are_of(
    client: Client,
    deployment: Deployment,
    permissions: Sequence[str],
    is_told: set[str],
):
    Deployment.objects.update(queue="gpu-large")
    failed = CameraSession.Status.FAILED
    CameraSession.objects.create(deployment=deployment, status=failed)
    user = User.objects.create_user("somebody", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(
            codename__in=[each.split(".")[1] for each in permissions]
        )
    )
    client.force_login(user)
    response: Any = client.get(reverse("admin:index"))
    told = {each.sentence for each in overview.notices(response.wsgi_request)}
    assert {each for each in ("queue", "session") if each in " ".join(told)} == is_told


def test_the_overview_says_what_runs_how_well_and_since_when(
    admin_client: Client, deployment: Deployment
):
    ago = timezone.now() - timedelta(seconds=20)
    run_of(deployment, started_at=ago, timeline=[interval(0), interval(5)])
    Activation.objects.create(
        deployment=deployment, to_version=deployment.active_version, state="switched"
    )
    shown = words(admin_client)
    assert f"{deployment.name} {deployment.active_version}" in shown
    assert "1 worker gpu 1 10.0" in shown
    assert re.search(r"(39|40|41) / (39|40|41) ms", shown)
    assert "Switched" in shown
    assert "Results a second" in shown


@pytest.mark.parametrize(("age_ms", "is_old"), [(40, False), (400, True)])
def test_an_age_that_nears_the_budget_is_marked(
    admin_client: Client, deployment: Deployment, age_ms: float, is_old: bool
):
    Deployment.objects.update(age_budget_ms=500)
    ago = timezone.now() - timedelta(seconds=20)
    run_of(deployment, started_at=ago, timeline=[interval(0, age_ms)])
    content = admin_client.get(reverse("admin:index")).content.decode()
    assert ("state-warning" in content) is is_old


def test_nothing_is_wrong_where_nothing_is(
    admin_client: Client, deployment: Deployment
):
    content = admin_client.get(reverse("admin:index")).content.decode()
    assert 'class="notices"' not in content


def test_a_queue_without_workers_is_told_with_what_helps(
    admin_client: Client, deployment: Deployment
):
    Deployment.objects.create(
        name="large", queue="gpu-large", active_version=deployment.active_version
    )
    shown = words(admin_client)
    assert "No worker of the queue gpu-large is alive, so nothing answers large" in (
        shown
    )
    assert "celery -A emporium worker -Q gpu-large" in shown


def test_the_workers_of_each_queue_are_counted_and_how_busy_they_are(
    admin_client: Client, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    some = OnlyRedis(gpu=[0.25, 0.9], jobs=[None], housekeeping=[None])
    monkeypatch.setattr(workforce, "sync_redis", lambda: some)
    shown = words(admin_client)
    assert f"gpu answers {deployment.name} 2 workers" in shown
    assert "gpu-0:7 25% busy gpu-1:7 90% busy" in shown
    assert "Busiest worker 90%" in shown
    assert "gone" not in shown


@pytest.mark.parametrize(
    ("queue", "lack"), [("jobs", "no job is done"), ("shadow", "")]
)
def test_a_queue_that_nobody_needs_may_be_empty(
    admin_client: Client,
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    queue: str,
    lack: str,
):
    others = {each: [None] for each in EVERY_QUEUE if each != queue}
    monkeypatch.setattr(workforce, "sync_redis", lambda: OnlyRedis(**others))
    shown = words(admin_client)
    assert (f"No worker of the queue {queue} is alive" in shown) is bool(lack)
    assert lack in shown


def test_what_is_under_way_is_on_the_first_page(
    admin_client: Client, deployment: Deployment
):
    version = deployment.active_version
    assert "Nothing is activated, tried or worked at just now." in words(admin_client)
    Activation.objects.create(
        deployment=deployment, to_version=version, state="warming", step="Warming up."
    )
    Trial.objects.create(
        deployment=deployment, version=version, kind="shadow", share=0.5
    )
    Job.objects.create(kind="evaluate", state="running", progress=0.4, step="Counting.")
    Job.objects.create(kind="import", state="done")
    shown = words(admin_client)
    assert re.search(rf"{version} for {deployment.name} Warming Warming up\.", shown)
    assert f"{version} as a shadow of {deployment.name} Running 50%" in shown
    assert re.search(r"Evaluate \d+ Running 40% Counting\.", shown)
    assert "Import" not in shown


def test_a_job_that_failed_is_told_for_a_day(
    admin_client: Client, deployment: Deployment
):
    for hours in (1, 30):
        Job.objects.create(
            kind="import",
            state="failed",
            reason=f"Wrong {hours}.\nIn many lines.",
            finished_at=timezone.now() - timedelta(hours=hours),
        )
    shown = words(admin_client)
    assert re.search(r"Import \d+ failed: Wrong 1\.", shown)
    assert "many lines" not in shown
    assert "Wrong 30" not in shown


def test_a_redis_that_is_gone_is_told(
    admin_client: Client, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    def gone() -> Redis:
        raise RedisConnectionError("refused")

    monkeypatch.setattr(workforce, "sync_redis", gone)
    assert "Redis doesn’t answer" in words(admin_client)


def test_an_activation_that_went_wrong_is_told_for_a_day(
    admin_client: Client, deployment: Deployment
):
    for reason in ("The first try.", "The <head> is missing."):
        Activation.objects.create(
            deployment=deployment,
            to_version=deployment.active_version,
            state="rolled_back",
            reason=reason,
        )
    shown = words(admin_client)
    assert f"does not answer {deployment.name}: The &lt;head&gt; is missing." in shown
    assert "The first try." not in shown
    Activation.objects.update(requested_at=timezone.now() - timedelta(days=2))
    assert "does not answer" not in words(admin_client)


def test_sessions_that_failed_lately_are_told(
    admin_client: Client, deployment: Deployment
):
    for minutes in (1, 200):
        CameraSession.objects.create(
            deployment=deployment,
            status=CameraSession.Status.FAILED,
            opened_at=timezone.now() - timedelta(minutes=minutes),
        )
    assert "1 session that was opened in the last hour failed." in words(admin_client)


def test_others_add_panels_and_notices(
    admin_client: Client, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(overview, "_panels", [*overview._panels])
    monkeypatch.setattr(overview, "_concerns", [*overview._concerns])
    overview.panel(lambda request: "Of another app.")
    overview.panel(lambda request: "")
    overview.concern(lambda request: [Notice("Something is <due>.", "/there/")])
    content = admin_client.get(reverse("admin:index")).content.decode()
    assert "Of another app." in content
    assert '<a href="/there/">Something is &lt;due&gt;.</a>' in content


def test_without_a_deployment_it_says_so(admin_client: Client, db: None):
    assert "Nothing is deployed yet." in words(admin_client)
