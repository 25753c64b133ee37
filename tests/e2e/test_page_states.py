"""Every situation a visitor can be in: its words, its way out, its picture.

A scripted model answers, so that nothing depends on what it sees. Each state is kept as
four screenshots, phone and desktop, light and dark.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from bench import records
from bench.product import Product
from bench.records import deploy
from tests.e2e.conftest import (
    ALLOW_CAMERA,
    FAKE_CAMERA,
    Launch,
    keep_screenshot,
    wait_for_status,
)

SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# A network that lets no video through until `wayIsOpen`: only relays may be used, and
# there is none.
NO_WAY_THROUGH = """
const Native = RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(options) {
    super(window.wayIsOpen ? options : {...options, iceTransportPolicy: "relay"});
  }
};
"""
# After `hold()`, connections offer nothing until `release()`.
OFFERS_CAN_BE_HELD = """
const Native = RTCPeerConnection;
window.connections = [];
window.hold = () => {
  window.held = new Promise((resolve) => { window.release = resolve; });
};
window.RTCPeerConnection = class extends Native {
  constructor(options) { super(options); connections.push(this); }
  async setLocalDescription() { await window.held; await super.setLocalDescription(); }
};
"""
NO_WEBRTC = "delete window.RTCPeerConnection;"
NO_CAMERAS_BEFORE_THE_UPDATE = """
if (!sessionStorage.updated) {
  Object.defineProperty(navigator, "mediaDevices", { value: undefined });
}
"""
# No timer goes off: the page neither tries again by itself nor loses its patience.
ENDLESS_PATIENCE = "window.setTimeout = () => 0;"
CAMERA_REQUESTS_ARE_COUNTED = """
window.cameraRequests = 0;
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = (wanted) => {
  window.cameraRequests += 1;
  return ask(wanted);
};
"""
CAMERA_IS_ASKED_FOR = (
    "navigator.mediaDevices.getUserMedia = () => new Promise(() => {});"
)


@pytest.fixture
def deployed(product: Product, scripted_model: Callable[..., Path]) -> Product:
    product.env["CONNECT_TIMEOUT_S"] = "3"
    product.env["ALLOWED_HOSTS"] = "localhost,emporium.test"
    product.inside(deploy, scripted_model(), "scripted", "starter-detector")
    return product


@pytest.fixture
def web(deployed: Product) -> Product:
    """The web process, with a model deployed and no worker yet."""
    deployed.start("web")
    return deployed


@pytest.fixture
def answering(deployed: Product) -> Product:
    """Web and worker."""
    deployed.start_all("web", "worker")
    return deployed


def keep_state(page: Page, name: str) -> None:
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            keep_screenshot(page, f"{name}-{size}-{scheme}")


def expect_situation(page: Page, name: str, words: str, button: str | None) -> None:
    page.wait_for_selector(f'body[data-situation="{name}"]', timeout=30_000)
    expect(page.locator("#sentence")).to_contain_text(words)
    action = page.locator("#action")
    if button is None:
        expect(action).to_be_hidden()
    else:
        expect(action).to_have_text(button)
        expect(action).to_be_visible()


def say(page_side: WebSocketRoute, status: str, sentence: str = "") -> None:
    """Say to the page what the server may say, but has no reason to."""
    page_side.send(
        json.dumps({"type": "status", "status": status, "sentence": sentence})
    )


def stand_between(page: Page) -> list[WebSocketRoute]:
    """The page's sides of its sockets, whose messages pass unchanged."""
    page_sides: list[WebSocketRoute] = []

    def join(page_side: WebSocketRoute) -> None:
        page_side.connect_to_server()
        page_sides.append(page_side)

    page.route_web_socket("**/ws/session/", join)
    return page_sides


def test_live_stopped_and_started_again(
    answering: Product, launch: Launch, tour: Path
) -> None:
    page = launch(clip=tour).new_page()
    page.goto(answering.url)
    page.wait_for_selector('body[data-verdict="hot-dog"]')
    expect(page.locator("#verdict")).to_contain_text("Hot dog")
    name = page.locator("#model-name")
    expect(name).to_have_text("starter-detector")
    keep_state(page, "live")
    page.set_viewport_size({"width": 320, "height": 568})
    assert name.evaluate("name => name.scrollWidth <= name.clientWidth")

    # The controls come back for whoever moves, and stay for the keyboard.
    page.mouse.move(200, 200)
    page.locator("#stop").press("Enter")
    expect_situation(page, "stopped", "nothing is being sent", "Start the camera")
    assert page.evaluate("document.getElementById('video').srcObject") is None
    keep_state(page, "stopped")

    page.locator("#action").click()
    page.wait_for_selector('body[data-verdict="hot-dog"]')


