"""What came of asking the TURN server for a relay, in words for the operator."""

from __future__ import annotations

import socket
import ssl

from aioice.stun import TransactionError, TransactionFailed

from apps.nexus.doctor.findings import Finding, failed, ok, warning
from apps.nexus.doctor.reach import listing

# Of RFC 8656: unauthorized; allocation quota reached, insufficient capacity.
UNAUTHORIZED, EXHAUSTED = 401, {486, 508}
# OpenSSL's reasons to mistrust a certificate: expired; for another host or address.
EXPIRED, OTHER_NAME = 10, {62, 64}


def good(where: str, there_and_back_ms: float) -> Finding:
    return ok(
        f"{where} lends relays that reach us and come back in "
        f"{there_and_back_ms:.0f} ms."
    )


def only_within(where: str, public: str) -> Finding:
    return warning(
        f"The TURN server answers at {where}, but not at {public}, where browsers "
        "look for it.",
        "Many networks don't lead their public address back to themselves: open the "
        "doctor's page elsewhere to be sure, and let the port through.",
    )


def other_family(where: str) -> Finding:
    return failed(
        f"{where} lends relays of another family of addresses than cameras are met on.",
        "Have TURN_IP and an address of NEXUS_ADDRESSES both IPv4, or both IPv6.",
    )


def refused(where: str, addresses: list[str]) -> Finding:
    return failed(
        f"{where} lends relays, but not to {listing(addresses)}, where cameras "
        "are met.",
        "Name every web node's address in TURN_PEERS, and restart `turn`.",
    )


def unheard(where: str, addresses: list[str]) -> Finding:
    return failed(
        f"What {where} relays to {listing(addresses)} doesn't arrive there and back.",
        "Let UDP through between the TURN server and the web nodes, both ways.",
    )


def not_lent(error: OSError | TransactionError, transport: str, where: str) -> Finding:
    """Why no relay was lent."""
    match error:
        case TransactionFailed():
            return _answered(error, where)
        case ssl.SSLCertVerificationError():
            return _mistrusted(error, where)
        case ssl.SSLError():
            return failed(
                f"What listens at {where} doesn't speak TLS.",
                "Set TURN_CERT_TLS for the TURN server too, and restart `turn`.",
            )
        case ConnectionRefusedError():
            return failed(
                f"Nothing listens at {where}.",
                "Start the `turn` process of the Procfile; var/turnserver.log says why "
                "it may have stopped.",
            )
        case socket.gaierror():
            return failed(
                f"{where} has no address.",
                "Have TURN_HOST lead to TURN_MOCK_IP in the DNS.",
            )
        case TimeoutError() | TransactionError():
            protocol = "UDP" if transport == "udp" else "TCP"
            return failed(
                f"{where} doesn't answer over {protocol}.",
                f"See that the `turn` process runs, and let {protocol} through to it.",
            )
    return failed(
        f"{where} can't be reached: {error.strerror or error}.",
        "Check TURN_IP and TURN_MOCK_IP, and this machine's network.",
    )


def _answered(error: TransactionFailed, where: str) -> Finding:
    code = error.response.error_code
    if code == UNAUTHORIZED:
        return failed(
            f"{where} refuses our key.",
            "Give all machines the same TURN_SECRET, or the same SECRET_KEY, and the "
            "same time; then restart `turn`.",
        )
    if code in EXHAUSTED:
        return failed(
            f"{where} has lent all the relays that it has.",
            "Widen its range, TURN_PORT_UDP_FROM to TURN_PORT_UDP_TO.",
        )
    return failed(
        f"{where} lends no relay ({error}).",
        "Look into var/turnserver.log on its machine.",
    )


def _mistrusted(error: ssl.SSLCertVerificationError, where: str) -> Finding:
    cause = f"The certificate at {where} is not trusted: {error.verify_message}."
    if error.verify_code == EXPIRED:
        return failed(cause, "Renew TURN_CERT_TLS, and restart `turn`.")
    if error.verify_code in OTHER_NAME:
        return failed(cause, "Set TURN_HOST to a name that the certificate is for.")
    return failed(
        cause,
        "Take one of an authority that browsers know, with its chain in the file.",
    )
