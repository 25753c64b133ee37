"""What a video's RTP payload tells undecoded: which picture begins, and stands alone.

VP8 as in RFC 7741, H264 as in RFC 6184. It takes bytes and knows no packets.
"""

from __future__ import annotations

_SLICE, _IDR_SLICE, _SEI, _DELIMITER = 1, 5, 6, 9
_STAP_A, _FU_A = 24, 28
_START_CODE = b"\x00\x00\x01"


def begins_picture(codec: str, payload: bytes) -> bool:
    """Whether a payload, as it lies in its packet, holds the first bytes of a picture.

    Args:
        codec: `VP8` or `H264`.
        payload: with the codec's descriptor in front; empty in a packet of padding.
    """
    if not payload:
        return False
    if codec == "VP8":
        begins_partition, partition = payload[0] & 0x10, payload[0] & 0x07
        return bool(begins_partition) and partition == 0
    return _begins_h264_picture(payload)


def _begins_h264_picture(payload: bytes) -> bool:
    kind = payload[0] & 0x1F
    if kind == _FU_A:
        fragment = payload[1:3]
        is_first = len(fragment) == 2 and fragment[0] & 0x80
        return bool(is_first) and _begins_with(fragment[0] & 0x1F, fragment[1:])
    if kind == _STAP_A:
        # Its one byte of header, and two of the first unit's length.
        return len(payload) > 3 and _begins_with(payload[3] & 0x1F, payload[4:])
    return _begins_with(kind, payload[1:])


def _begins_with(kind: int, unit: bytes) -> bool:
    """Parameters, or a slice from macroblock 0 on, whose number is written as a 1."""
    if _SLICE <= kind <= _IDR_SLICE:
        return bool(unit) and bool(unit[0] & 0x80)
    return _SEI <= kind <= _DELIMITER


def stands_alone(codec: str, picture: bytes) -> bool:
    """Whether a picture refers to none before it.

    Args:
        codec: `VP8` or `H264`.
        picture: as a decoder takes it; units of H264 with start codes.
    """
    if codec == "VP8":
        return bool(picture) and not picture[0] & 0x01
    at = picture.find(_START_CODE)
    while 0 <= at < len(picture) - 3:
        if picture[at + 3] & 0x1F == _IDR_SLICE:
            return True
        at = picture.find(_START_CODE, at + 3)
    return False
