"""What `receiver.py` relies on in aiortc, which promises none of it.

When one of these fails after an upgrade, its name says what has moved, and its message
which promise of ours is broken by it.
"""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import aiortc.codecs
import aiortc.rtcrtpreceiver
import pytest
from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.codecs import depayload
from aiortc.codecs.h264 import H264Decoder
from aiortc.codecs.vpx import Vp8Decoder
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtp import RtcpRtpfbPacket, RtpPacket

from apps.nexus import peer  # noqa: F401 - importing it installs our receiver
from apps.nexus.ice import peer_configuration
from apps.nexus.receiver import LowLatencyReceiver, ReceivedTrack
from tests.unit.nexus.rtp import Transport


@pytest.mark.parametrize("package", ["aiortc", "aioice", "av"])
def test_what_is_installed_is_what_was_read(package: str):
    pins = re.findall(
        rf"^{package}==(\S+)", Path("requirements/base.txt").read_text(), re.MULTILINE
    )
    assert pins == [version(package)], f"{package} needs an exact pin, and to be it."


async def test_peer_connections_make_the_receiver_that_is_installed():
    connection = RTCPeerConnection(peer_configuration())
    try:
        made = connection.addTransceiver("video", direction="recvonly").receiver
    finally:
        await connection.close()
    assert isinstance(made, LowLatencyReceiver), (
        "RTCPeerConnection no longer makes aiortc.rtcpeerconnection.RTCRtpReceiver: "
        "frames come one picture late again."
    )


async def test_peer_connections_make_the_track_that_is_installed():
    offering, answering = (RTCPeerConnection(peer_configuration()) for _ in range(2))
    tracks: list[object] = []
    answering.on("track", tracks.append)
    try:
        offering.addTransceiver("video", direction="sendonly")
        await offering.setLocalDescription(await offering.createOffer())
        await answering.setRemoteDescription(offering.localDescription)
    finally:
        await offering.close()
        await answering.close()
    (track,) = tracks
    assert isinstance(track, ReceivedTrack), (
        "RTCPeerConnection no longer makes aiortc.rtcpeerconnection.RemoteStreamTrack: "
        "nobody knows any more how long a picture was decoded."
    )


@pytest.mark.parametrize(
    ("attribute", "promise"),
    [
        ("__jitter_buffer", "a frame is released at its marker bit"),
        ("__nack_generator", "what is missing is asked for until it comes"),
        ("__decoder_queue", "decode lag is measured and bounded"),
        ("__decoder_error", "a decoder's error brings a keyframe"),
        ("__codecs", "a picture goes to the decoder of its codec"),
    ],
)
def test_a_receiver_keeps_its_parts_in(attribute: str, promise: str):
    upstream = RTCRtpReceiver("video", cast(RTCDtlsTransport, Transport()))
    assert hasattr(upstream, f"_RTCRtpReceiver{attribute}"), (
        f"RTCRtpReceiver.{attribute} has moved: {promise} no longer."
    )


@pytest.mark.parametrize(
    ("function", "parameters", "promise"),
    [
        (
            RTCRtpReceiver.__init__,
            ["self", "kind", "transport"],
            "our receiver is made at all",
        ),
        (
            RTCRtpReceiver._handle_rtp_packet,
            ["self", "packet", "arrival_time_ms"],
            "holes are given up in time",
        ),
        (
            RTCRtpReceiver._send_rtcp_nack,
            ["self", "media_ssrc", "lost"],
            "what is missing is asked for",
        ),
        (
            RTCRtpReceiver._send_rtcp_pli,
            ["self", "media_ssrc"],
            "requests for a keyframe are throttled",
        ),
        (
            aiortc.rtcrtpreceiver.decoder_worker,
            ["loop", "input_q", "output_q", "decode_error"],
            "decode lag is measured",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_signature_is_as_it_was(function: Any, parameters: list[str], promise: str):
    assert list(inspect.signature(function).parameters) == parameters, (
        f"aiortc's {function.__qualname__} has changed: perhaps not {promise}."
    )


@pytest.mark.parametrize("name", ["depayload", "get_decoder", "threading"])
def test_the_receivers_module_looks_up(name: str):
    assert hasattr(aiortc.rtcrtpreceiver, name), (
        f"aiortc.rtcrtpreceiver.{name} has moved: see install() and DecoderQueue."
    )


@pytest.mark.parametrize("decoder", [Vp8Decoder, H264Decoder])
def test_a_decoder_reads_no_more_of_a_picture_than_it_is_given(decoder: type):
    """Data and timestamp, and the timestamp becomes that of the frame."""
    source = inspect.getsource(decoder.decode)  # type: ignore[attr-defined]
    assert set(re.findall(r"encoded_frame\.(\w+)", source)) == {"data", "timestamp"}, (
        f"{decoder.__name__} wants more than an EncodedPicture has."
    )


def test_a_payload_without_its_descriptor_is_what_decoders_take():
    codec = aiortc.codecs.CODECS["video"][0]
    assert depayload(codec, b"\x10picture") == b"picture", (
        "aiortc unwraps VP8 otherwise: pictures are not told to stand alone."
    )


def test_requests_for_packets_are_sorted_where_numbers_begin_again():
    """aiortc can't write down a list in any other order."""
    asked = RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=2)
    asked.lost = [3, 65_530]
    bytes(asked)


def test_packets_say_what_pictures_are_put_together_by():
    fields = {
        "ssrc",
        "payload_type",
        "sequence_number",
        "timestamp",
        "marker",
        "payload",
    }
    assert fields <= set(vars(RtpPacket())), "RtpPacket has lost a field: see _take()."
