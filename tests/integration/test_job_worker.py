"""Jobs are done by a worker as the Procfile starts it, and outlive it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.processes import wait_until
from bench.product import Product

from .job_rows import lose, read

pytestmark = pytest.mark.long


def request(kind: str, parameters: dict[str, Any]) -> int:
    from apps.inference import jobs

    return jobs.request(kind, parameters).pk


class Waiting:
    """A job that goes on until it is let go."""

    def __init__(self, product: Product, directory: Path) -> None:
        self._product = product
        self._until, self._begun = directory / "until", directory / "begun"
        parameters = {"until": str(self._until), "begun": str(self._begun)}
        self.pk = product.inside(request, "waits", parameters)

    def let_go(self) -> None:
        self._until.with_suffix(".part").write_text("gone")
        self._until.with_suffix(".part").rename(self._until)

    def begun(self) -> list[tuple[int, int]]:
        """The process and the niceness of each beginning."""
        if not self._begun.exists():
            return []
        lines = self._begun.read_text().splitlines()
        return [(int(pid), int(nice)) for pid, nice in map(str.split, lines)]

    def row(self) -> dict[str, Any]:
        return read(self._product, self.pk)

    def comes_to(self, state: str) -> dict[str, Any]:
        wait_until(lambda: self.row()["state"] == state, f"the job to be {state}")
        return self.row()


@pytest.fixture
def job(product: Product, tmp_path: Path) -> Waiting:
    return Waiting(product, tmp_path)


def is_gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_one_is_done_behind_live_frames(product: Product, job: Waiting):
    worker = product.start("jobs")
    wait_until(lambda: job.row()["step"] == "Waiting for a file.", "it to begin")
    job.let_go()
    row = job.comes_to("done")
    assert json.loads(row["result"]) == {"said": "gone"}
    assert row["progress"] == 1
    [(pid, niceness)] = job.begun()
    assert pid != worker.pid
    assert niceness > 0


def test_one_whose_worker_is_killed_begins_anew(product: Product, job: Waiting):
    worker = product.start("jobs")
    wait_until(job.begun, "it to begin")
    [(pid, _)] = job.begun()

    worker.kill()

    wait_until(lambda: is_gone(pid), "the job's process to end with its worker")
    assert job.row()["state"] == "running"
    del product.processes["jobs"]
    product.start("jobs")
    assert product.inside(lose, job.pk) == 1
    wait_until(lambda: len(job.begun()) == 2, "it to begin anew")
    job.let_go()
    assert job.comes_to("done")["attempts"] == 2


def test_one_whose_worker_is_told_to_end_is_given_to_the_next(
    product: Product, job: Waiting
):
    worker = product.start("jobs")
    wait_until(job.begun, "it to begin")

    assert worker.terminate() == 0

    row = job.row()
    assert (row["state"], row["attempts"]) == ("waiting", 0)
    product.start("jobs")
    wait_until(lambda: len(job.begun()) == 2, "the next worker to begin")
    job.let_go()
    assert job.comes_to("done")["attempts"] == 1


def test_one_is_cancelled_while_it_runs(product: Product, job: Waiting):
    product.start("jobs")
    wait_until(job.begun, "it to begin")
    product.manage("jobs", "cancel", str(job.pk))
    row = job.comes_to("cancelled")
    assert row["reason"] == "It was cancelled."
    [(pid, _)] = job.begun()
    wait_until(lambda: is_gone(pid), "its process to end")


def test_one_that_is_killed_leaves_the_worker_to_the_next(product: Product):
    dies = product.inside(request, "dies", {})
    refuses = product.inside(request, "refuses", {})
    product.start("jobs")
    wait_until(lambda: read(product, refuses)["finished_at"], "both to end")
    row = read(product, dies)
    assert row["state"] == "failed"
    assert row["reason"] == "The process was killed; perhaps memory is short."


def test_one_that_does_not_listen_is_killed(product: Product):
    pk = product.inside(request, "deaf", {})
    product.start("jobs")
    wait_until(lambda: read(product, pk)["step"], "it to begin")
    product.manage("jobs", "cancel", str(pk))
    wait_until(lambda: read(product, pk)["state"] == "cancelled", "its end")


def test_one_is_run_from_the_terminal(product: Product, job: Waiting):
    job.let_go()
    assert f"waits {job.pk} is done." in product.manage("jobs", "run", str(job.pk))
    assert json.loads(job.row()["result"]) == {"said": "gone"}
