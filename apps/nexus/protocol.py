"""Every message of the session's WebSocket: its name, its fields, what is allowed.

Messages are JSON objects with a field `type`. The twin for the browser is
`static/js/session/protocol.js`; a test holds the two together. This module knows words
and shapes only: no socket, no peer connection.

The browser speaks first: `open`. Before the `welcome` it may have to wait, and is told
its `place` in line. Then it always offers: `acquiring` → `offer`, `candidate`… →
`answer` → `result`, `ack`…, and `stop` or a new `offer` at any time. Where no
connection comes about, `begin_jpeg` announces pictures in binary messages, each of
which is answered by `taken`. A message that can't be used is answered by `error` and
changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

# An offer with every candidate of a machine with many networks is some 20 kB; reading a
# contrived one takes a time that grows with the square of its length.
MAX_MESSAGE_CHARS = 64_000
# What a browser's numbers hold exactly.
LARGEST_NUMBER = 2**53
DRAWN_TIMINGS = ("capture_ms", "draw_ms", "picture_ms")
# As long as a frame is remembered; nothing that takes longer is a delay.
LONGEST_DELAY_MS = 60_000
# What somebody says that a thing is.
LONGEST_LABEL = 80

# Why the server closes a socket. Of our own range: it may not send 1012 and 1013.
NOTHING_SAID = 4008
SESSION_OVER = 4011
BEGIN_ANEW = 4012
TRY_AGAIN_LATER = 4013
TAKEN_OVER = 4014

CAMERA_FAILURES = {
    "permission_denied": "The camera was not allowed.",
    "no_camera": "No camera was found.",
    "camera_busy": "The camera is in use by another program.",
    "insecure_context": "The page was not opened over https or on localhost.",
    "unsupported": "The browser can't stream a camera.",
    "constraint": "The chosen camera can't deliver a usable picture.",
}

ROTATIONS = (0, 90, 180, 270)

ErrorCode = Literal[
    "malformed",
    "unknown_type",
    "invalid",
    "out_of_order",
    "too_large",
    "too_fast",
    "no_video",
    "unsupported_codec",
    "unavailable",
]


class Send(Protocol):
    """Sends one of `SERVER_MESSAGES` with its fields."""

    async def __call__(self, type_: str, **fields: Any) -> None: ...


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
    """The result of this frame has been drawn.

    `timings` is what only the page can measure of it, None where it can't:
    `capture_ms` from the camera to the picture's arrival here, `draw_ms` from the
    sending of the result to its drawing, `picture_ms` from the one to the other end.
    """

    seq: int
    timings: dict[str, float] | None


@dataclass(frozen=True, slots=True)
class Ping:
    sent_at_ms: float


@dataclass(frozen=True, slots=True)
class BeginJpeg:
    """Pictures come as JPEG over this socket, until a peer connection is live."""


@dataclass(frozen=True, slots=True)
class Rotate:
    """The camera's pictures are upright once turned clockwise by so many degrees."""

    rotation: int


@dataclass(frozen=True, slots=True)
class Dispute:
    """The answer to this frame is said to be wrong: hold its picture until it is said
    what it is. None lets go of it.
    """

    seq: int | None


@dataclass(frozen=True, slots=True)
class Complain:
    """What the disputed frame is; its label may be empty."""

    seq: int
    is_hot_dog: bool
    label: str


@dataclass(frozen=True, slots=True)
class Consent:
    """Pictures of this session may be kept, from now on."""


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Pictures of the token's session may not be kept any more, be it over or not."""

    resume_token: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The person stopped the camera."""


ClientMessage = (
    Open
    | Acquiring
    | CameraFailed
    | Offer
    | Candidate
    | BeginJpeg
    | Ack
    | Ping
    | Rotate
    | Dispute
    | Complain
    | Consent
    | TakeBack
    | Stop
)

CLIENT_MESSAGES: dict[str, tuple[str, ...]] = {
    "open": ("resume_token",),
    "acquiring": (),
    "camera_failed": ("reason",),
    "offer": ("sdp",),
    "candidate": ("candidate",),
    "begin_jpeg": (),
    "ack": ("seq", "timings"),
    "ping": ("sent_at_ms",),
    "rotate": ("rotation",),
    "dispute": ("seq",),
    "complain": ("seq", "is_hot_dog", "label"),
    "consent": (),
    "take_back": ("resume_token",),
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
    # In line, before the welcome: 1 is next, None is not in it; None is unknown.
    "place": ("resume_token", "position", "estimate_s"),
    "worker": ("alive", "sentence"),
    "answer": ("sdp",),
    # Another picture of as many as may be on their way can be sent.
    "taken": ("rtp_timestamp",),
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
    # The most that is worth sending.
    "quality": ("max_side", "max_framerate"),
    # On what terms pictures of this session are kept: after the welcome, and when they
    # change. `samples` is whether more are wanted than those that are disputed.
    "keeping": ("is_allowed", "samples", "retention_days", "sentence"),
    # `picture` is a small one as a data URL; None, and the verdict too, if it is gone.
    "disputed": ("seq", "picture", "is_hot_dog", "labels"),
    "thanks": ("seq", "is_kept", "sentence"),
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


def _ack(content: dict[str, Any]) -> Ack:
    seq, timings = _whole_number(content, "seq"), content.get("timings")
    if timings is None:
        return Ack(seq, None)
    if not isinstance(timings, dict):
        raise _invalid("timings", "an object or null")
    return Ack(seq, {stage: _delay(timings, stage) for stage in DRAWN_TIMINGS})


def _delay(content: dict[str, Any], field: str) -> float:
    value = _number(content, field)
    if not 0 <= value <= LONGEST_DELAY_MS:
        raise _invalid(field, f"from 0 to {LONGEST_DELAY_MS} milliseconds")
    return value


def _camera_failed(content: dict[str, Any]) -> CameraFailed:
    reason = _string(content, "reason")
    if reason not in CAMERA_FAILURES:
        raise _invalid("reason", "one of " + ", ".join(CAMERA_FAILURES))
    return CameraFailed(reason)


def _boolean(content: dict[str, Any], field: str) -> bool:
    value = content.get(field)
    if not isinstance(value, bool):
        raise _invalid(field, "true or false")
    return value


def _dispute(content: dict[str, Any]) -> Dispute:
    is_over = content.get("seq") is None
    return Dispute(None if is_over else _whole_number(content, "seq"))


def _complain(content: dict[str, Any]) -> Complain:
    label = " ".join(_string(content, "label").split())
    if len(label) > LONGEST_LABEL or not label.isprintable():
        raise _invalid("label", f"at most {LONGEST_LABEL} printable characters")
    seq, is_hot_dog = _whole_number(content, "seq"), _boolean(content, "is_hot_dog")
    return Complain(seq, is_hot_dog, label)


def _rotate(content: dict[str, Any]) -> Rotate:
    rotation = _whole_number(content, "rotation")
    if rotation not in ROTATIONS:
        raise _invalid("rotation", "one of " + ", ".join(map(str, ROTATIONS)))
    return Rotate(rotation)


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
    "begin_jpeg": lambda content: BeginJpeg(),
    "ack": _ack,
    "ping": lambda content: Ping(_number(content, "sent_at_ms")),
    "rotate": _rotate,
    "dispute": _dispute,
    "complain": _complain,
    "consent": lambda content: Consent(),
    "take_back": lambda content: TakeBack(_string(content, "resume_token")),
    "stop": lambda content: Stop(),
}
