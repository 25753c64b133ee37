"""The examinations of the server, as `manage.py doctor` and the doctor's page show
them to operators.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from django.conf import settings

from apps.nexus import turn
from apps.nexus.doctor import neighbours, pages, reach
from apps.nexus.doctor.certificate import examine_certificate
from apps.nexus.doctor.findings import (
    Examine,
    Finding,
    Outcome,
    examine_all,
    in_thread,
    not_configured,
)
from apps.nexus.doctor.relays import examine_relay
from apps.nexus.doctor.workers import Workforce
from apps.nexus.ice import Reach

Report = dict[str, Finding]


def examine_server() -> Report:
    """Blocking, for some seconds; on an event loop of its own."""
    return asyncio.run(examine_all(examinations()))


def has_failed(report: Report) -> bool:
    return any(finding.outcome == Outcome.FAILED for finding in report.values())


def as_json(report: Report) -> list[dict[str, Any]]:
    return [{"name": name, **asdict(finding)} for name, finding in report.items()]


def examinations() -> dict[str, Examine]:
    """What there is to examine, from the visitor's end to the model."""
    met = Reach.from_settings()
    workforce = Workforce()
    return {
        "Page address": _blocking(pages.examine_page_address),
        "Addresses": _blocking(partial(reach.examine_addresses, met)),
        "Public address": _blocking(partial(reach.examine_public_address, met)),
        "UDP ports": _blocking(partial(reach.examine_ports, met, _lent_here())),
        **_of_turn(met),
        "Redis": _blocking(neighbours.examine_redis),
        "Database": _blocking(neighbours.examine_database),
        "Worker": workforce.examine_worker,
        "Background": workforce.examine_background,
        "Model": workforce.examine_model,
    }


def _of_turn(met: Reach) -> dict[str, Examine]:
    if not turn.is_configured():
        return {"TURN server": _without_turn}
    found: dict[str, Examine] = {
        "TURN certificate": _blocking(
            partial(
                examine_certificate,
                settings.TURN_CERT_TLS,
                settings.TURN_HOST or settings.TURN_MOCK_IP,
                is_here=_turn_is_here(),
            )
        ),
        "TURN over UDP": partial(examine_relay, "udp", met),
        "TURN over TCP": partial(examine_relay, "tcp", met),
    }
    if settings.TURN_CERT_TLS:
        found["TURN over TLS"] = partial(examine_relay, "tls", met)
    return found


async def _without_turn() -> Finding:
    return not_configured(
        "There is no TURN server, so browsers whose network lets no UDP through can't "
        "send their picture.",
        "Set TURN_IP, as docs/deployment.md shows.",
    )


def _turn_is_here() -> bool:
    return not reach.bind_problem(settings.TURN_IP)


def _lent_here() -> range:
    """The ports of a TURN server on this machine; none without one."""
    if not turn.is_configured() or not _turn_is_here():
        return range(0)
    return range(settings.TURN_PORT_UDP_FROM, settings.TURN_PORT_UDP_TO + 1)


def _blocking(examine: Callable[[], Finding]) -> Examine:
    return partial(in_thread, examine)
