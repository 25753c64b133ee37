"""The overview of operators: what runs, how well, and what needs attention."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from apps.inference.admin import overview
from apps.inference.admin.overview import Notice
from apps.inference.latency import LatencyHistogram
from apps.inference.models import Activation, Deployment
from apps.sessions import right_now, services
from apps.sessions.models import CameraSession, Run
from apps.sessions.recent import recent
from apps.sessions.timeline import Entry, entry


class OnlyRedis:
    """A Redis in which only these queues have workers."""

    def __init__(self, *queues: str) -> None:
        self._queues = queues

    def __enter__(self) -> OnlyRedis:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def mget(self, keys: list[str]) -> list[bytes | None]:
        alive = {f"worker:alive:{queue}" for queue in self._queues}
        return [b"1" if key in alive else None for key in keys]


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(right_now, "sync_redis", lambda: OnlyRedis("gpu"))


def interval(at: float, age_ms: float = 40.0, inferred: int = 50) -> Entry:
    ages = LatencyHistogram()
    for _ in range(inferred):
        ages.record(age_ms)
    return entry(at, 5, frames=(inferred, 0), ages=ages.counts(), labels={})


def run_of(deployment: Deployment, **fields: Any) -> Run:
    session = services.open_session(deployment=deployment.name, user=None, client="")
    services.change_status(session.pk, CameraSession.Status.LIVE, "Live.")
    return Run.objects.create(
        session=session, model_version=deployment.active_version, **fields
    )


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
    assert "Alive gpu 1 10.0" in shown
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


def test_a_redis_that_is_gone_is_told(
    admin_client: Client, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    def gone() -> Redis:
        raise RedisConnectionError("refused")

    monkeypatch.setattr(right_now, "sync_redis", gone)
    assert "Redis doesn't answer" in words(admin_client).replace("&#x27;", "'")


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
