"""What a page is told about our TURN server: where it is, and a key that soon expires.

The server itself, coturn, shares a secret with us and nothing else: it works out for
itself which keys are right, and until when.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

# How long a key opens a way. One that is open already stays so.
LIFETIME_S = 3600
# Often enough that the newest key of a page is always good for a new connection.
RENEWAL_S = LIFETIME_S / 2


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str
    password: str


def is_configured() -> bool:
    return bool(settings.TURN_IP)


def secret() -> str:
    """What coturn and the web processes share; of SECRET_KEY, if nothing was set."""
    return settings.TURN_SECRET or (
        salted_hmac("emporium.turn", "coturn", algorithm="sha256").hexdigest()
    )


def mint(name: str) -> Credentials:
    """Make a key that expires by itself.

    As coturn's `use-auth-secret` reads it, after draft-uberti-behave-turn-rest-00.
    """
    username = f"{int(time.time()) + LIFETIME_S}:{name}"
    # SHA-1 is what the draft says, and coturn knows no other.
    digest = hmac.new(secret().encode(), username.encode(), hashlib.sha1).digest()
    return Credentials(username, base64.b64encode(digest).decode())


def urls() -> list[str]:
    """Where the server listens, the best way first."""
    address = settings.TURN_MOCK_IP
    host = f"[{address}]" if ":" in address else address
    listening = f"turn:{host}:{settings.TURN_PORT_TCP}"
    found = [f"{listening}?transport=udp", f"{listening}?transport=tcp"]
    if settings.TURN_CERT_TLS:
        # Browsers hold the certificate against the name that they were given.
        named = settings.TURN_HOST or host
        found.append(f"turns:{named}:{settings.TURN_PORT_TLS}?transport=tcp")
    return found


def ice_servers(session_id: str) -> list[dict[str, Any]]:
    """For the page's `RTCPeerConnection`: one server, or none if none is configured."""
    if not is_configured():
        return []
    key = mint(session_id)
    return [{"urls": urls(), "username": key.username, "credential": key.password}]
