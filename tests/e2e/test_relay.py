"""A browser whose network lets nothing through but the way to our TURN server."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Page

from bench.processes import wait_until
from bench.product import Product
from bench.records import deploy
from tests.e2e.conftest import Launch, expecting_no_errors, wait_for_status
from tests.integration.coturn import turn_env, write_certificate

# Relays alone, and of the ways to them the one that a test is about.
ONLY = """
const Native = RTCPeerConnection;
window.connections = [];
window.RTCPeerConnection = class extends Native {
  constructor(options) {
    const iceServers = options.iceServers.map((server) => ({
      ...server, urls: server.urls.filter((url) => url.match(%r)) }));
    super({...options, iceServers, iceTransportPolicy: "relay"});
    connections.push(this);
  }
};
"""
# What the stream of the last connection goes through.
ROUTE = """async () => {
  const report = await connections.at(-1).getStats();
  const all = [...report.values()];
  const { selectedCandidatePairId } = all.find(({ type }) => type === "transport");
  const pair = report.get(selectedCandidatePairId);
  const { candidateType, relayProtocol } = report.get(pair.localCandidateId);
  const { framesSent } = all.find(({ type }) => type === "outbound-rtp");
  return { candidateType, relayProtocol, framesSent };
}"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return write_certificate(tmp_path / "turn.pem")


@pytest.fixture
def product(
    product: Product, certificate: Path, scripted_model: Callable[..., Path]
) -> Product:
    """The web process and its TURN server, on the loopback."""
    ports = {"TURN_PORT_TCP": product.env["TURN_PORT_TCP"]}
    product.env |= turn_env(product.directory, TURN_CERT_TLS=str(certificate)) | ports
    product.inside(deploy, scripted_model(), "scripted", "starter-detector")
    product.start_all("turn", "web")
    return product


def fingerprint(certificate: Path) -> str:
    """By which Chromium is told to trust a key."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()


def frames_sent(page: Page) -> int:
    return int(page.evaluate(ROUTE)["framesSent"])


@pytest.mark.parametrize(
    ("way", "protocol"),
    [("^turn:.*udp$", "udp"), ("^turn:.*tcp$", "tcp"), ("^turns:", "tls")],
)
def test_a_camera_streams_through_the_turn_server(
    product: Product,
    launch: Launch,
    tour: Path,
    certificate: Path,
    *,
    way: str,
    protocol: str,
) -> None:
    trust = f"--ignore-certificate-errors-spki-list={fingerprint(certificate)}"
    page = launch(trust, clip=tour).new_page()
    page.add_init_script(ONLY % way)
    with expecting_no_errors(page):
        page.goto(product.url)
        # The server says so when it has decoded a frame.
        wait_for_status(page, "live")
    route = page.evaluate(ROUTE)
    assert (route["candidateType"], route["relayProtocol"]) == ("relay", protocol)
    begun = route["framesSent"]
    wait_until(lambda: frames_sent(page) > begun + 20, "the stream to go on")
    assert page.get_attribute("body", "data-status") == "live"
