"""`make bench ADMIN=1`: the admin's pages on a database of a million runs.

Every registered list and its newest row, each filter of the long lists, their search,
their last page and what comes behind it, and the pages of our own, asked for in one
process without a server: the time of a page is that of its queries and its template.
"""

from __future__ import annotations

import html
import json
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.figures import Spread, spread
from bench.product import Product
from bench.report import spread_cell

SESSIONS, RUNS = 100_000, 1_000_000
MOST_QUERIES, MOST_MS = 15, 300
TIMES = 5
LONG_LISTS = (
    "emporium_sessions_run",
    "emporium_sessions_camerasession",
    "emporium_sessions_capture",
    "emporium_sessions_captureaccess",
    "inference_example",
)
# Pages of our own, and of which row each is.
OWN_PAGES = {
    "emporium_sessions_camerasession_purge": "emporium_sessions.CameraSession",
    "emporium_sessions_capture_review": "",
    "inference_compare": "",
    "inference_evaluate": "",
    "inference_finetune": "",
    "inference_gates": "inference.Deployment",
    "inference_import": "inference.Dataset",
}


@dataclass(frozen=True, slots=True)
class Page:
    """What one page asked of the database, and how long it took to make, in ms."""

    address: str
    queries: int
    took: Spread
    is_reached: bool


@dataclass(frozen=True, slots=True)
class AdminReport:
    measured_at: str
    machine: dict[str, object]
    sessions: int
    runs: int
    filled_in_s: float
    pages: Sequence[Page]

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def as_text(self) -> str:
        return table(self)


def measure(
    *,
    measured_at: str,
    machine: dict[str, object],
    sessions: int = SESSIONS,
    runs: int = RUNS,
) -> AdminReport:
    with (
        tempfile.TemporaryDirectory() as directory,
        Product(Path(directory)) as product,
    ):
        product.start("redis")
        began = time.monotonic()
        product.manage("fill_database", f"--sessions={sessions}", f"--runs={runs}")
        filled_in_s = round(time.monotonic() - began, 1)
        pages = product.inside(measure_pages)
    return AdminReport(measured_at, machine, sessions, runs, filled_in_s, pages)


def table(report: AdminReport) -> str:
    machine = report.machine
    lines = [
        f"{report.measured_at}  {machine['cpu']}, {machine['cores']} cores, "
        f"load {machine['load']}, commit {machine['commit']}",
        f"{report.sessions:,} sessions and {report.runs:,} runs, "
        f"filled in {report.filled_in_s} s; a page may ask {MOST_QUERIES} times "
        f"and take {MOST_MS} ms",
        "",
        f"{'queries':>7}{'ms p50 / p95':>18}  page",
    ]
    for page in sorted(report.pages, key=lambda page: -(page.took.p95 or 0)):
        late = "" if page.is_reached else "  NOT REACHED"
        took = spread_cell(page.took)
        lines.append(f"{page.queries:>7}{took:>18}  {page.address}{late}")
    return "\n".join(lines)


def measure_pages() -> list[Page]:
    """For `Product.inside`: each page as a superuser sees it."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("bench"))
    return [_measured(client, address) for address in _addresses(client)]


def _measured(client: Any, address: str) -> Page:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        status = client.get(address).status_code
    # The next request begins to count anew.
    queries = len(captured)
    if status != 200:
        raise RuntimeError(f"{address} answers with {status}.")
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        client.get(address)
        took.append((time.perf_counter() - began) * 1000)
    shown = spread(took)
    is_quick = shown.p95 is not None and shown.p95 <= MOST_MS
    return Page(address, queries, shown, is_quick and queries <= MOST_QUERIES)


def _addresses(client: Any) -> Iterator[str]:
    from django.apps import apps
    from django.contrib import admin
    from django.urls import reverse

    yield reverse("admin:index")
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        listed = reverse(f"admin:{name}_changelist")
        yield listed
        if name in LONG_LISTS:
            yield from _long(client, listed)
        newest = model._default_manager.first()
        if newest is not None:
            yield reverse(f"admin:{name}_change", args=(newest.pk,))
    for name, label in OWN_PAGES.items():
        row = label and apps.get_model(label)._default_manager.first()
        yield reverse(f"admin:{name}", args=[row.pk] if row else [])


def _long(client: Any, listed: str) -> Iterator[str]:
    """The list by each of its filters, by a search, at its end and behind it."""
    page = client.get(listed).content.decode()
    filters = page[page.find('id="changelist-filter"') :]
    for link in re.findall(r'href="(\?[^"]+)"', filters):
        yield listed + html.unescape(link)
    first = re.search(r"<a [^>]*>([0-9a-f]{8})</a>", page)
    if first:
        yield f"{listed}?q={first.group(1)}"
    yield f"{listed}?q=ffffffff"
    last = max(map(int, re.findall(r"[?&;]p=(\d+)", page)), default=1)
    yield f"{listed}?p={last}"
    if behind := re.search(r'older">.*?href="(\?[^"]+)"', page, re.S):
        yield listed + html.unescape(behind.group(1))