def test_another_model_answers_without_reconnecting(
    answering: Product, launch: Launch, tour: Path, scripted_model: Callable[..., Path]
) -> None:
    page = launch(clip=tour).new_page()
    page.goto(answering.url)
    page.wait_for_selector('body[data-verdict="hot-dog"]')
    page.evaluate(
        "window.statuses = []; new MutationObserver(() => "
        "statuses.push(document.body.dataset.status)).observe("
        "document.body, {attributeFilter: ['data-status']})"
    )
    answering.inside(deploy, scripted_model(label="banana"), "scripted")
    page.wait_for_selector('body[data-verdict="not-hot-dog"]', timeout=30_000)
    expect(page.locator("#verdict")).to_contain_text("Not hot dog")
    expect(page.locator("#model-name")).to_have_text("scripted-1")
    assert page.evaluate("statuses") == []
    keep_state(page, "live-not-hot-dog")


def test_without_a_worker_the_page_says_so_and_goes_on_by_itself(
    web: Product, launch: Launch, tour: Path
) -> None:
    page = launch(clip=tour).new_page()
    page.goto(web.url)
    wait_for_status(page, "live")
    expect(page.locator("#worker")).to_contain_text("Waiting for a worker")
    keep_state(page, "no-worker")
    web.start("worker")
    page.wait_for_selector('body[data-verdict="hot-dog"]')
    expect(page.locator("#worker")).to_be_empty()


def test_server_away_and_back(answering: Product, launch: Launch, tour: Path) -> None:
    page = launch(clip=tour).new_page()
    page.goto(answering.url)
    page.wait_for_selector('body[data-verdict="hot-dog"]')
    answering.processes["web"].kill()
    expect_situation(page, "server_away", "tries again by itself", "Try now")
    keep_state(page, "server-away")
    answering.start("web")
    page.wait_for_selector('body[data-verdict="hot-dog"]', timeout=60_000)


def test_a_network_that_lets_no_video_through_and_then_does(
    answering: Product, launch: Launch, tour: Path
) -> None:
    page = launch(clip=tour).new_page()
    page.add_init_script(NO_WAY_THROUGH)
    page.goto(answering.url)
    expect_situation(page, "live_as_jpeg", "picture by picture", None)
    page.wait_for_selector('body[data-verdict="hot-dog"]')
    keep_state(page, "live-as-jpeg")

    page.evaluate("wayIsOpen = true; dispatchEvent(new Event('online'))")

    expect_situation(page, "live", "Live.", None)
    results = page.locator("#overlay").get_attribute("data-results")
    # More than may be on their way without an acknowledgement that is accepted.
    page.wait_for_function(
        "enough => document.getElementById('overlay').dataset.results > enough",
        arg=int(results or 0) + 20,
    )
    assert answering.inside(records.held_sessions) == 1


def test_camera_is_being_asked_for(web: Product, launch: Launch, tour: Path) -> None:
    page = launch(clip=tour).new_page()
    page.add_init_script(CAMERA_IS_ASKED_FOR)
    page.goto(web.url)
    expect_situation(page, "acquiring", "Allow the camera", None)
    keep_state(page, "acquiring")


def test_camera_is_not_allowed(web: Product, launch: Launch) -> None:
    page = launch(FAKE_CAMERA).new_page()
    page.goto(web.url)
    expect_situation(page, "permission_denied", "blocked", "Try again")
    keep_state(page, "not-allowed")


def test_no_camera(web: Product, launch: Launch) -> None:
    page = launch(ALLOW_CAMERA).new_page()
    page.goto(web.url)
    expect_situation(page, "no_camera", "No camera was found", "Try again")
    keep_state(page, "no-camera")


@pytest.mark.parametrize(
    ("error", "situation", "words"),
    [
        ('DOMException("", "NotReadableError")', "camera_busy", "using the camera"),
        ('OverconstrainedError("width")', "constraint", "gives no picture"),
    ],
    ids=["busy", "constraint"],
)
def test_camera_does_not_open(
    web: Product, launch: Launch, tour: Path, error: str, situation: str, words: str
) -> None:
    page = launch(clip=tour).new_page()
    page.add_init_script(
        f"navigator.mediaDevices.getUserMedia = async () => {{ throw new {error}; }};"
    )
    page.goto(web.url)
    expect_situation(page, situation, words, "Try again")
    keep_state(page, situation.replace("_", "-"))
    page.evaluate("delete navigator.mediaDevices.getUserMedia")
    page.locator("#action").click()
    wait_for_status(page, "live")


def test_camera_is_taken_away(web: Product, launch: Launch, tour: Path) -> None:
    context = launch(
        FAKE_CAMERA, f"--use-file-for-fake-video-capture={tour}"
    ).new_context(permissions=["camera"])
    page = context.new_page()
    page.goto(web.url)
    wait_for_status(page, "live")
    context.clear_permissions()
    expect_situation(page, "camera_lost", "unplugged or switched off", "Start again")
    assert page.evaluate("document.getElementById('video').srcObject") is None
    keep_state(page, "camera-lost")
    context.grant_permissions(["camera"])
    page.locator("#action").click()
    wait_for_status(page, "live")


def test_browser_without_webrtc(answering: Product, launch: Launch, tour: Path) -> None:
    page = launch(clip=tour).new_page()
    page.add_init_script(NO_WEBRTC)
    page.goto(answering.url)
    expect_situation(page, "live_as_jpeg", "picture by picture", None)
    page.wait_for_selector('body[data-verdict="hot-dog"]')


