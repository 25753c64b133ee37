"""Shows slow work, does it at once instead of on the queue, and cancels it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.inference import jobs
from apps.inference.exceptions import InferenceError
from apps.inference.jobs import doing, overseeing
from apps.inference.management import terminal
from apps.inference.models import Job
from apps.inference.serving.rehearsal import stand_behind_live_frames

COLUMNS = ("job", "state", "asked for", "by", "how far")
MOST_SHOWN = 50


class Command(BaseCommand):
    help = "List jobs, run one here and now, and cancel one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="what")
        what.add_parser(
            "list", help=f"the newest {MOST_SHOWN}, and what became of them"
        )
        run = what.add_parser("run", help="do a job that waits here, not on the queue")
        run.add_argument("id", type=int)
        cancel = what.add_parser("cancel", help="cancel a job that waits or runs")
        cancel.add_argument("id", type=int)
        # What others have done in a process of its own; see overseeing.py.
        what.add_parser("do").add_argument("id", type=int)

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        try:
            getattr(self, f"_{what}")(options)
        except InferenceError as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        newest = Job.objects.select_related("requested_by")[:MOST_SHOWN]
        self.stdout.write("\n".join(terminal.aligned([COLUMNS, *map(_row, newest)])))

    def _run(self, options: dict[str, Any]) -> None:
        job = _find(options["id"])
        if not jobs.take(job):
            raise InferenceError(f"{job} doesn't wait: it is {job.state}.")
        follow(job)
        self.stdout.write(f"{job} is done.")

    def _cancel(self, options: dict[str, Any]) -> None:
        job = _find(options["id"])
        jobs.cancel(job)
        self.stdout.write(f"{job} is being cancelled.")

    def _do(self, options: dict[str, Any]) -> None:
        doing.end_with_the_overseer()
        stand_behind_live_frames()
        doing.do(_find(options["id"]))


def follow(job: Job) -> None:
    """Do a job that is taken, with its progress on the terminal.

    Raises:
        InferenceError: it failed, or was cancelled.
    """
    with terminal.Progress() as progress:
        overseeing.oversee(job, lambda row: progress.tell(row.progress, row.step))
    if job.state != Job.State.DONE:
        raise InferenceError(f"{job} is {job.state}: {job.reason}")


def _find(pk: int) -> Job:
    job = Job.objects.filter(pk=pk).first()
    if job is None:
        raise InferenceError(f"There is no job {pk}; `jobs list` shows all.")
    return job


def _row(job: Job) -> tuple[str, ...]:
    by = job.requested_by.get_username() if job.requested_by else terminal.NOTHING
    said = job.reason or job.step
    if job.state == Job.State.RUNNING:
        said = f"{job.progress:.0%} {said}"
    return (
        f"{job.pk} {job.kind} {job.subject}".rstrip(),
        job.state,
        f"{job.requested_at:%Y-%m-%d %H:%M} UTC",
        by,
        said or terminal.NOTHING,
    )
