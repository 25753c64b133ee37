"""`manage.py deployments list|activate|back|history`: what answers, and what did."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any, Protocol

from apps.inference import services
from apps.inference.exceptions import InferenceError
from apps.inference.finding import find_deployment, find_version
from apps.inference.management import terminal
from apps.inference.models import Activation, Deployment

LOOKS_EVERY_S = 0.2


class Subcommands(Protocol):
    def add_parser(self, name: str, *, help: str) -> ArgumentParser: ...


def add_arguments(what: Subcommands) -> None:
    what.add_parser("list", help="what answers under which name")
    activate = what.add_parser("activate", help="have another version answer")
    back = what.add_parser("back", help="have the version answer that did before")
    history = what.add_parser("history", help="what was activated, and what came of it")
    for parser in (activate, back, history):
        parser.add_argument("name")
    activate.add_argument("version", help="MODEL, or MODEL:VERSION")
    for parser in (activate, back):
        parser.add_argument("--note", default="", help="why, for the record")
        parser.add_argument(
            "--wait", action="store_true", help="until it answers, or can't"
        )


def act(what: str, options: dict[str, Any]) -> str:
    """Do it, and say what was done.

    Raises:
        InferenceError: why it can't be done, or why the version doesn't answer.
    """
    return ACTS[what](options)


def _list(options: dict[str, Any]) -> str:
    deployments = Deployment.objects.select_related("active_version__model")
    rows = [(each.name, str(each.active_version), each.queue) for each in deployments]
    return "\n".join(terminal.aligned([("name", "active version", "queue"), *rows]))


def _activate(options: dict[str, Any]) -> str:
    deployment = find_deployment(options["name"])
    version = find_version(options["version"])
    return _asked(services.activate(deployment, version, note=options["note"]), options)


def _back(options: dict[str, Any]) -> str:
    deployment = find_deployment(options["name"])
    return _asked(services.go_back(deployment, note=options["note"]), options)


def _asked(activation: Activation | None, options: dict[str, Any]) -> str:
    if activation is None:
        return "Nothing was changed: it is active already."
    version, name = activation.to_version, activation.deployment.name
    if activation.is_under_way and not options["wait"]:
        return (
            f"The workers are loading {version}; `deployments history {name}` says how"
            " far they are."
        )
    _wait(activation)
    if activation.state != Activation.State.SWITCHED:
        raise InferenceError(f"{version} doesn't answer: {activation.reason}")
    return f"{version} answers for {name}."


def _wait(activation: Activation) -> None:
    said = ""
    while activation.is_under_way:
        words = f"{activation.get_state_display()}: {activation.step}".rstrip(": ")
        if words != said:
            sys.stderr.write(f"{words}\n")
            said = words
        time.sleep(LOOKS_EVERY_S)
        activation.refresh_from_db()


def _history(options: dict[str, Any]) -> str:
    deployment = find_deployment(options["name"])
    activations = deployment.activations.select_related(
        "from_version__model", "to_version__model", "requested_by"
    )
    rows = [_row(each) for each in activations]
    if not rows:
        return f"Nothing else was ever asked for in {deployment}."
    heading = ("when (UTC)", "by", "from", "to", "outcome", "why")
    return "\n".join(terminal.aligned([heading, *rows]))


def _row(activation: Activation) -> tuple[str, ...]:
    return (
        f"{activation.requested_at:%Y-%m-%d %H:%M:%S}",
        str(activation.requested_by or terminal.NOTHING),
        str(activation.from_version or terminal.NOTHING),
        str(activation.to_version),
        activation.get_state_display(),
        activation.reason or activation.step or activation.note or terminal.NOTHING,
    )


ACTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "list": _list,
    "activate": _activate,
    "back": _back,
    "history": _history,
}
