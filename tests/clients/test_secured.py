"""Each client at a server that asks for a certificate and a key."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.certificates import Authority, Pair, needs_openssl
from support.http_server import http_server
from support.languages import Client
from support.servers import ServerProcess

from rerankd.access.key_file import KeyRecord, digest_of, generate, line_of
from rerankd.access.operations import Scope

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs_openssl]

KEY = generate()


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Pair, Pair]:
    """An authority, and what it signed for the server and for the client, the keys in PKCS #8."""
    authority = Authority(tmp_path_factory.mktemp("authority"), "ours")
    return authority, authority.sign("server"), authority.sign("client")


@pytest.fixture(scope="module")
def secured(
    ours: tuple[Authority, Pair, Pair], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    authority, pair, _ = ours
    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    record = KeyRecord(sha256=digest_of(KEY), scopes=(Scope.RERANK, Scope.ADMIN))
    keys.write_text(line_of("client", record))
    with http_server(
        tls__certificate=str(pair.certificate),
        tls__key=str(pair.key),
        tls__client_ca=str(authority.certificate),
        auth__keys_file=str(keys),
        auth__open_metrics="false",
    ) as process:
        yield process


def run(
    client: Client, secured: ServerProcess, authority: Authority, pair: Pair, token: str
) -> subprocess.CompletedProcess[str]:
    values = {
        "target": f"localhost:{secured.target.rpartition(':')[2]}",
        "ca": str(authority.certificate),
        "cert": str(pair.certificate),
        "key": str(pair.key),
    }
    return subprocess.run(
        [*(part.format(**values) for part in client.secured), "alpha beta", "alpha one", "two"],
        env=os.environ | {"LC_ALL": "C.UTF-8", "RERANKD_TOKEN": token},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_it_ranks(client: Client, secured: ServerProcess, ours: tuple[Authority, Pair, Pair]) -> None:
    authority, _, pair = ours
    done = run(client, secured, authority, pair, KEY)
    assert done.returncode == 0, done.stderr
    assert [line.split(" ", 2)[2] for line in done.stdout.splitlines()] == ["alpha one", "two"]


def test_a_wrong_key_is_told_apart(
    client: Client, secured: ServerProcess, ours: tuple[Authority, Pair, Pair]
) -> None:
    authority, _, pair = ours
    done = run(client, secured, authority, pair, "not the key")
    assert done.returncode == 1
    assert "UNAUTHENTICATED" in done.stderr


def test_a_stranger_gets_no_connection(
    client: Client, secured: ServerProcess, ours: tuple[Authority, Pair, Pair], tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger").sign("client")
    done = run(client, secured, ours[0], stranger, KEY)
    assert done.returncode == 1
    assert KEY not in done.stderr


def run_command(arguments: list[str], token: str, code: int, stdin: str | None = None) -> None:
    """Runs a command with this key, and says how it has to end."""
    done = subprocess.run(
        [sys.executable, "-m", "rerankd", *arguments],
        env=os.environ | {"RERANKD_TOKEN": token},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert ("UNAUTHENTICATED" in done.stderr) == bool(code)


def test_the_command_line_too(secured: ServerProcess, ours: tuple[Authority, Pair, Pair]) -> None:
    authority, _, pair = ours
    target = f"localhost:{secured.target.rpartition(':')[2]}"
    tls = ("--tls-ca", str(authority.certificate), "--tls-cert", str(pair.certificate))
    connection = ("--server", target, *tls, "--tls-key", str(pair.key))
    for verb in (("status",), ("reranking", "show"), ("rerank", "alpha", "-")):
        for token, code in ((KEY, 0), ("wrong", 1)):
            run_command([*verb, *connection], token, code, stdin="alpha one\ntwo\n")


def test_commands_that_read_pages_too(
    secured: ServerProcess, ours: tuple[Authority, Pair, Pair], tmp_path: Path
) -> None:
    authority, _, pair = ours
    url = f"https://localhost:{secured.http_url.rpartition(':')[2]}"
    tls = ("--tls-ca", str(authority.certificate), "--tls-cert", str(pair.certificate))
    connection = ("--http", url, *tls, "--tls-key", str(pair.key))
    for verb in (("top", "--once", "--interval", "0.1"), ("debug-bundle", "-o", str(tmp_path / "b.tar.gz"))):
        for token, code in ((KEY, 0), ("wrong", 1)):
            run_command([*verb, *connection], token, code)
