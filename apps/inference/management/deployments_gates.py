"""`manage.py deployments gates`: what a deployment asks of a version."""

from __future__ import annotations

import math
from typing import Any

from apps.inference.datasets import keeping
from apps.inference.evaluating import gates
from apps.inference.evaluating.evaluations import NAMES
from apps.inference.exceptions import InferenceError
from apps.inference.finding import find_deployment
from apps.inference.management.deployments_activations import Subcommands


def add_arguments(what: Subcommands) -> None:
    ask = what.add_parser("gates", help="the least figures that a version needs")
    ask.add_argument("name")
    ask.add_argument(
        "figures",
        nargs="*",
        metavar="FIGURE=LEAST",
        help=f"what to ask for from now on, of {', '.join(NAMES)}; else it is shown",
    )
    ask.add_argument("--dataset", help="on which; else on the built-in scenes")
    ask.add_argument("--none", action="store_true", help="ask for nothing any more")


def act(what: str, options: dict[str, Any]) -> str:
    """Set what is asked for, if something is said of it; and say what that is.

    Raises:
        InferenceError: there is no such figure, deployment or dataset.
    """
    deployment = find_deployment(options["name"])
    if options["figures"] or options["none"]:
        deployment.gates = dict(map(_gate, options["figures"]))
        name = options["dataset"]
        deployment.gate_dataset = keeping.find(name) if name else None
        deployment.save(update_fields=["gates", "gate_dataset"])
    return f"{deployment} asks for {gates.asked_for(deployment)}."


ACTS = {"gates": act}


def _gate(said: str) -> tuple[str, float]:
    name, _, least = said.partition("=")
    try:
        value = float(least)
    except ValueError:
        value = math.nan
    if name not in NAMES or not 0 <= value <= 1:
        raise InferenceError(
            f"{said!r} is no figure from 0 to 1: say map50=0.5, or another of"
            f" {', '.join(NAMES)}."
        )
    return name, value
