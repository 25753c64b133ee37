"""Models are added beside everything else, by processes as the Procfile starts them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from datetime import timedelta

import psutil
import pytest
from celery import current_app

from bench.processes import wait_until
from bench.product import Product
from tests.unit.inference.loopback_site import Page, Site, serving


def ask_for_a_version(url: str) -> None:
    from apps.inference.registering import asking

    asking.add(asking.request_version("mine", url))


def version_and_job() -> tuple[str, str, str, int]:
    from apps.inference.models import ModelVersion

    version = ModelVersion.objects.select_related("job").get()
    assert version.job
    return version.state, version.reason, version.job.state, version.job.attempts


def lose() -> None:
    """Let the time pass after which housekeeping takes a worker for dead."""
    from apps.inference import jobs
    from apps.inference.models import Job

    job = Job.objects.get()
    Job.objects.update(last_seen_at=job.last_seen_at - 2 * jobs.LOST_AFTER)
    assert jobs.revive_lost() == 1


def abandon_a_session() -> None:
    from django.utils import timezone

    from apps.inference.models import DEFAULT_DEPLOYMENT
    from apps.inference.registering.registry import register_starters
    from apps.sessions import services
    from apps.sessions.models import CameraSession

    register_starters()
    services.open_session(deployment=DEFAULT_DEPLOYMENT, user=None, client="")
    CameraSession.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))


def are_sessions_closed() -> bool:
    from apps.sessions.models import CameraSession

    return not CameraSession.objects.filter(ended_at=None).exists()


def has_ended(process: psutil.Process) -> bool:
    try:
        # Whoever it belongs to now may not have asked how it ended.
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def site() -> Iterator[Site]:
    """Gives no answer before it closes."""
    with serving() as site:
        site.pages["/a.pt"] = Page(waits_for=site.closing)
        yield site
        site.closing.set()


@pytest.fixture
def adding(product: Product, site: Site) -> Product:
    """A worker of the jobs that waits for the answer of a site."""
    product.env["MODELS_DIR"] = str(product.directory / "models")
    product.start("jobs")
    product.inside(ask_for_a_version, f"{site.url}/a.pt")
    wait_until(lambda: site.requests, "the download to begin")
    return product


def test_housekeeping_goes_on_while_a_model_is_being_added(adding: Product):
    adding.start("housekeeping")
    adding.inside(abandon_a_session)
    current_app.send_task("apps.sessions.tasks.close_abandoned_sessions")
    wait_until(lambda: adding.inside(are_sessions_closed), "housekeeping")


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells a child.")
def test_a_housekeeping_that_is_gone_leaves_no_beat(product: Product):
    product.start("housekeeping")
    housekeeping = product.processes.pop("housekeeping")
    (beat,) = psutil.Process(housekeeping.pid).children()
    os.kill(housekeeping.pid, signal.SIGKILL)
    housekeeping.wait_for_end()
    wait_until(lambda: has_ended(beat), "the end of its beat")


@pytest.mark.long
def test_a_version_whose_worker_is_killed_is_added_by_the_next_and_can_be_cancelled(
    adding: Product, site: Site
):
    adding.processes.pop("jobs").kill()
    assert adding.inside(version_and_job) == ("adding", "", "running", 1)
    adding.start("jobs")
    adding.inside(lose)
    wait_until(lambda: len(site.requests) == 2, "another worker to begin")
    assert adding.inside(version_and_job) == ("adding", "", "running", 2)

    adding.manage("jobs", "cancel", "1")

    over = ("failed", "It was cancelled.", "cancelled", 2)
    wait_until(lambda: adding.inside(version_and_job) == over, "its end")
    assert not [*(adding.directory / "models").glob("staging/*")]
