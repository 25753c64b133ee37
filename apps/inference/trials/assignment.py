"""Which sessions a canary answers, and which frames a shadow is shown.

Pure, and decided anew by everyone who asks: all workers agree without a word, and a
session that comes back finds the version that it had.
"""

from __future__ import annotations

from hashlib import blake2b

_BYTES = 8
_ALL = 2.0 ** (8 * _BYTES)


def is_within(share: float, trial_id: int, subject: str) -> bool:
    """Whether a subject, such as a session's id, is of the share (0..1) of a trial.

    Who is of a share is of every larger one, too; another trial draws others.
    """
    digest = blake2b(f"{trial_id}:{subject}".encode(), digest_size=_BYTES).digest()
    return int.from_bytes(digest, "big") < share * _ALL
