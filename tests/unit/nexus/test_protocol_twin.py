"""The browser's list of messages and the server's are the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from apps.nexus import protocol
from apps.sessions.models import CameraSession

TWIN = Path("static/js/session/protocol.js")


def constant(name: str) -> Any:
    (value,) = re.findall(
        rf"^export const {name} = (.*?);$",
        TWIN.read_text(),
        flags=re.MULTILINE | re.DOTALL,
    )
    return json.loads(value)


def as_lists(messages: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {name: list(fields) for name, fields in messages.items()}


def test_messages_are_the_same():
    assert constant("CLIENT_MESSAGES") == as_lists(protocol.CLIENT_MESSAGES)
    assert constant("SERVER_MESSAGES") == as_lists(protocol.SERVER_MESSAGES)


def test_words_are_the_same():
    assert constant("STATUSES") == CameraSession.Status.values
    assert constant("CAMERA_FAILURES") == list(protocol.CAMERA_FAILURES)
    assert constant("ERROR_CODES") == list(get_args(protocol.ErrorCode))


@pytest.mark.parametrize("name", ["LONGEST_DELAY_MS", "LONGEST_LABEL"])
def test_limits_are_the_same(name: str):
    assert constant(name) == getattr(protocol, name)


def test_the_server_reads_every_message_it_lists_and_no_other():
    unknown = [
        name for name in constant("CLIENT_MESSAGES") if code_of(name) == "unknown_type"
    ]
    assert unknown == []
    assert {code_of(name) for name in constant("SERVER_MESSAGES")} == {"unknown_type"}


def code_of(type_: str) -> str | None:
    try:
        protocol.parse(json.dumps({"type": type_}))
    except protocol.ProtocolError as error:
        return error.code
    return None
