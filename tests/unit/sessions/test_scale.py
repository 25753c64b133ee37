"""The admin on a larger database: few queries a page, none of which reads all rows."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Model
from django.db.models.signals import post_init
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.inference.admin import long_lists
from apps.inference.models import Dataset, Deployment, Evaluation, Example
from apps.sessions import filling, reviewing
from apps.sessions.models import CameraSession, Capture, CaptureAccess, HalfMinute, Run
from apps.sessions.recent import HALF_MINUTES
from apps.sessions.timeline import MOST_ENTRIES
from tests.unit.sessions.rows import one_of_each

MOST_QUERIES = 15
LONG = (CameraSession, Run, Capture, CaptureAccess, Example)
LARGE = {model._meta.db_table for model in LONG}
# Those that go on, those of one session, one capture, one picture; and a page's rows.
FEW = (
    '"ended_at" IS NULL',
    '"session_id" IN (',
    '"session_id" = ',
    '"session_id" BETWEEN',
    '"capture_id" = ',
    '"sha256" BETWEEN',
    '"id" IN (',
)


# Pages of our own beside lists and rows, and whose number is in the address.
PAGES: dict[str, type[Model] | None] = {
    "auth_user_password_change": User,
    "emporium_sessions_camerasession_purge": CameraSession,
    "emporium_sessions_capture_review": None,
    "inference_compare": None,
    "inference_evaluate": None,
    "inference_finetune": None,
    "inference_gates": Deployment,
    "inference_import": Dataset,
}
# What answers with a file, or only does what a click asks for.
NO_PAGES = {
    "emporium_sessions_capture_decide",
    "emporium_sessions_capture_picture",
    "emporium_sessions_run_export",
    "emporium_sessions_run_export_list",
    "inference_activate",
    "inference_export",
    "inference_picture",
    "inference_thumbnail",
    "inference_trial_promote",
    "inference_trial_start",
    "inference_trial_stop",
}
USUAL = ("changelist", "add", "history", "delete", "change")


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A few hundred sessions, and one of all else; gone after this module."""
    with django_db_blocker.unblock(), transaction.atomic():
        filling.fill(300, 3000, lambda words: None)
        one_of_each()
        User.objects.create_superuser("large")
        yield
        transaction.set_rollback(True)


@pytest.fixture
def client(filled: None, db: None) -> Client:
    client = Client()
    client.force_login(User.objects.get(username="large"))
    return client


def address(model: type[Model], view: str, *args: Any) -> str:
    name = f"{model._meta.app_label}_{model._meta.model_name}_{view}"
    return reverse(f"admin:{name}", args=args)


def asked(client: Client, page: str) -> list[str]:
    client.get(page)  # what is asked for once a process
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200, page
    return [query["sql"] for query in captured.captured_queries]


@pytest.mark.parametrize("model", list(admin.site._registry))
def test_every_page_asks_a_few_times(client: Client, model: type[Model]):
    pages = [address(model, "changelist")]
    if (row := model._default_manager.first()) is not None:
        pages.append(address(model, "change", row.pk))
    for page in pages:
        assert len(asked(client, page)) <= MOST_QUERIES, page


def test_the_first_page_asks_a_few_times(client: Client):
    assert len(asked(client, reverse("admin:index"))) <= MOST_QUERIES


