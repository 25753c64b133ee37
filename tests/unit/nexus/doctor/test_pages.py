"""The page's own address, as the settings have it."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from apps.nexus.doctor.findings import Outcome
from apps.nexus.doctor.pages import examine_page_address
from tests.unit.nexus.doctor.sentences import expect

HOST = "emporium.example.org"


@pytest.fixture(autouse=True)
def served(settings: Settings):
    settings.ALLOWED_HOSTS = ["localhost", HOST]
    settings.CSRF_TRUSTED_ORIGINS = [f"https://{HOST}"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def test_a_page_behind_a_proxy_is_well():
    expect(examine_page_address(), Outcome.OK, HOST)


@pytest.mark.parametrize("host", [f".{HOST}", HOST])
def test_a_subdomain_may_be_trusted_if_it_is_served(settings: Settings, host: str):
    settings.ALLOWED_HOSTS = [host]
    settings.CSRF_TRUSTED_ORIGINS = [f"https://*.{HOST}:8443"]
    well = host.startswith(".")
    assert (examine_page_address().outcome == Outcome.OK) == well


def test_an_origin_that_isn_t_served_is_told(settings: Settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://other.example.org"]
    found = examine_page_address()
    expect(found, Outcome.FAILED, "https://other.example.org", "ALLOWED_HOSTS")


def test_a_page_for_every_host_is_told(settings: Settings):
    settings.ALLOWED_HOSTS = ["*"]
    expect(examine_page_address(), Outcome.WARNING, "ALLOWED_HOSTS=*", "Name")


def test_a_page_for_this_machine_alone_is_told(settings: Settings):
    settings.ALLOWED_HOSTS, settings.CSRF_TRUSTED_ORIGINS = ["localhost"], []
    found = examine_page_address()
    expect(found, Outcome.NOT_CONFIGURED, "localhost alone", "proxy")


def test_a_page_without_tls_is_told(settings: Settings):
    del settings.SECURE_PROXY_SSL_HEADER
    found = examine_page_address()
    expect(found, Outcome.WARNING, "secure pages only", "TRUST_PROXY_HEADERS")


def test_a_page_that_shows_its_inside_is_told(settings: Settings):
    settings.DEBUG = True
    expect(examine_page_address(), Outcome.WARNING, "DEBUG", "DEBUG=false")
