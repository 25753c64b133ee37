"""How aiortc decodes: in threads that don't outlive their process.

Touches aiortc's insides. Its decoders run in threads that a process waits for before it
ends: one connection that a stopping server had no time to close would keep the process
for ever.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import aiortc.rtcrtpreceiver


class DecoderThread(threading.Thread):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options, daemon=True)


def decode_in_daemons() -> None:
    module: Any = aiortc.rtcrtpreceiver
    module.threading = SimpleNamespace(Thread=DecoderThread, Event=threading.Event)
