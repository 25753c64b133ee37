"""Whether the file of TURN_CERT_TLS holds what browsers will take."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509

from apps.nexus.doctor.findings import Finding, failed, not_configured, ok, warning
from apps.nexus.doctor.reach import listing

SOON = timedelta(days=14)


def examine_certificate(path: str, name: str, *, is_here: bool) -> Finding:
    """Look at the certificate that browsers are shown under `name`.

    Args:
        path: as TURN_CERT_TLS gives it.
        name: a host or an address.
        is_here: whether the TURN server, so its certificate, is on this machine.
    """
    if not path:
        return not_configured(
            "The TURN server offers no TLS, the one way through networks that let "
            "nothing but https through.",
            "Set TURN_CERT_TLS to a certificate with its key, and TURN_HOST to the "
            "name that it is for.",
        )
    if not is_here:
        return not_configured(
            "The certificate lies on the TURN server's machine.",
            "Run the doctor there, too.",
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password="")
        certificate = x509.load_pem_x509_certificate(Path(path).read_bytes())
    except OSError as error:
        return failed(
            f"TURN_CERT_TLS={path} can't be used: {error.strerror or error}.",
            "It must be a PEM file that this user can read, with the certificate, its "
            "chain and its private key, which has no password.",
        )
    return judge_certificate(certificate, name, datetime.now(UTC))


def judge_certificate(
    certificate: x509.Certificate, name: str, now: datetime
) -> Finding:
    until = certificate.not_valid_after_utc
    renew = "Renew it, and restart `turn`."
    if until < now:
        return failed(f"The certificate expired on {until:%d %B %Y}.", renew)
    if certificate.not_valid_before_utc > now:
        return failed(
            f"The certificate is valid from {certificate.not_valid_before_utc:%d %B %Y}"
            " on, and not yet.",
            "Set this machine's clock, or wait.",
        )
    names = _names(certificate)
    if not any(_matches(name, each) for each in names):
        return failed(
            f"The certificate is for {listing(names) if names else 'no name'}, but "
            f"browsers are sent to {name}.",
            "Set TURN_HOST to a name of the certificate that leads to TURN_MOCK_IP.",
        )
    if until < now + SOON:
        return warning(f"The certificate expires on {until:%d %B %Y}.", renew)
    return ok(f"The certificate for {name} is valid until {until:%d %B %Y}.")


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except x509.ExtensionNotFound:
        # What stands in the subject alone counts for no browser.
        return []
    addresses = names.get_values_for_type(x509.IPAddress)
    return [*names.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _matches(name: str, certified: str) -> bool:
    try:
        return str(ip_address(name)) == certified
    except ValueError:
        host, pattern = name.lower(), certified.lower()
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:]
    return host == pattern
