"""A frame with what belongs to it, as bytes: how frames go through Redis.

The length of a JSON header in four bytes, the header, and the pixels.
"""

from __future__ import annotations

import json
from typing import Any

from apps.inference.types import Frame


def pack(frame: Frame, **others: Any) -> bytes:
    """`others` are what JSON can hold."""
    header = {
        "frame": {
            "session_id": frame.session_id,
            "seq": frame.seq,
            "width": frame.width,
            "height": frame.height,
            "rotation": frame.rotation,
        },
        **others,
    }
    encoded = json.dumps(header).encode()
    return b"".join((len(encoded).to_bytes(4, "big"), encoded, frame.pixels))


def unpack(payload: bytes) -> tuple[Frame, dict[str, Any]]:
    """The frame, and the others by their names."""
    body = 4 + int.from_bytes(payload[:4], "big")
    others = json.loads(payload[4:body])
    # A view, since the pixels are most of a megabyte and are only read.
    frame = Frame(pixels=memoryview(payload)[body:], **others.pop("frame"))
    return frame, others