def test_no_page_of_our_own_is_forgotten():
    found = set()
    for model, shown in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        names = {each.name for each in shown.get_urls() if each.name}
        found |= names - {f"{name}_{view}" for view in USUAL}
    assert found == {*PAGES, *NO_PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_our_own_asks_a_few_times_and_reads_few_rows(
    client: Client, name: str
):
    model = PAGES[name]
    row = model and model._default_manager.first()
    queries = asked(client, reverse(f"admin:{name}", args=[row.pk] if row else []))
    assert len(queries) <= MOST_QUERIES
    for query in queries:
        assert not slow(query), (query, plan(query))


def test_who_skips_a_capture_reads_what_comes_behind_alone(client: Client):
    skipped = reviewing.waiting()[10]
    page = address(Capture, "review")
    for query in asked(client, f"{page}?after={skipped.pk}"):
        assert not slow(query), (query, plan(query))


def test_a_comparison_reads_the_newest_evaluation_of_each_version(client: Client):
    found = Evaluation.objects.filter(dataset=None)
    versions = set(found.values_list("version", flat=True))
    assert found.count() > len(versions) > 1
    read: list[Evaluation] = []

    def note(instance: Evaluation, **_: Any) -> None:
        read.append(instance)

    post_init.connect(note, sender=Evaluation)
    try:
        client.get(reverse("admin:inference_compare"))
    finally:
        post_init.disconnect(note, sender=Evaluation)
    newest = {each.version_id: each for each in found.order_by("evaluated_at", "pk")}
    assert set(read) == set(newest.values())
    assert len(read) == len(versions)


def filtered(client: Client, model: type[Model]) -> list[str]:
    """The list, with each of its filters chosen."""
    page = address(model, "changelist")
    content = client.get(page).content.decode()
    filters = content[content.index('id="changelist-filter"') :]
    choices = re.findall(r'href="(\?[^"]+)"', filters)
    assert len(choices) > 5
    return [page, *(page + html.unescape(choice) for choice in choices)]


@pytest.mark.parametrize("model", LONG)
def test_no_filter_of_a_long_list_reads_or_sorts_all_rows(
    client: Client, model: type[Model]
):
    for page in filtered(client, model):
        for query in asked(client, page):
            assert not slow(query), (page, query, plan(query))


@pytest.mark.parametrize(
    ("model", "term"),
    [
        (Run, "12"),
        (Run, "abcdef12"),
        (Run, "ffff-ffff"),
        (CameraSession, "abcdef12"),
        (Capture, "abcdef12"),
        (CaptureAccess, "12"),
        (CaptureAccess, "abcdef12"),
        (CaptureAccess, "sample-operator"),
        (Example, "abcdef12"),
    ],
)
def test_a_search_by_number_reads_no_other_rows(
    client: Client, model: type[Model], term: str
):
    for query in asked(client, f"{address(model, 'changelist')}?q={term}"):
        assert not slow(query), (query, plan(query))


def test_the_first_page_reads_what_is_recent_alone(client: Client):
    for query in asked(client, reverse("admin:index")):
        assert not slow(query), (query, plan(query))


@pytest.mark.parametrize("model", LONG)
def test_a_detail_page_reads_its_own_rows_alone(client: Client, model: type[Model]):
    row = model._default_manager.first()
    assert row is not None
    for query in asked(client, address(model, "change", row.pk)):
        assert not slow(query), (query, plan(query))


def plan(query: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {query.replace('%', '%%')}")
        return [step[3] for step in cursor.fetchall()]


def slow(query: str) -> bool:
    """Whether it walks a large table otherwise than by an index, or sorts all of it.

    What `FEW` names is few: it may be sorted.
    """
    if not query.startswith("SELECT"):
        return False
    steps = plan(query)
    table = re.search(r'FROM "(\w+)"', query)
    sorts = "USE TEMP B-TREE FOR ORDER BY" in steps and table and table[1] in LARGE
    walks = any(
        step.split()[0] == "SCAN"
        and step.split()[1] in LARGE
        and "INDEX" not in step.split("USING")[-1]
        for step in steps
    )
    is_of_few = any(each in query for each in FEW)
    return walks or bool(sorts and not is_of_few)


def test_a_count_ends_at_a_bound_and_the_list_goes_on_behind_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(long_lists, "MOST_COUNTED", 100)
    page = address(Run, "changelist")
    newest = list(Run.objects.order_by("-started_at", "-pk")[:101])

    first = client.get(page).content.decode()
    assert "100 runs" in first
    behind = re.search(r'older">.*?href="(\?[^"]+)"', first, re.S)
    assert behind
    content = client.get(page + html.unescape(behind.group(1))).content.decode()
    shown = re.findall(r"run/(\d+)/change", content)
    assert shown[0] == str(newest[100].pk)


def test_distinct_values_are_those_that_there_are(filled: None, db: None):
    for column in ("engine", "worker"):
        values = set(Run.objects.values_list(column, flat=True))
        assert long_lists.distinct(Run, column) == sorted(values)
    assert len(long_lists.distinct(Run, "worker", most=2)) == 2


def test_a_filled_database_is_plausible(filled: None, db: None):
    runs = Run.objects.filter(deployment__name__startswith="sample")
    assert runs.count() == 3000
    assert set(runs.values_list("drops", flat=True)) == {0, 1, 2}
    for run in runs.select_related("session")[:50]:
        assert run.received == run.inferred + run.dropped + run.pending
        assert run.deployment_id == run.session.deployment_id
        assert sum(each["inferred"] for each in run.timeline) == run.inferred
        assert run.latency["age"]["p50"] <= run.latency["age"]["p95"]
    assert CameraSession.objects.filter(ended_at=None, status="live").count() == 20


def test_what_goes_on_has_run_for_long(filled: None, db: None):
    going_on = Run.objects.filter(ended_at=None, deployment__name__startswith="sample")
    assert {len(run.timeline) for run in going_on} == {MOST_ENTRIES}
    assert HalfMinute.objects.count() == 3 * HALF_MINUTES


def test_a_dataset_is_listed_and_shown_without_all_its_pictures(client: Client):
    dataset = Dataset.objects.get(name="sample-pictures")
    for page in (
        address(Dataset, "changelist"),
        address(Dataset, "change", dataset.pk),
    ):
        for query in asked(client, page):
            assert not slow(query), (page, query, plan(query))


def test_a_database_that_is_in_use_is_not_filled(filled: None, db: None):
    with pytest.raises(CommandError, match="has sessions"):
        call_command("fill_database", sessions=1, runs=1)