def test_browser_without_cameras(web: Product, launch: Launch, tour: Path) -> None:
    page = launch(clip=tour).new_page()
    page.add_init_script(NO_CAMERAS_BEFORE_THE_UPDATE)
    page.goto(web.url)
    expect_situation(page, "unsupported", "This browser can’t send", "Try again")
    keep_state(page, "unsupported")
    page.evaluate("sessionStorage.updated = 'yes'")
    page.locator("#action").click()
    wait_for_status(page, "live")


def test_connecting_and_connecting_again(
    answering: Product, launch: Launch, tour: Path
) -> None:
    page = launch(clip=tour).new_page()
    page.add_init_script(ENDLESS_PATIENCE + OFFERS_CAN_BE_HELD + "hold();")
    page.goto(answering.url)
    expect_situation(page, "connecting", "Connecting your camera", None)
    keep_state(page, "connecting")
    page.evaluate("release()")
    page.wait_for_selector('body[data-verdict="hot-dog"]')

    # Nothing tells the page: the server notices, and says so.
    page.evaluate("hold(); connections[0].close();")
    expect_situation(page, "peer_lost", "stopped on its way", None)
    keep_state(page, "peer-lost")
    page.evaluate("release()")
    page.wait_for_selector('body[data-verdict="hot-dog"]')


def test_waiting_in_line_and_getting_in(
    product: Product, launch: Launch, tour: Path, scripted_model: Callable[..., Path]
) -> None:
    product.env["SESSIONS_PER_PROCESS"] = "1"
    product.inside(deploy, scripted_model(), "scripted", "starter-detector")
    product.start("web")
    browser = launch(clip=tour)
    first, second, third = [browser.new_page() for _ in range(3)]
    # Whoever asks for a camera while waiting is caught.
    third.add_init_script(CAMERA_REQUESTS_ARE_COUNTED)
    first.goto(product.url)
    wait_for_status(first, "live")
    second.goto(product.url)
    expect_situation(second, "waiting", "Every place is taken", None)
    expect(second.locator("#place")).to_contain_text("You are next. Nobody knows yet")
    third.goto(product.url)
    expect(third.locator("#place")).to_contain_text("You are 2nd in line.")
    expect(third.locator("#place-spoken")).to_contain_text("You are 2nd in line.")
    keep_state(third, "waiting")

    first.close()
    wait_for_status(second, "live")
    expect(second.locator("#place")).to_be_empty()
    expect(third.locator("#place")).to_contain_text("You are next. About ")
    # What is spoken comes later: not at every step.
    expect(third.locator("#place-spoken")).to_contain_text("You are 2nd in line.")
    keep_state(third, "waiting-next")
    third.evaluate("window.dispatchEvent(new Event('online'))")
    assert third.evaluate("cameraRequests") == 0
    assert third.evaluate("document.getElementById('video').srcObject") is None

    second.close()
    wait_for_status(third, "live")
    assert third.evaluate("cameraRequests") == 1


def test_news_of_a_live_session_is_shown_over_the_picture(
    answering: Product, launch: Launch, tour: Path
) -> None:
    page = launch(clip=tour).new_page()
    page_sides = stand_between(page)
    page.goto(answering.url)
    page.wait_for_selector('body[data-verdict="hot-dog"]')
    words = "This session ends in a minute, to make room for others."
    say(page_sides[0], "live", words)
    expect(page.locator("#sentence")).to_have_text(words)
    page.wait_for_selector('body[data-situation="live"][data-told="more"]')
    keep_state(page, "ends-soon")


def test_ended_by_the_server(web: Product, launch: Launch, tour: Path) -> None:
    page = launch(clip=tour).new_page()
    page_sides = stand_between(page)
    page.goto(web.url)
    wait_for_status(page, "live")
    say(page_sides[0], "ended", "This session has been as long as one may be.")
    expect_situation(page, "ended", "as long as one may be", "Start again")
    assert page.evaluate("document.getElementById('video').srcObject") is None
    keep_state(page, "ended")
    page.locator("#action").click()
    wait_for_status(page, "live")
    assert len(page_sides) == 2


def test_server_has_nothing_to_serve(
    product: Product, launch: Launch, tour: Path, scripted_model: Callable[..., Path]
) -> None:
    product.start("web")
    page = launch(clip=tour).new_page()
    page.add_init_script(ENDLESS_PATIENCE)
    page.goto(product.url)
    expect_situation(page, "turned_away", "Nothing is served here yet", "Try now")
    keep_state(page, "turned-away")
    product.inside(deploy, scripted_model(), "scripted")
    page.locator("#action").click()
    wait_for_status(page, "live")


def test_page_is_not_secure(web: Product, launch: Launch, tour: Path) -> None:
    page = launch(
        "--host-resolver-rules=MAP emporium.test 127.0.0.1", clip=tour
    ).new_page()
    page.goto(f"http://emporium.test:{web.port}")
    expect_situation(page, "insecure_context", "secure", "Open the https page")
    keep_state(page, "not-secure")
