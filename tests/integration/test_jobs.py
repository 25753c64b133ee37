"""Models are added beside everything else, by processes as the Procfile starts them."""

from __future__ import annotations

from datetime import timedelta

from celery import current_app

from bench.processes import wait_until
from bench.product import Product
from tests.unit.inference.loopback_site import Page, serving


def ask_for_a_version(url: str) -> int:
    from apps.inference import client
    from apps.inference.registering import asking

    version = asking.request_version("mine", url)
    client.ask_for(client.BRING_IN_TASK, version.pk)
    return version.pk


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


def test_housekeeping_goes_on_while_a_model_is_being_added(product: Product):
    product.env["MODELS_DIR"] = str(product.directory / "models")
    with serving() as site:
        site.pages["/a.pt"] = Page(waits_for=site.closing)
        product.start_all("jobs", "housekeeping")
        product.inside(ask_for_a_version, f"{site.url}/a.pt")
        wait_until(lambda: site.requests, "the download to begin")
        product.inside(abandon_a_session)

        current_app.send_task("apps.sessions.tasks.close_abandoned_sessions")

        wait_until(lambda: product.inside(are_sessions_closed), "housekeeping")
        site.closing.set()
        product.stop()
