"""Secrets stay secret: not in the log at its loudest, not in errors, pages, `config show` or a crash."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from support.calls import request
from support.http_server import FAULT, FAULTY_PROGRAM, ask, ask_json
from support.servers import ServerProcess

from rerankd.access.key_file import KeyRecord, digest_of, generate, line_of
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

ADMIN, HUB, PROVIDER, REMOTE = (f"{name}-tell-nobody-41" for name in ("admin", "hub", "provider", "remote"))
KEY, WRONG_KEY = generate(), generate()
QUERY, DOCUMENT = "a private question", "a private document"
SECRETS = (ADMIN, HUB, PROVIDER, REMOTE, KEY, WRONG_KEY, digest_of(KEY), digest_of(WRONG_KEY))

ENVIRONMENT = {
    "RERANKD_ADMIN__TOKEN": ADMIN,
    "RERANKD_MODELS__HUB_TOKEN": HUB,
    "RERANKD_CLOUD__COHERE__API_KEY": PROVIDER,
}


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    file = tmp_path / "keys.toml"
    file.write_text(line_of("app", KeyRecord(sha256=digest_of(KEY))))
    return file


def settings(keys_file: Path) -> dict[str, object]:
    return {
        "log.level": "debug",
        "auth.keys_file": str(keys_file),
        "admin.token": ADMIN,
        "models.hub_token": HUB,
        "cloud.cohere.api_key": PROVIDER,
        "plugins.remotes": {"far": {"url": "http://127.0.0.1:9/score", "token": REMOTE}},
        "server.reload_seconds": 0.05,
    }


# As FAULTY_PROGRAM, with the traceback that Python prints when a process dies.
CRASHING_PROGRAM = FAULTY_PROGRAM.replace(
    "config = load(", "import faulthandler\nfaulthandler.enable()\nconfig = load(", 1
)


@pytest.fixture
def process(keys_file: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(settings(keys_file), program=CRASHING_PROGRAM)
    yield server
    server.stop()


def provoke(process: ServerProcess) -> list[str]:
    """Everything that goes wrong with a key in hand; what callers are told of it."""
    told: list[str] = []
    with grpc.insecure_channel(process.target) as channel:
        stub = RerankServiceStub(channel)
        for token in (KEY, WRONG_KEY, ADMIN, "", "\x7f"):
            for model in ("", "far", "cohere/rerank-v3.5", "test/x", "no such", f"http://{KEY}"):
                message = request(2, model=model if KEY not in model else "no such")
                try:
                    stub.Rerank(message, metadata=(("authorization", f"Bearer {token}"),), timeout=30)
                except grpc.RpcError as error:
                    told.append(f"{error.code()} {error.details()} {error.trailing_metadata()}")  # type: ignore[attr-defined]
    for token in (KEY, WRONG_KEY, ADMIN):
        bearer = {"authorization": f"Bearer {token}"}
        for kind in ("RuntimeError", "InternalError", "BackendFailedError", "QuotaExceededError"):
            body = {"model": "default", "query": FAULT + kind, "documents": [DOCUMENT]}
            told.append(ask_json(process.http_url, "/v2/rerank", body, **bearer).body.decode())
        for method, path in (
            *(
                ("GET", p)
                for p in ("/metrics", "/openapi.json", "/info", "/api/v1/status", "/config/reranking")
            ),
            *(("PATCH", "/config/reranking"), ("POST", "/reranker/train"), ("DELETE", "/")),
        ):
            answer = ask(process.http_url, method, path, b"{}" if method == "PATCH" else None, bearer)
            told.append(f"{answer.headers} {answer.body.decode()}")
    return told


def test_nothing_is_told(process: ServerProcess, keys_file: Path) -> None:
    told = provoke(process)
    assert any("UNAUTHENTICATED" in one for one in told)
    assert any("internal error" in one for one in told)
    # A broken file of keys that holds a key by mistake.
    keys_file.write_text(f"keys.app = {{ sha256 = '{KEY}' }}\n")
    process.wait_for("keys not reloaded; the old ones stay good")
    keys_file.write_text(f"{KEY} = \n")
    process.wait_for("keys not reloaded; the old ones stay good")
    process.send_signal(signal.SIGHUP)
    process.wait_for("configuration not reloaded")
    process.send_signal(signal.SIGABRT)
    assert process.wait() == -signal.SIGABRT
    log = "".join(process.log)
    assert "Fatal Python error: Aborted" in log
    assert '"level": "DEBUG"' in log
    for secret in SECRETS:
        assert secret not in log, secret
        assert not [one for one in told if secret in one], secret
    # Nor what callers asked about.
    assert QUERY not in log
    assert DOCUMENT not in log


def test_a_start_that_fails_tells_nothing(keys_file: Path) -> None:
    keys_file.write_text(f"keys.app = {{ sha256 = '{KEY}' }}\n")
    for changes in ({}, {"auth.keys_file": str(keys_file.with_name("absent"))}, {"admin.token": [ADMIN]}):
        program = (
            "import json, sys; from rerankd.app import run; from rerankd.config import load;"
            "sys.exit(run(load(json.loads(sys.argv[1]))))"
        )
        flags = json.dumps(settings(keys_file) | {"grpc_port": 0, "http_port": 0} | changes)
        run = subprocess.run(
            [sys.executable, "-c", program, flags], capture_output=True, text=True, timeout=60, check=False
        )
        assert run.returncode != 0
        # The arguments are the test's own way in, and no part of what the server says.
        said = run.stderr.replace(flags, "")
        assert not [secret for secret in SECRETS if secret in said], said


def test_config_show_hides_them(keys_file: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RERANKD_")} | ENVIRONMENT
    remote = json.dumps({"far": {"url": "http://127.0.0.1:9/score", "token": REMOTE}})
    for form in ((), ("--json",)):
        run = subprocess.run(
            [
                *(sys.executable, "-m", "rerankd", "config", "show", *form),
                *("--set", f"auth.keys_file={keys_file}", "--set", f"plugins.remotes={remote}"),
            ],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert len(re.findall(r"\*{10}", run.stdout)) >= 3
        assert not [secret for secret in SECRETS if secret in run.stdout + run.stderr]


def test_objects_do_not_print_them(keys_file: Path) -> None:
    from rerankd.access.composition import Gatekeeping
    from rerankd.client import ClientOptions, TLSConfig
    from rerankd.config import load

    config = load({"admin.token": ADMIN, "auth.keys_file": str(keys_file)})
    gatekeeping = Gatekeeping(config)
    options = ClientOptions(token=KEY, tls=TLSConfig(client_private_key=KEY.encode()))
    for shown in (config, gatekeeping, gatekeeping.access, vars(gatekeeping.access), options):
        assert KEY not in repr(shown)
        assert ADMIN not in repr(shown)
