"""TLS and mutual TLS at both doors, certificates that are replaced while the server runs, and the probe."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.calls import request
from support.certificates import Authority, Pair, needs_openssl
from support.servers import FakeServer, fake_config, serving

from rerankd.access.certificates import CertificateError, CertificateFiles, Certificates
from rerankd.app import Application
from rerankd.assembly import StartupError
from rerankd.config import Config, ConfigError, load
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    folder = tmp_path_factory.mktemp("authorities")
    return Authority(folder, "first"), Authority(folder, "second")


@pytest.fixture
def installed(authorities: tuple[Authority, Authority], tmp_path: Path) -> Pair:
    """Files of a server, signed by the first authority."""
    pair = Pair(certificate=tmp_path / "server.pem", key=tmp_path / "server.key")
    install(authorities[0].sign("server"), pair)
    return pair


def install(source: Pair, target: Pair) -> None:
    shutil.copy(source.certificate, target.certificate)
    shutil.copy(source.key, target.key)


def secured(pair: Pair, client_ca: Path | None = None, **sections: Any) -> Config:
    tls = {"certificate": pair.certificate, "key": pair.key, "client_ca": client_ca}
    # Looked at so often that no test waits for it.
    server = {"reload_seconds": 0.02} | sections.pop("server", {})
    return fake_config(http_enabled=True, tls=tls, server=server, **sections)


async def by_grpc(server: FakeServer, roots: Path, client: Pair | None = None) -> int:
    """Documents that a call over a connection of its own gets back; raises AioRpcError."""
    credentials = grpc.ssl_channel_credentials(
        roots.read_bytes(),
        client.key.read_bytes() if client else None,
        client.certificate.read_bytes() if client else None,
    )
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
    async with grpc.aio.secure_channel(f"localhost:{server.app.grpc_port}", credentials, options) as channel:
        response: pb.RerankResponse = await RerankServiceStub(channel).Rerank(request(3), timeout=20)
        return len(response.results)


async def by_http(server: FakeServer, roots: Path, client: Pair | None = None) -> int:
    """Status of /health over a connection of its own; raises OSError where TLS fails."""
    context = ssl.create_default_context(cafile=roots)
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.app.http_port, ssl=context, server_hostname="localhost"
    )
    try:
        writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        await writer.drain()
        line = await reader.readline()
        if not line:
            raise ConnectionResetError("the server hung up")
        return int(line.split()[1])
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def until(server: FakeServer, roots: Path, client: Pair | None = None) -> None:
    """Returns once both doors show a certificate that these roots vouch for."""
    for ask in (by_grpc, by_http):
        async with asyncio.timeout(20):
            while True:
                try:
                    await ask(server, roots, client)
                    break
                except (grpc.aio.AioRpcError, OSError):
                    continue


@asynccontextmanager
async def warmed(config: Config) -> AsyncIterator[FakeServer]:
    """A server that has warmed up as at a real start, its probe included."""
    async with serving(config) as server:
        await server.app.wait_ready()
        yield server


async def test_both_doors_speak_tls(authorities: tuple[Authority, Authority], installed: Pair) -> None:
    first, second = authorities
    async with warmed(secured(installed, warmup={"mode": "startup"})) as server:
        # The probe has called through its own way in.
        assert server.backend.scored_pairs >= 2
        assert await by_grpc(server, first.certificate) == 3
        assert await by_http(server, first.certificate) == 200
        with pytest.raises(grpc.aio.AioRpcError):
            await by_grpc(server, second.certificate)
        with pytest.raises(ssl.SSLError):
            await by_http(server, second.certificate)
        # Plain text gets no word in.
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.stub.Rerank(request(1), timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_mutual_tls(authorities: tuple[Authority, Authority], installed: Pair) -> None:
    first, second = authorities
    config = secured(installed, first.certificate, warmup={"mode": "startup"})
    async with warmed(config) as server:
        ours, theirs = first.sign("client"), second.sign("client")
        assert await by_grpc(server, first.certificate, ours) == 3
        assert await by_http(server, first.certificate, ours) == 200
        for stranger in (None, theirs):
            with pytest.raises(grpc.aio.AioRpcError):
                await by_grpc(server, first.certificate, stranger)
            with pytest.raises(OSError):  # noqa: PT011 - of TLS 1.3 the client learns only when it reads
                await by_http(server, first.certificate, stranger)


async def test_client_certificates_can_be_left_to_choice(
    authorities: tuple[Authority, Authority], installed: Pair
) -> None:
    first, second = authorities
    config = secured(installed, first.certificate)
    config = config.model_copy(
        update={"tls": config.tls.model_copy(update={"require_client_certificate": False})}
    )
    async with warmed(config) as server:
        assert await by_grpc(server, first.certificate) == 3
        assert await by_http(server, first.certificate) == 200
        with pytest.raises(OSError):  # noqa: PT011
            await by_http(server, first.certificate, second.sign("other"))


async def test_the_probes_way_in_is_the_probes_alone(
    authorities: tuple[Authority, Authority], installed: Pair
) -> None:
    async with (
        warmed(secured(installed, authorities[0].certificate)) as server,
        grpc.aio.insecure_channel(server.app._grpc.probe_address) as channel,
    ):
        stub = RerankServiceStub(channel)
        for metadata in ((), (("authorization", "Bearer guess"),)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Rerank(request(1), timeout=20, metadata=metadata)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_new_certificate_holds_without_a_restart(
    authorities: tuple[Authority, Authority], installed: Pair
) -> None:
    first, second = authorities
    async with warmed(secured(installed)) as server:
        await until(server, first.certificate)
        # A call that is under way stays on the old one.
        credentials = grpc.ssl_channel_credentials(first.certificate.read_bytes())
        async with grpc.aio.secure_channel(f"localhost:{server.app.grpc_port}", credentials) as old:
            stub = RerankServiceStub(old)
            await stub.Rerank(request(1), timeout=20)
            install(second.sign("server"), installed)
            await until(server, second.certificate)
            await stub.Rerank(request(1), timeout=20)
        with pytest.raises(grpc.aio.AioRpcError):
            await by_grpc(server, first.certificate)
        with pytest.raises(ssl.SSLError):
            await by_http(server, first.certificate)


async def test_new_authorities_of_clients_hold_too(
    authorities: tuple[Authority, Authority], installed: Pair, tmp_path: Path
) -> None:
    first, second = authorities
    trusted = tmp_path / "clients.pem"
    shutil.copy(first.certificate, trusted)
    ours, theirs = first.sign("client"), second.sign("client")
    async with warmed(secured(installed, trusted)) as server:
        await until(server, first.certificate, ours)
        shutil.copy(second.certificate, trusted)
        await until(server, first.certificate, theirs)
        with pytest.raises(grpc.aio.AioRpcError):
            await by_grpc(server, first.certificate, ours)
        with pytest.raises(OSError):  # noqa: PT011
            await by_http(server, first.certificate, ours)


@pytest.mark.parametrize("broken", ["garbage", "other key", "gone"])
async def test_a_broken_certificate_leaves_the_old_in_force(
    authorities: tuple[Authority, Authority],
    installed: Pair,
    broken: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second = authorities
    async with warmed(secured(installed, server={"reload_seconds": 0})) as server:
        match broken:
            case "garbage":
                installed.certificate.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
            case "other key":
                shutil.copy(second.sign("server").key, installed.key)
            case _:
                installed.key.unlink()
        gatekeeping = server.app._gatekeeping
        await gatekeeping._reload_certificates()
        (line,) = [vars(record) for record in caplog.records if record.levelname == "ERROR"]
        assert "stays good" in line["msg"]
        assert "tls." in line["problem"]
        assert await by_grpc(server, first.certificate) == 3
        assert await by_http(server, first.certificate) == 200
        # And a good one afterwards is taken.
        install(second.sign("server"), installed)
        gatekeeping.reload_soon()
        await until(server, second.certificate)


def test_files_that_cannot_be_used_end_the_start(
    authorities: tuple[Authority, Authority], installed: Pair, tmp_path: Path
) -> None:
    encrypted = tmp_path / "encrypted.key"
    first = authorities[0]
    openssl = f"openssl pkey -in {installed.key} -aes256 -passout pass:x -out {encrypted}"
    subprocess.run(openssl.split(), check=True, capture_output=True)
    wrong = {
        "does not belong": {"certificate": installed.certificate, "key": first.pair.key},
        "unencrypted": {"certificate": installed.certificate, "key": encrypted},
        "No such file": {"certificate": tmp_path / "absent.pem", "key": installed.key},
        "client_ca": {
            "certificate": installed.certificate,
            "key": installed.key,
            "client_ca": installed.key,
        },
    }
    for said, tls in wrong.items():
        with pytest.raises(StartupError, match=said):
            Application(fake_config(tls=tls))
        with pytest.raises(CertificateError):
            Certificates(CertificateFiles(**tls))


@pytest.mark.parametrize(("days", "level"), [(2, "WARNING"), (90, "INFO")])
def test_the_end_of_a_certificate_is_told(
    tmp_path: Path, days: int, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    pair = Authority(tmp_path, "own", days=days).pair
    Certificates(CertificateFiles(certificate=pair.certificate, key=pair.key)).tell_expiry()
    (line,) = [vars(record) for record in caplog.records]
    assert (line["levelname"], line["file"]) == (level, "certificate")
    left = datetime.fromisoformat(line["not_after"]) - datetime.now(UTC)
    assert days - 1 <= left.days <= days


def test_the_end_of_what_has_expired_is_told_too(tmp_path: Path) -> None:
    old, good = Authority(tmp_path, "old"), Authority(tmp_path, "good", days=9)
    old.expire()
    both = tmp_path / "both.pem"
    both.write_bytes(good.certificate.read_bytes() + old.certificate.read_bytes())
    files = CertificateFiles(certificate=old.pair.certificate, key=old.pair.key, client_ca=both)
    for seconds in Certificates(files).seconds_left().values():
        assert -2 < seconds / 86400 < 0


def test_half_of_a_pair_is_no_configuration() -> None:
    with pytest.raises(ConfigError, match="belong together"):
        load({"tls.certificate": "a.pem"})
    with pytest.raises(ConfigError, match=r"needs tls\.certificate"):
        load({"tls.client_ca": "a.pem"})
