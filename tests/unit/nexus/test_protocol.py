"""What a browser may say, and that nothing else gets through or breaks anything."""

from __future__ import annotations

import json

import pytest

from apps.nexus import protocol
from apps.nexus.protocol import (
    LONGEST_DELAY_MS,
    LONGEST_LABEL,
    Ack,
    Acquiring,
    CameraFailed,
    Candidate,
    Complain,
    Consent,
    Dispute,
    IceCandidate,
    Offer,
    Open,
    Ping,
    ProtocolError,
    Rotate,
    Stop,
    TakeBack,
)

DRAWN = {"capture_ms": 0, "draw_ms": 8.5, "picture_ms": LONGEST_DELAY_MS}
COMPLAINT = {"type": "complain", "seq": 1, "is_hot_dog": True, "label": "cup"}
LINE = "candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"type": "open", "resume_token": ""}, Open("")),
        ({"type": "open", "resume_token": "a:b:c"}, Open("a:b:c")),
        ({"type": "acquiring"}, Acquiring()),
        ({"type": "stop"}, Stop()),
        ({"type": "stop", "surplus": [1]}, Stop()),
        ({"type": "offer", "sdp": "v=0\r\n"}, Offer("v=0\r\n")),
        ({"type": "ack", "seq": 0}, Ack(0, None)),
        ({"type": "ack", "seq": 10**18}, Ack(10**18, None)),
        ({"type": "ack", "seq": 1, "timings": None}, Ack(1, None)),
        (
            {"type": "ack", "seq": 1, "timings": {**DRAWN, "surplus_ms": "x"}},
            Ack(1, DRAWN),
        ),
        *(
            ({"type": "rotate", "rotation": rotation}, Rotate(rotation))
            for rotation in (0, 90, 180, 270)
        ),
        ({"type": "dispute", "seq": 7}, Dispute(7)),
        ({"type": "dispute", "seq": None}, Dispute(None)),
        (
            {"type": "complain", "seq": 7, "is_hot_dog": False, "label": " a  cup "},
            Complain(7, False, "a cup"),
        ),
        (
            {"type": "complain", "seq": 7, "is_hot_dog": True, "label": ""},
            Complain(7, True, ""),
        ),
        ({"type": "consent"}, Consent()),
        ({"type": "take_back", "resume_token": "t"}, TakeBack("t")),
        ({"type": "ping", "sent_at_ms": 12.5}, Ping(12.5)),
        ({"type": "ping", "sent_at_ms": -3}, Ping(-3)),
        ({"type": "candidate", "candidate": None}, Candidate(None)),
        (
            {"type": "candidate", "candidate": {"candidate": "", "sdpMid": "0"}},
            Candidate(None),
        ),
        (
            {"type": "candidate", "candidate": {"candidate": LINE, "sdpMid": "0"}},
            Candidate(IceCandidate(LINE, "0", None)),
        ),
        (
            {
                "type": "candidate",
                "candidate": {
                    "candidate": LINE,
                    "sdpMid": None,
                    "sdpMLineIndex": 0,
                    "usernameFragment": "abcd",
                },
            },
            Candidate(IceCandidate(LINE, None, 0)),
        ),
        *(
            ({"type": "camera_failed", "reason": reason}, CameraFailed(reason))
            for reason in protocol.CAMERA_FAILURES
        ),
    ],
)
def test_every_message_is_read(content: dict[str, object], expected: object):
    assert protocol.parse(json.dumps(content)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "hello",
        "{'type': 'stop'}",
        '{"type": "stop"} {"type": "stop"}',
        "[]",
        "null",
        "7",
        '"stop"',
        "{}",
        '{"type": null}',
        '{"type": 7}',
        '{"type": ["stop"]}',
        '{"type": {"type": "stop"}}',
        '[{"type": "stop"}]',
        '{"Type": "stop"}',
        '{"type": "ack", "seq": ' + "9" * 5000 + "}",
        "[" * 60_000,
        '{"type": "stop", "deep": ' + '{"a":' * 12_000,
        '{"type": "stop", "deep": ' + "[" * 30_000 + "]" * 30_000 + "}",
        '{"type": "ping", "sent_at_ms": NaN}',
        '{"type": "ping", "sent_at_ms": Infinity}',
        '{"type": "ping", "sent_at_ms": -Infinity}',
        '{"type": "stop", "surplus": NaN}',
        "\x00",
        "\ufeff{}",
    ],
    ids=lambda text: repr(text[:40]),
)
def test_what_is_no_message_is_malformed(text: str):
    assert refused(text) == "malformed"


