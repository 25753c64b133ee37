"""The connection doctor in a real browser: before servers that are well and others.

Each state is kept as four screenshots, phone and desktop, light and dark.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bench.processes import wait_until
from bench.product import Product
from bench.records import deploy
from tests.e2e.conftest import (
    ALLOW_CAMERA,
    ARTEFACTS,
    FAKE_CAMERA,
    Launch,
    expecting_no_errors,
)
from tests.e2e.test_page_states import (
    NO_WAY_THROUGH,
    SCHEMES,
    SIZES,
    expect_situation,
)
from tests.e2e.test_relay import fingerprint
from tests.integration.coturn import LOOPBACK, turn_env, write_certificate

NO_WEBRTC = "delete window.RTCPeerConnection;"
# A network that lets no UDP through: the direct way has no candidate.
RELAYS_ALONE = """
const Native = RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(options) { super({...options, iceTransportPolicy: "relay"}); }
};
"""


@pytest.fixture
def web(product: Product, scripted_model: Callable[..., Path]) -> Product:
    """The web process, with a model deployed and no worker yet."""
    product.env["NEXUS_ADDRESSES"] = LOOPBACK
    product.env["ALLOWED_HOSTS"] = "localhost,emporium.test"
    product.inside(deploy, scripted_model(), "scripted", "starter-detector")
    return product


def examined(page: Page, product: Product, path: str = "/doctor/") -> None:
    page.goto(product.url + path)
    page.wait_for_selector('body[data-examining="no"]', timeout=60_000)


def keep_page(page: Page, name: str) -> None:
    """From its top to its end."""
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            path = ARTEFACTS / f"{name}-{size}-{scheme}.png"
            page.screenshot(path=path, full_page=True)


def outcomes(page: Page) -> dict[str, str]:
    """Of each row, by its name."""
    rows = page.locator(".examination").all()
    return {
        row.locator(".examination-name").inner_text(): row.get_attribute("data-outcome")
        or ""
        for row in rows
    }


def start_turn(product: Product) -> Path:
    certificate = write_certificate(product.directory / "turn.pem", days=90)
    ports = {"TURN_PORT_TCP": product.env["TURN_PORT_TCP"]}
    product.env |= turn_env(product.directory, TURN_CERT_TLS=str(certificate)) | ports
    product.start("turn")
    return certificate


def make_operator() -> None:
    from django.contrib.auth.models import User

    User.objects.create_superuser("operator", password="mustard")


def test_all_is_well(web: Product, launch: Launch) -> None:
    certificate = start_turn(web)
    web.start_all("web", "worker")
    trust = f"--ignore-certificate-errors-spki-list={fingerprint(certificate)}"
    page = launch(trust, ALLOW_CAMERA, FAKE_CAMERA).new_page()
    with expecting_no_errors(page):
        examined(page, web)
        assert outcomes(page) == {
            "Secure page": "ok",
            "WebSocket": "ok",
            "Addresses of this browser": "ok",
            "Direct way, over UDP": "ok",
            "TURN over UDP": "ok",
            "TURN over TCP": "ok",
            "TURN over TLS": "ok",
            "Camera": "waiting",
            "Model": "ok",
            "Worker": "ok",
        }
        expect(page.locator("#verdict")).to_have_text(
            "✓ Your picture reaches the server directly."
        )
        expect(page.locator("#direct .examination-cause")).to_contain_text(LOOPBACK)
        expect(page.locator("#announcement")).to_contain_text("Examined.")
        page.get_by_role("button", name="Try the camera").click()
        camera = page.locator("#camera")
        expect(camera).to_have_attribute("data-outcome", "ok")
        expect(camera).to_contain_text("640 × 480")
        keep_page(page, "doctor-well")


def test_without_a_turn_server_it_is_not_set_up(web: Product, launch: Launch) -> None:
    web.start("web")
    page = launch().new_page()
    examined(page, web)
    found = outcomes(page)
    assert found["Direct way, over UDP"] == "ok"
    for name in ("TURN over UDP", "TURN over TCP", "TURN over TLS"):
        assert found[name] == "not_configured"
    # No worker has been started.
    assert found["Worker"] == "failed"
    expect(page.locator("#verdict")).to_contain_text("something is missing there")
    keep_page(page, "doctor-no-worker")

    web.start("worker")
    page.get_by_role("button", name="Examine again").press("Enter")
    page.wait_for_selector('#verdict[data-outcome="ok"]')
    assert outcomes(page)["Worker"] == "ok"


def test_a_network_that_lets_only_relays_through(web: Product, launch: Launch) -> None:
    start_turn(web)
    web.start_all("web", "worker")
    page = launch().new_page()
    page.add_init_script(RELAYS_ALONE)
    examined(page, web)
    found = outcomes(page)
    assert found["Direct way, over UDP"] == "warning"
    assert found["TURN over UDP"] == found["TURN over TCP"] == "ok"
    # Nobody vouches for the certificate in this browser.
    assert found["TURN over TLS"] == "failed"
    expect(page.locator("#verdict")).to_contain_text("through TURN over UDP")
    keep_page(page, "doctor-relays-alone")


def test_no_way_through_the_network(web: Product, launch: Launch, tour: Path) -> None:
    web.start("web")
    page = launch(clip=tour).new_page()
    page.add_init_script(NO_WAY_THROUGH)
    page.goto(web.url)
    expect_situation(page, "live_as_jpeg", "picture by picture", None)
    page.get_by_role("link", name="why?").click()
    page.wait_for_selector('body[data-examining="no"]', timeout=60_000)
    expect(page.locator("#verdict")).to_contain_text("can’t reach the server")
    assert outcomes(page)["Direct way, over UDP"] == "failed"
    keep_page(page, "doctor-no-way")


def test_a_server_without_its_redis_and_its_database(
    web: Product, launch: Launch
) -> None:
    web.env["REDIS_URL"] = "redis://127.0.0.1:1/0"
    web.start("web")
    (web.directory / "emporium.sqlite3").rename(web.directory / "away")
    page = launch().new_page()
    examined(page, web)
    found = outcomes(page)
    assert found["WebSocket"] == found["Direct way, over UDP"] == "ok"
    assert found["Model"] == found["Worker"] == "failed"
    keep_page(page, "doctor-server-broken")


def test_a_proxy_that_passes_no_websocket(web: Product, launch: Launch) -> None:
    web.start("web")
    page = launch().new_page()
    page.route_web_socket("**/ws/doctor/", lambda socket: socket.close())
    examined(page, web)
    found = outcomes(page)
    assert found["WebSocket"] == found["Direct way, over UDP"] == "failed"
    expect(page.locator("#socket")).to_contain_text("ALLOWED_HOSTS")
    expect(page.locator("#verdict")).to_contain_text("can’t talk")
    keep_page(page, "doctor-no-websocket")


def test_a_page_that_is_not_secure(web: Product, launch: Launch) -> None:
    web.start("web")
    page = launch("--host-resolver-rules=MAP emporium.test 127.0.0.1").new_page()
    page.goto(f"http://emporium.test:{web.port}/doctor/")
    page.wait_for_selector('body[data-examining="no"]', timeout=60_000)
    assert outcomes(page)["Secure page"] == "failed"
    page.get_by_role("button", name="Copy report").click()
    report = page.get_by_label("Report").input_value()
    assert "Failed: Secure page." in report
    assert f"http://emporium.test:{web.port}/doctor/" in report
    keep_page(page, "doctor-not-secure")


def test_a_browser_without_webrtc(web: Product, launch: Launch) -> None:
    web.start("web")
    page = launch().new_page()
    page.add_init_script(NO_WEBRTC)
    examined(page, web)
    expect(page.locator("#direct")).to_contain_text("no WebRTC")


def test_an_operator_is_shown_all_of_the_server(web: Product, launch: Launch) -> None:
    web.inside(make_operator)
    web.start_all("web", "worker")
    page = launch().new_page()
    page.goto(f"{web.url}/admin/login/?next=/doctor/")
    page.fill("#id_username", "operator")
    page.fill("#id_password", "mustard")
    page.keyboard.press("Enter")
    page.wait_for_selector('body[data-examining="no"]', timeout=60_000)
    found = outcomes(page)
    assert {"Redis", "Database", "Worker", "Model", "UDP ports"} <= set(found)
    assert "failed" not in found.values()
    assert found["Page address"] == "warning"
    assert found["Background"] == "warning"
    keep_page(page, "doctor-operator")


def test_the_report_is_copied(web: Product, launch: Launch) -> None:
    web.start("web")
    context = launch().new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    examined(page, web)
    page.get_by_role("button", name="Copy report").click()
    expect(page.locator("#copied")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "Good: WebSocket." in copied
    wait_until(lambda: page.locator("#report").is_hidden(), "no field to copy from")
