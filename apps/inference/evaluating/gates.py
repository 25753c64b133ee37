"""What a deployment asks of a version before it may answer: least figures.

They count on an evaluation of the very data that is asked for, as it is now.
"""

from __future__ import annotations

from apps.inference.datasets import keeping
from apps.inference.evaluating import evaluations
from apps.inference.evaluating.evaluations import NAMES
from apps.inference.exceptions import GateError
from apps.inference.models import Deployment, Evaluation, Example, ModelVersion


def asked_for(deployment: Deployment) -> str:
    """In words: `at least mAP50 0.5 on kitchen`, or `no figures`."""
    if not deployment.gates:
        return "no figures"
    # In one order: PostgreSQL keeps none.
    gates = evaluations.headline_of(deployment.gates)
    said = ", ".join(f"{NAMES[name]} {least}" for name, least in gates.items())
    return f"at least {said} on {evaluations.data_name(deployment.gate_dataset)}"


def refuse_short(deployment: Deployment, version: ModelVersion) -> None:
    """Raises: GateError, which names every figure that is short, or missing."""
    if not deployment.gates:
        return
    data = evaluations.data_name(deployment.gate_dataset)
    evaluation = evaluations.latest(version, deployment.gate_dataset)
    if evaluation is None:
        raise GateError(
            f"{version} has not been evaluated on {data}, which {deployment} asks for:"
            f" {how_to(deployment, version)}."
        )
    if not _is_of_now(evaluation):
        raise GateError(
            f"{version} was evaluated on {data} before its held-out pictures changed:"
            f" {how_to(deployment, version)}."
        )
    if short := shortfalls(deployment, evaluation):
        raise GateError(f"{version} can't answer for {deployment}: {'; '.join(short)}.")


def shortfalls(deployment: Deployment, evaluation: Evaluation) -> list[str]:
    """A phrase for each figure that isn't as high as the deployment asks for."""
    data = evaluations.data_name(deployment.gate_dataset)
    short = []
    for name, least in deployment.gates.items():
        value = evaluation.figures.get(name)
        words = NAMES.get(name, name)
        if value is None:
            short.append(f"there is no {words} of it on {data}")
        elif value < least:
            digits = 2 if round(value, 2) < round(least, 2) else 4
            short.append(
                f"{words} is {value:.{digits}f} on {data}, at least"
                f" {least:.{digits}f} is asked for"
            )
    return short


def how_to(deployment: Deployment, version: ModelVersion) -> str:
    """How one gets an evaluation, in the admin or typed."""
    dataset = deployment.gate_dataset
    option = f" --dataset {dataset.name}" if dataset else ""
    typed = f"manage.py evaluate {version.model.name}:{version.version}{option}"
    return f"evaluate it first, on its page or by {typed}"


def _is_of_now(evaluation: Evaluation) -> bool:
    """The built-in scenes are always the same."""
    if evaluation.dataset is None:
        return True
    now = keeping.checksum(evaluation.dataset, Example.Split.HELD_OUT)
    return evaluation.data_sha256 == now