@pytest.mark.parametrize(
    "type_",
    ["", "Stop", "stop ", "welcome", "result", "__class__", "\ud800", "x" * 10_000],
    ids=lambda type_: repr(type_[:20]),
)
def test_an_unknown_type_is_named_in_short(type_: str):
    with pytest.raises(ProtocolError) as caught:
        protocol.parse(json.dumps({"type": type_}))
    assert caught.value.code == "unknown_type"
    assert len(caught.value.sentence) < 100
    # It goes out as UTF-8.
    assert caught.value.sentence.encode()


WRONG_STRINGS: list[object] = [None, 7, True, ["v=0"], {"sdp": "v=0"}]
WRONG_COUNTS: list[object] = [None, -1, 0.0, 1.5, "1", True, [1], 1e300]
WRONG_NUMBERS: list[object] = [None, "1", True, False, [1], {}]


@pytest.mark.parametrize(
    "content",
    [
        {"type": "offer"},
        *({"type": "offer", "sdp": wrong} for wrong in WRONG_STRINGS),
        {"type": "ack"},
        *({"type": "ack", "seq": wrong} for wrong in WRONG_COUNTS),
        *(
            {"type": "ack", "seq": 0, "timings": wrong}
            for wrong in ["1", 7, True, [1], {}, {"capture_ms": 1}]
        ),
        *(
            {"type": "ack", "seq": 0, "timings": {**DRAWN, stage: wrong}}
            for stage in DRAWN
            for wrong in [*WRONG_NUMBERS, -1, LONGEST_DELAY_MS + 1]
        ),
        {"type": "ping"},
        *({"type": "ping", "sent_at_ms": wrong} for wrong in WRONG_NUMBERS),
        *({"type": "dispute", "seq": wrong} for wrong in ("7", -1, 1.5, True, [7])),
        *({"type": "take_back", "resume_token": wrong} for wrong in (None, 0, ["t"])),
        *(
            {**COMPLAINT, field: wrong}
            for field, wrong in (
                ("seq", None),
                ("seq", -1),
                ("is_hot_dog", None),
                ("is_hot_dog", 1),
                ("label", None),
                ("label", 7),
                ("label", "a" * (LONGEST_LABEL + 1)),
                ("label", "a\x00b"),
                ("label", "a\u202eb"),
            )
        ),
        {"type": "camera_failed"},
        {"type": "camera_failed", "reason": "it was dark"},
        {"type": "camera_failed", "reason": ["no_camera"]},
        {"type": "candidate"},
        {"type": "candidate", "candidate": LINE},
        {"type": "candidate", "candidate": []},
        {"type": "candidate", "candidate": {}},
        {"type": "candidate", "candidate": {"candidate": LINE}},
        {"type": "candidate", "candidate": {"candidate": 7, "sdpMid": "0"}},
        {"type": "candidate", "candidate": {"candidate": LINE, "sdpMid": 0}},
        {"type": "candidate", "candidate": {"candidate": LINE, "sdpMLineIndex": "0"}},
        {"type": "candidate", "candidate": {"candidate": LINE, "sdpMLineIndex": True}},
        {"type": "candidate", "candidate": {"candidate": LINE, "sdpMLineIndex": -1}},
    ],
)
def test_a_wrong_field_is_invalid_and_named(content: dict[str, object]):
    with pytest.raises(ProtocolError) as caught:
        protocol.parse(json.dumps(content))
    assert caught.value.code == "invalid"
    assert "`" in caught.value.sentence


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400], ids=lambda n: n[:6])
def test_a_number_that_json_could_not_carry_back_is_invalid(number: str):
    # Python reads these as infinity, or as a whole number that no browser can read.
    assert refused(f'{{"type": "ping", "sent_at_ms": {number}}}') == "invalid"


def test_ten_megabytes_are_refused_unread():
    # Were it read, it would be told to be malformed.
    assert refused("[" * 10_000_000) == "too_large"


def test_a_message_may_be_as_long_as_the_longest_offer():
    head, tail = '{"type": "offer", "sdp": "', '"}'
    sdp = "a" * (protocol.MAX_MESSAGE_CHARS - len(head) - len(tail))
    assert protocol.parse(head + sdp + tail) == Offer(sdp)
    assert refused(head + sdp + "a" + tail) == "too_large"


def test_a_server_message_has_exactly_its_fields():
    message = protocol.server_message("pong", sent_at_ms=1)
    assert message == {"type": "pong", "sent_at_ms": 1}
    for fields in ({}, {"sent_at_ms": 1, "surplus": 2}, {"sent": 1}):
        with pytest.raises(ValueError, match="pong"):
            protocol.server_message("pong", **fields)


def refused(text: str) -> str:
    with pytest.raises(ProtocolError) as caught:
        protocol.parse(text)
    return caught.value.code
