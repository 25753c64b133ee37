"""What a real browser's camera sends, as the server asks it for less and for more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocketRoute

from bench.processes import wait_until
from bench.product import Product
from bench.records import deploy
from tests.e2e.conftest import Launch, expecting_no_errors, wait_for_status

CAMERAS = Path(__file__).with_name("cameras.js")
# A drawn camera needs no permission, without which Chromium hides its addresses.
NO_MDNS = "--disable-features=WebRtcHideLocalIpsWithMdns"
CONNECTIONS = """
window.connections = [];
const Native = RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(options) {
    super(options);
    connections.push(this);
  }
};
"""
SENT = """async () => {
  const report = await connections.at(-1).getStats();
  const sent = [...report.values()].find(({ type }) => type === "outbound-rtp");
  const { frameWidth, frameHeight, framesPerSecond } = sent;
  return [frameWidth, frameHeight, framesPerSecond];
}"""
ASKED = "connections.at(-1).getSenders()[0].getParameters().encodings[0]"


@pytest.fixture
def product(product: Product, scripted_model: Callable[..., Path]) -> Product:
    product.inside(deploy, scripted_model(), "bright", "bright")
    return product


@pytest.fixture
def page(launch: Launch) -> Iterator[Page]:
    page = launch(NO_MDNS).new_page()
    page.add_init_script(path=CAMERAS)
    page.add_init_script(CONNECTIONS)
    with expecting_no_errors(page):
        yield page


def sends(page: Page, width: int, height: int) -> None:
    """Wait until the camera sends pictures of this size."""
    wait_until(
        lambda: page.evaluate(SENT)[:2] == [width, height], f"{width} x {height}"
    )


def sends_at(page: Page, expected: Callable[[float], bool], what: str) -> None:
    """Wait until the camera sends so many frames a second."""
    wait_until(lambda: expected(page.evaluate(SENT)[2] or 0), what)


def test_a_picture_is_no_larger_than_the_model_is_given(
    product: Product, page: Page
) -> None:
    product.env["FRAME_MAX_SIDE"] = "320"
    product.start_all("web", "worker")
    page.goto(product.url)
    wait_for_status(page, "live")
    sends(page, 320, 240)
    page.evaluate("Object.assign(cameras.back.canvas, {width: 480, height: 640})")
    sends(page, 240, 320)
    page.select_option("#camera-choice", "front")
    sends(page, 320, 320)


def test_less_is_sent_when_the_server_asks_for_it_and_more_again(
    product: Product, page: Page
) -> None:
    product.start_all("web", "worker")
    socket: list[WebSocketRoute] = []

    def listen(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        # What the server itself asks for depends on how busy this machine is.
        server.on_message(
            lambda text: None if '"quality"' in str(text) else route.send(text)
        )
        socket.append(route)

    def ask_for(max_side: int, max_framerate: int) -> None:
        socket[-1].send(
            f'{{"type": "quality", "max_side": {max_side}, '
            f'"max_framerate": {max_framerate}}}'
        )

    page.route_web_socket("**/ws/session/", listen)
    page.goto(product.url)
    wait_for_status(page, "live")
    sends(page, 640, 480)
    ask_for(160, 5)
    sends(page, 160, 120)
    sends_at(page, lambda rate: 0 < rate <= 6, "five frames a second")
    page.wait_for_function("JSON.parse(overlay.dataset.boxes).length === 1")
    ask_for(640, 30)
    sends_at(page, lambda rate: rate > 6, "more frames a second")
    # How far it goes up, and when, is the browser's affair, which knows its network.
    wait_until(lambda: page.evaluate(SENT)[0] > 160, "a larger picture")
    asked = page.evaluate(ASKED)
    assert (asked["scaleResolutionDownBy"], asked["maxFramerate"]) == (1, 30)
