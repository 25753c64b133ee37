"""`manage.py captures show|accept|reject|undo`: the review page, typed."""

from __future__ import annotations

import json
from typing import Any

from apps.inference.management.deployments_activations import Subcommands
from apps.sessions import reviewing
from apps.sessions.models import Capture
from apps.sessions.review_views import answer_words, said_words
from apps.sessions.reviewing import ReviewError


def add_arguments(what: Subcommands) -> None:
    show = what.add_parser("show", help="what is known of a capture, not its picture")
    accept = what.add_parser("accept", help="make an example of a dataset of it")
    reject = what.add_parser("reject", help="say that it is of no use")
    undo = what.add_parser("undo", help="have it wait again, if it was decided typed")
    for each in (show, accept, reject, undo):
        each.add_argument("capture", type=int, help="its number, as `list` says it")
    accept.add_argument("--dataset", default=reviewing.DATASET, metavar="NAME")
    seen = accept.add_mutually_exclusive_group(required=True)
    seen.add_argument("--right", action="store_true", help="the model is right")
    seen.add_argument(
        "--wrong", action="store_true", help="the model is wrong, and its person right"
    )
    seen.add_argument(
        "--label", action="append", metavar="LABEL", help="of the whole picture"
    )
    seen.add_argument(
        "--annotations",
        metavar="JSON",
        help='[{"label": "cup", "box": [8, 8, 24, 20]}]',
    )
    seen.add_argument(
        "--nothing", action="store_true", help="it shows nothing with a name"
    )


def act(what: str, options: dict[str, Any]) -> str:
    """Raises: ReviewError."""
    number = options["capture"]
    capture = _capture(number)
    match what:
        case "show":
            return "\n".join(_facts(capture))
        case "accept":
            _refuse_decided(capture)
            annotations = _annotations(capture, options)
            dataset = reviewing.dataset_called(options["dataset"])
            reviewing.accept(number, None, annotations, dataset)
            return f"Capture {number} is an example of {dataset}."
        case "reject":
            _refuse_decided(capture)
            reviewing.reject(number, None)
            return f"Capture {number} is rejected."
    reviewing.undo(number, None)
    return f"Capture {number} waits again."


ACTS = ("show", "accept", "reject", "undo")


def _capture(number: int) -> Capture:
    related = Capture.objects.select_related(
        "model_version__model", "deployment", "reviewed_by", "example__dataset"
    )
    capture = related.filter(pk=number).first()
    if capture is None:
        raise ReviewError(f"There is no capture {number}; `captures list` shows all.")
    return capture


def _refuse_decided(capture: Capture) -> None:
    """What is decided while the command runs, `reviewing` says."""
    if capture.state != Capture.State.WAITING:
        by = f" by {capture.reviewed_by}" if capture.reviewed_by else ""
        raise ReviewError(f"Capture {capture.pk} was {capture.state}{by} already.")


def _annotations(capture: Capture, options: dict[str, Any]) -> Any:
    if options["label"]:
        return [{"label": label} for label in options["label"]]
    if options["annotations"] is not None:
        return reviewing.read_annotations(options["annotations"])
    if options["nothing"]:
        return []
    if options["wrong"] and not capture.said:
        raise ReviewError(
            "Nobody has said what it is: say it with --label or --annotations."
        )
    return reviewing.suggestions(capture)["wrong" if options["wrong"] else "right"]


def _facts(capture: Capture) -> list[str]:
    example = capture.example
    facts = {
        "state": capture.get_state_display(),
        "reason": capture.get_reason_display(),
        "taken": f"{capture.taken_at:%Y-%m-%d %H:%M:%S} UTC",
        "session": capture.session_id,
        "deployment": capture.deployment,
        "model": capture.model_version,
        "model said": answer_words(capture.predicted),
        "person said": said_words(capture.said),
        "size": f"{capture.width} x {capture.height}",
        "reviewed by": capture.reviewed_by,
        "annotations": json.dumps(capture.annotations) if capture.reviewed_at else "",
        "example": f"{example.pk} of {example.dataset}" if example else "",
    }
    return [f"{name + ':':<13}{value}" for name, value in facts.items() if value]
