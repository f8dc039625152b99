"""Certificates and versions of TLS, at servers that speak it."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scim.doctor.catalogue import Report
from scim.doctor.checks import CHECKS
from scim.doctor.client import Client, Endpoint
from scim.doctor.run import examine
from tests.conftest import TOKEN
from tests.doctor.served import Outside, bent, examined

_CHECKS = [check for check in CHECKS if check.id in {"https", "certificate", "reachable", "tls-1.2"}]


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = (
            b'{"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0, "Resources": []}'
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/scim+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Nothing is logged."""


def _certificate(folder: Path, days: int) -> Path:
    """A certificate of its own authority for 127.0.0.1, with the key; it began long enough ago for any real clock."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    file.write_bytes(secret + built.public_bytes(serialization.Encoding.PEM))
    return file


@contextmanager
def _served(certificate: Path, oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = oldest
    context.load_cert_chain(certificate)
    server = HTTPServer(("127.0.0.1", 0), _Empty)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}/scim"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _verdicts(url: str, trusted: Path | None) -> dict[str, tuple[str, str]]:
    def trust() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if trusted is not None:
            context.load_verify_locations(trusted)
        return context

    outside = Outside()
    outside.seconds = datetime.now(UTC).timestamp() - 1.79e9
    client = Client(Endpoint.of(url), TOKEN, outside.collaborators, rate=4, trust=trust)
    report: Report = examine(client, TOKEN, checks=_CHECKS)
    client.close()
    return {one.check.id: (str(one.verdict), one.found) for one in report.results}


def test_a_sound_server(tmp_path: Path) -> None:
    certificate = _certificate(tmp_path, days=100)
    with _served(certificate) as url:
        found = _verdicts(url, certificate)
    assert {verdict for verdict, _ in found.values()} == {"pass"}
    assert found["tls-1.2"][1] == "spoke TLSv1.2"


def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    with _served(_certificate(tmp_path, days=100)) as url:
        found = _verdicts(url, None)
    assert found["certificate"][0] == "fail"
    assert "certificate verify failed" in found["certificate"][1].lower()


@pytest.mark.parametrize(("days", "verdict"), [(13, "warning"), (16, "pass")])
def test_a_certificate_that_ends_soon(tmp_path: Path, days: int, verdict: str) -> None:
    certificate = _certificate(tmp_path, days)
    with _served(certificate) as url:
        assert _verdicts(url, certificate)["certificate"][0] == verdict


def test_a_server_without_tls_1_2(tmp_path: Path) -> None:
    certificate = _certificate(tmp_path, days=100)
    with _served(certificate, ssl.TLSVersion.TLSv1_3) as url:
        found = _verdicts(url, certificate)
    assert {id for id, (verdict, _) in found.items() if verdict == "fail"} == {"tls-1.2"}


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("http://scim.example.com/scim/v2", "fail"),
        ("http://127.0.0.1/scim/v2", "skipped"),
        ("https://x.example.com/scim/v2", "pass"),
    ],
)
def test_http_is_for_this_machine_only(url: str, verdict: str) -> None:
    with bent() as server:
        report = examined(server, url, checks=_CHECKS[:1])
    assert report.results[0].verdict == verdict
