"""Resume tokens: with one, a page goes on with its session over another connection.

A token names a session and is signed; whether that session still goes on, and whose it
is, the database knows. Who has the token of an anonymous session has the session, so
pages keep it where only they can read it.
"""

from __future__ import annotations

import uuid

from django.core.signing import BadSignature, TimestampSigner

# Counted from the page's last welcome.
TOKEN_LIFETIME_S = 24 * 3600
_SALT = "emporium.resume"


def token_of(session_id: uuid.UUID) -> str:
    return TimestampSigner(salt=_SALT).sign(str(session_id))


def session_of(token: str) -> uuid.UUID | None:
    """The session of a token; None if it is forged, too old, or no token at all."""
    try:
        said = TimestampSigner(salt=_SALT).unsign(token, max_age=TOKEN_LIFETIME_S)
        return uuid.UUID(said)
    except (BadSignature, ValueError):
        return None
