"""Every message of the session's WebSocket: its name, its fields, what is allowed.

Messages are JSON objects with a field `type`. The twin for the browser is
`static/js/session/protocol.js`; a test holds the two together. This module knows words
and shapes only: no socket, no peer connection.

The browser speaks first, and always offers. `open` → `welcome`; `acquiring` → `offer`,
`candidate`… → `answer` → `result`, `ack`…, and `stop` or a new `offer` at any time. A
message that can't be used is answered by `error` and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

# An offer with every candidate of a machine with many networks is some 20 kB; reading a
# contrived one takes a time that grows with the square of its length.
MAX_MESSAGE_CHARS = 64_000
# What a browser's numbers hold exactly.
LARGEST_NUMBER = 2**53

CAMERA_FAILURES = {
    "permission_denied": "The camera was not allowed.",
    "no_camera": "No camera was found.",
    "camera_busy": "The camera is in use by another program.",
    "insecure_context": "The page was not opened over https or on localhost.",
    "unsupported": "The browser can't stream a camera.",
    "constraint": "The chosen camera can't deliver a usable picture.",
}

ErrorCode = Literal[
    "malformed",
    "unknown_type",
    "invalid",
    "out_of_order",
    "too_large",
    "no_video",
    "unsupported_codec",
    "unavailable",
]


class ProtocolError(Exception):
    """A message was refused. `sentence` is for the sender, in plain words."""

    def __init__(self, code: ErrorCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code: ErrorCode = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Open:
    """Begin a session, or go on with that of the token, which may be empty."""

    resume_token: str


@dataclass(frozen=True, slots=True)
class Acquiring:
    """The page has asked for the camera."""


@dataclass(frozen=True, slots=True)
class CameraFailed:
    reason: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A new peer connection, in place of the one before."""

    sdp: str


@dataclass(frozen=True, slots=True)
class IceCandidate:
    candidate: str
    sdp_mid: str | None
    sdp_mline_index: int | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One more way to reach the browser; None when there are no more."""

    candidate: IceCandidate | None


@dataclass(frozen=True, slots=True)
class Ack:
    """The result of this frame has been drawn."""

    seq: int


@dataclass(frozen=True, slots=True)
class Ping:
    sent_at_ms: float


@dataclass(frozen=True, slots=True)
class Stop:
    """The person stopped the camera."""


ClientMessage = Open | Acquiring | CameraFailed | Offer | Candidate | Ack | Ping | Stop

CLIENT_MESSAGES: dict[str, tuple[str, ...]] = {
    "open": ("resume_token",),
    "acquiring": (),
    "camera_failed": ("reason",),
    "offer": ("sdp",),
    "candidate": ("candidate",),
    "ack": ("seq",),
    "ping": ("sent_at_ms",),
    "stop": (),
}

SERVER_MESSAGES: dict[str, tuple[str, ...]] = {
    # `next_seq` is the number of the session's next frame.
    "welcome": (
        "session_id",
        "resume_token",
        "next_seq",
        "deployment",
        "ice_servers",
        "model",
        "worker_alive",
    ),
    # In place of the welcome's, whose key is about to expire.
    "ice_servers": ("ice_servers",),
    # Connect anew, at a moment of chance within this time: this process ends.
    "move": ("within_ms",),
    "status": ("status", "sentence"),
    "worker": ("alive", "sentence"),
    "answer": ("sdp",),
    "model": ("model",),
    "result": (
        "seq",
        "rtp_timestamp",
        "frame",
        "is_hot_dog",
        "detections",
        "classifications",
        "timings",
    ),
    "error": ("code", "sentence"),
    "pong": ("sent_at_ms",),
}


def parse(text: str) -> ClientMessage:
    """Read one message of the browser.

    Raises:
        ProtocolError: it is too large, not JSON, unknown, or has a field that is wrong.
    """
    if len(text) > MAX_MESSAGE_CHARS:
        raise ProtocolError(
            "too_large", f"A message may have {MAX_MESSAGE_CHARS} characters."
        )
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("malformed", "The message is not JSON.") from error
    if not isinstance(content, dict) or not isinstance(content.get("type"), str):
        raise ProtocolError(
            "malformed", "A message is a JSON object with a field `type`."
        )
    try:
        build = _BUILDERS[content["type"]]
    except KeyError as error:
        raise ProtocolError(
            "unknown_type", f"There is no message {content['type'][:40]!r}."
        ) from error
    return build(content)


def server_message(type_: str, **fields: Any) -> dict[str, Any]:
    """Build one message to the browser; a missing or surplus field is our mistake."""
    if set(fields) != set(SERVER_MESSAGES[type_]):
        raise ValueError(f"{type_} has the fields {SERVER_MESSAGES[type_]}.")
    return {"type": type_, **fields}


def _refuse_constant(name: str) -> None:
    """Python alone takes NaN and Infinity for JSON, and would answer with them."""
    raise ValueError(f"{name} is not JSON.")


def _invalid(field: str, expected: str) -> ProtocolError:
    return ProtocolError("invalid", f"`{field}` must be {expected}.")


def _string(content: dict[str, Any], field: str) -> str:
    value = content.get(field)
    if not isinstance(value, str):
        raise _invalid(field, "a string")
    return value


def _number(content: dict[str, Any], field: str) -> float:
    value = content.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(field, "a number")
    if abs(value) > LARGEST_NUMBER:
        # 1e999, say, which is read as infinity.
        raise _invalid(field, "a number that a browser can hold")
    return value


def _whole_number(content: dict[str, Any], field: str) -> int:
    value = content.get(field)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _invalid(field, "a whole number, not negative")
    return value


def _camera_failed(content: dict[str, Any]) -> CameraFailed:
    reason = _string(content, "reason")
    if reason not in CAMERA_FAILURES:
        raise _invalid("reason", "one of " + ", ".join(CAMERA_FAILURES))
    return CameraFailed(reason)


def _candidate(content: dict[str, Any]) -> Candidate:
    if "candidate" not in content:
        raise _invalid("candidate", "an object or null")
    inner = content["candidate"]
    if inner is None:
        return Candidate(None)
    if not isinstance(inner, dict):
        raise _invalid("candidate", "an object or null")
    line = _string(inner, "candidate")
    if not line:
        # Some browsers end the candidates of a media section with an empty one.
        return Candidate(None)
    mid = None if inner.get("sdpMid") is None else _string(inner, "sdpMid")
    index = (
        None
        if inner.get("sdpMLineIndex") is None
        else _whole_number(inner, "sdpMLineIndex")
    )
    if mid is None and index is None:
        raise _invalid("candidate", "given with sdpMid or sdpMLineIndex")
    return Candidate(IceCandidate(line, mid, index))


_BUILDERS: dict[str, Callable[[dict[str, Any]], ClientMessage]] = {
    "open": lambda content: Open(_string(content, "resume_token")),
    "acquiring": lambda content: Acquiring(),
    "camera_failed": _camera_failed,
    "offer": lambda content: Offer(_string(content, "sdp")),
    "candidate": _candidate,
    "ack": lambda content: Ack(_whole_number(content, "seq")),
    "ping": lambda content: Ping(_number(content, "sent_at_ms")),
    "stop": lambda content: Stop(),
}
