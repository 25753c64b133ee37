"""`Glance`: what is asked of the database and of Redis for one look at the overview.

Its panels and its notices share the answers, each of which is asked for once.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import cached_property
from weakref import WeakKeyDictionary

from django.db.models import Count, OuterRef, Q, Subquery
from django.http import HttpRequest
from django.utils import timezone

from apps.inference.admin import workforce
from apps.inference.admin.workforce import Workforce
from apps.inference.models import Activation, Deployment, Job, Trial
from apps.sessions.models import CameraSession
from apps.sessions.recent import Recent, recent

MOST_DEPLOYMENTS = 50
MOST_JOBS = 20
# After that, what went wrong is known.
KNOWN_AFTER = timedelta(days=1)
Status = CameraSession.Status
# Those who are about to be live.
COMING = (Status.WAITING, Status.ACQUIRING, Status.CONNECTING, Status.RECONNECTING)


class Glance:
    @cached_property
    def deployments(self) -> list[Deployment]:
        deployments = Deployment.objects.select_related("active_version__model")
        return list(deployments[:MOST_DEPLOYMENTS])

    @cached_property
    def lately(self) -> dict[int, Recent]:
        """By the deployment's number."""
        return recent()

    @cached_property
    def activations(self) -> dict[int, Activation]:
        """The last one of each deployment, by its number."""
        last = Activation.objects.filter(deployment=OuterRef("pk")).values("pk")[:1]
        numbers = Deployment.objects.filter(
            pk__in=[each.pk for each in self.deployments]
        ).values(last=Subquery(last))
        found = Activation.objects.filter(pk__in=numbers)
        related = found.select_related("deployment", "to_version__model")
        return {each.deployment_id: each for each in related}

    @cached_property
    def trials(self) -> list[Trial]:
        """Those that run."""
        running = Trial.objects.filter(state=Trial.State.RUNNING)
        return list(running.select_related("deployment", "version__model"))

    @cached_property
    def jobs(self) -> list[Job]:
        """Those that wait or run, and those that failed lately; the oldest first."""
        since = timezone.now() - KNOWN_AFTER
        failed = Q(state=Job.State.FAILED, finished_at__gte=since)
        asked = Job.objects.filter(Q(state__in=Job.UNDER_WAY) | failed)
        return list(asked.order_by("requested_at", "pk")[:MOST_JOBS])

    @cached_property
    def _sessions(self) -> Counter[tuple[int, str]]:
        open_ = CameraSession.objects.filter(ended_at=None)
        counted = open_.order_by().values_list("deployment", "status")
        return Counter(
            {
                (number, status): count
                for number, status, count in counted.annotate(Count("pk"))
            }
        )

    def live(self, deployment: Deployment) -> int:
        return self._sessions[deployment.pk, Status.LIVE]

    @property
    def all_live(self) -> int:
        return self._in(Status.LIVE)

    @property
    def coming(self) -> int:
        return self._in(*COMING)

    def _in(self, *statuses: str) -> int:
        return sum(
            count for (_, status), count in self._sessions.items() if status in statuses
        )

    @cached_property
    def workforce(self) -> Workforce:
        return workforce.present(workforce.queues_of(self.deployments))

    @property
    def needed(self) -> set[str]:
        """The queues without whose workers something is amiss."""
        is_shadowed = any(each.kind == Trial.Kind.SHADOW for each in self.trials)
        queues = set(workforce.queues_of(self.deployments))
        return queues if is_shadowed else queues - {workforce.SHADOWS}


_glances: WeakKeyDictionary[HttpRequest, Glance] = WeakKeyDictionary()


def glance(request: HttpRequest) -> Glance:
    """That of this look."""
    return _glances.setdefault(request, Glance())
