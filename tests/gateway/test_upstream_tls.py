"""The upstream client over TLS: it speaks it, and it believes no certificate that nobody vouches for."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bursar.gateway.upstream_http import FaultReason, FaultStage, Target, UpstreamClient, UpstreamFault


def certificate(directory: Path) -> ssl.SSLContext:
    """A server context with a certificate for 127.0.0.1 that signs itself, left in `directory`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = (
        builder.not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return context


async def fetch(client: UpstreamClient, target: Target) -> tuple[int, bytes]:
    answer = await client.send(target, (), b"hi")
    try:
        return answer.status, await answer.read()
    finally:
        answer.close()


async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\nhi")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
    writer.close()


async def test_tls_is_spoken_and_verified(tmp_path: Path) -> None:
    server = await asyncio.start_server(answer_once, "127.0.0.1", 0, ssl=certificate(tmp_path))
    target = Target.parse(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    trusting = UpstreamClient(ssl_context=ssl.create_default_context(cafile=str(tmp_path / "cert.pem")))
    assert await fetch(trusting, target) == (200, b"{}")
    doubting = UpstreamClient()
    with pytest.raises(UpstreamFault) as caught:
        await fetch(doubting, target)
    assert (caught.value.stage, caught.value.reason) == (FaultStage.CONNECT, FaultReason.TLS)
    await trusting.aclose()
    await doubting.aclose()
    server.close()
