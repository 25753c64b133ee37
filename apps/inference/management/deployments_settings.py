"""`manage.py deployments add|set|remove`: what deployments there are, and their
settings.
"""

from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from collections.abc import Callable
from typing import Any, Protocol

from apps.inference import deploying
from apps.inference.exceptions import InferenceError
from apps.inference.finding import find_deployment, find_version

UNSET = "none"


class Subcommands(Protocol):
    def add_parser(self, name: str, *, help: str) -> ArgumentParser: ...


def add_arguments(what: Subcommands) -> None:
    add = what.add_parser("add", help="have a version answer under a new name")
    add.add_argument("name", help="the page is at /s/NAME")
    add.add_argument("version", help="MODEL, or MODEL:VERSION; it must be verified")
    change = what.add_parser("set", help="change what a deployment asks of its answers")
    change.add_argument("name")
    for parser in (add, change):
        _add_settings(parser)
    remove = what.add_parser("remove", help="remove one that nobody has ever used")
    remove.add_argument("name")


def act(what: str, options: dict[str, Any]) -> str:
    """Do it, and say what was done.

    Raises:
        InferenceError: why it can't be done.
    """
    return ACTS[what](options)


def _add_settings(parser: ArgumentParser) -> None:
    parser.add_argument("--title", help="what the page calls it")
    parser.add_argument("--queue", help="whose workers answer: gpu, gpu-large, …")
    parser.add_argument(
        "--age-budget-ms",
        type=_or_unset(int),
        metavar="MS",
        help=f"a frame older than this is dropped; {UNSET}: AGE_BUDGET_MS",
    )
    parser.add_argument(
        "--min-score",
        type=_or_unset(float),
        metavar="SCORE",
        help=f"what scores less isn't shown; {UNSET}: as the model's files say",
    )
    parser.add_argument(
        "--hot-dog-score",
        type=_or_unset(float),
        metavar="SCORE",
        help=f"the least score for the verdict; {UNSET}: the rule's own",
    )
    parser.add_argument(
        "--most-failed-share",
        type=float,
        metavar="SHARE",
        help="a version that fails more in its first minute is taken back",
    )
    parser.add_argument(
        "--most-p95-ms",
        type=_or_unset(int),
        metavar="MS",
        help=f"the same, if its results are older at the p95; {UNSET}: any age",
    )
    parser.add_argument(
        "--sample-share",
        type=float,
        metavar="SHARE",
        help="the share of frames that is kept of those who allow it",
    )
    parser.add_argument(
        "--sample-uncertain",
        action=BooleanOptionalAction,
        help="keep what the model is least sure of, of those who allow it",
    )
    parser.add_argument(
        "--retention-days",
        type=int,
        metavar="DAYS",
        help="for how long captures that nobody has used are kept",
    )


def _or_unset(number: Callable[[str], float]) -> Callable[[str], float | str]:
    """A number, or the word that unsets it, for None is what wasn't given."""

    def read(text: str) -> float | str:
        if text == UNSET:
            return UNSET
        try:
            value = number(text)
        except ValueError as error:
            raise ArgumentTypeError(f"{text!r} is no such number.") from error
        if not math.isfinite(value):
            raise ArgumentTypeError(f"{text!r} is no score.")
        return value

    return read


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if options[name] == UNSET and name not in TEXTS else options[name]
        for name in deploying.SETTINGS
        if options[name] is not None
    }


def _add(options: dict[str, Any]) -> str:
    version = find_version(options["version"])
    deployment = deploying.add(options["name"], version, _given(options))
    return (
        f"{deployment} is answered by {version}, at /s/{deployment}, once a worker of"
        f" the queue {deployment.queue} has loaded it."
    )


def _set(options: dict[str, Any]) -> str:
    settings = _given(options)
    if not settings:
        raise InferenceError("Say what to change: --queue, --min-score, …")
    deployment = find_deployment(options["name"])
    deploying.change(deployment, settings)
    values = ", ".join(f"{name} {value}" for name, value in settings.items())
    return f"{deployment} has {values}. Workers take it up within a second."


def _remove(options: dict[str, Any]) -> str:
    deployment = find_deployment(options["name"])
    deploying.remove(deployment)
    return f"{options['name']} is removed."


TEXTS = ("title", "queue")
ACTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "add": _add,
    "set": _set,
    "remove": _remove,
}
