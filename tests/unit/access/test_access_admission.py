"""Who is let in: keys, the admin token, scopes, pages, the probe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from rerankd.access import access
from rerankd.access.access import ANYBODY, Access
from rerankd.access.key_file import KeyRecord, digest_of, generate
from rerankd.access.keyring import Keyring
from rerankd.access.operations import RULES, Need, Operations, Page, Rule, Scope, http_operation
from rerankd.core.errors import ForbiddenError, UnauthenticatedError

RERANK = "/rerankd.v1.RerankService/Rerank"
WARMUP = "/rerankd.v1.RerankService/Warmup"
UPDATE = "/rerankd.v1.ConfigService/UpdateRerankingConfig"
TRAIN = "/rerankd.training.v1alpha.TrainingService/Train"
SEARCH, OPERATOR, TRAINER, SCRAPER = (generate() for _ in range(4))


def bearer(token: str) -> str:
    return f"Bearer {token}"


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    scopes = {SEARCH: ["rerank"], OPERATOR: ["rerank", "admin"], TRAINER: ["learning"], SCRAPER: []}
    names = dict(zip(scopes, ("search", "operator", "trainer", "scraper"), strict=True))
    file = tmp_path / "keys.json"
    keys = {names[key]: {"sha256": digest_of(key), "scopes": given} for key, given in scopes.items()}
    file.write_text(json.dumps({"keys": keys}))
    ring = Keyring(file)
    ring.adopt(ring.read())
    return ring


@pytest.mark.parametrize(
    ("operation", "allowed"),
    [
        (RERANK, {SEARCH, OPERATOR}),
        (WARMUP, {OPERATOR}),
        (UPDATE, {OPERATOR}),
        (TRAIN, {TRAINER}),
        ("/rerankd.v1.RerankService/Status", {SEARCH, OPERATOR, TRAINER, SCRAPER}),
        ("POST /v2/rerank", {SEARCH, OPERATOR}),
        ("PATCH /config/reranking", {OPERATOR}),
        ("GET /config/reranking", {SEARCH, OPERATOR, TRAINER, SCRAPER}),
        ("POST /reranker/train", {TRAINER}),
        ("GET /reranker/runs/7/log", {TRAINER}),
        ("GET /metrics", {SEARCH, OPERATOR, TRAINER, SCRAPER}),
        # What no row names is the administrator's.
        ("/rerankd.v2.Unheard/Of", {OPERATOR}),
        ("DELETE /everything", {OPERATOR}),
    ],
)
def test_a_key_opens_what_its_scopes_are_for(keyring: Keyring, operation: str, allowed: set[str]) -> None:
    decide = Access(keyring, open_pages=frozenset())
    for key in (SEARCH, OPERATOR, TRAINER, SCRAPER):
        if key in allowed:
            assert decide.enter(operation, bearer(key)) is access.identity.get()
        else:
            with pytest.raises(ForbiddenError, match="needs the scope"):
                decide.enter(operation, bearer(key))
    for stranger in (None, "", bearer(generate()), bearer(SEARCH[:-1]), f"Basic {SEARCH}", SEARCH):
        with pytest.raises(UnauthenticatedError) as caught:
            decide.enter(operation, stranger)
        assert SEARCH[:-1] not in str(caught.value)


def test_the_identity_is_the_name_of_the_key(keyring: Keyring) -> None:
    admitted = Access(keyring).enter(RERANK, bearer(SEARCH))
    caller = admitted.caller("10.0.0.7", 5.0)
    assert (caller.client, caller.deadline, caller.models, caller.quota) == ("search", 5.0, None, None)
    assert ANYBODY.caller("10.0.0.7", None).client == "10.0.0.7"
    assert admitted.actor("http 10.0.0.7") == "http 10.0.0.7 with the key search"


@pytest.mark.parametrize(
    ("operation", "page"),
    [
        ("/grpc.health.v1.Health/Check", Page.HEALTH),
        ("GET /health", Page.HEALTH),
        ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Page.REFLECTION),
        ("GET /openapi.json", Page.REFLECTION),
        ("GET /metrics", Page.METRICS),
    ],
)
def test_pages_are_open_or_closed_by_choice(keyring: Keyring, operation: str, page: Page) -> None:
    assert Access(keyring).enter(operation, None) is ANYBODY
    closed = Access(keyring, open_pages=frozenset(Page) - {page})
    with pytest.raises(UnauthenticatedError):
        closed.enter(operation, None)
    assert closed.enter(operation, bearer(SCRAPER)).name == "scraper"


def test_without_keys_only_changes_are_closed() -> None:
    decide = Access()
    for operation in (RERANK, WARMUP, TRAIN, "POST /rerank", "GET /metrics", "GET /nowhere"):
        assert decide.enter(operation, None) is ANYBODY
        # SDKs of others always send some key.
        assert decide.enter(operation, bearer("their own")) is ANYBODY
    with pytest.raises(ForbiddenError, match=r"set admin\.token"):
        decide.enter(UPDATE, bearer("x"))


@pytest.mark.parametrize("header", ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "])
def test_the_admin_token_changes_and_no_more(keyring: Keyring, header: str) -> None:
    for ring in (None, keyring):
        decide = Access(ring, SecretStr("s3cret"))
        assert decide.enter(UPDATE, header).name == access.ADMIN_TOKEN_NAME
    with pytest.raises(ForbiddenError):
        decide.enter(RERANK, header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "s3cret",
        "Bearer",
        "Bearer ",
        "Bearer s3cret2",
        "Bearer s3cre",
        "Basic s3cret",
        "Bearers3cret",
    ],
)
def test_nothing_else_is_the_admin_token(header: str | None) -> None:
    with pytest.raises(UnauthenticatedError) as caught:
        Access(None, SecretStr("s3cret")).enter(UPDATE, header)
    assert "s3cre" not in str(caught.value)


@pytest.mark.parametrize("token", [None, SecretStr("")])
@pytest.mark.parametrize("header", [None, "Bearer ", "Bearer s3cret"])
def test_without_a_token_nobody_is(token: SecretStr | None, header: str | None) -> None:
    with pytest.raises(ForbiddenError, match=r"set admin\.token"):
        Access(None, token).enter(UPDATE, header)


def test_the_probe_reranks_and_no_more(keyring: Keyring) -> None:
    for ring in (None, keyring):
        decide = Access(ring)
        assert decide.enter(RERANK, bearer(decide.probe_token), private=True).name == access.PROBE_NAME
        with pytest.raises(ForbiddenError):
            decide.enter(WARMUP, bearer(decide.probe_token))
        # Who finds the probe's socket is a stranger there, whatever key they have.
        for header in (None, bearer(SEARCH)):
            with pytest.raises(UnauthenticatedError):
                decide.enter(RERANK, header, private=True)
    assert Access().probe_token != Access().probe_token


def test_a_key_of_any_length_is_just_unknown(keyring: Keyring) -> None:
    for header in (bearer("x" * 100_000), bearer("\ud800"), bearer("é" * 50)):
        with pytest.raises(UnauthenticatedError):
            Access(keyring).enter(RERANK, header)


def test_other_rooms_bring_rows(keyring: Keyring) -> None:
    rules = (Rule("GET /mine", Need(scopes=frozenset({Scope.LEARNING}))), *RULES)
    decide = Access(keyring, operations=Operations(rules))
    assert decide.enter("GET /mine", bearer(TRAINER)).name == "trainer"
    assert decide.enter(RERANK, bearer(SEARCH)).name == "search"


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("HEAD", "/health", "GET /health"),
        ("POST", "/rerank/", "POST /rerank"),
        ("POST", "/", "POST /"),
        ("POST", "//", "POST /"),
    ],
)
def test_http_calls_have_one_name(method: str, path: str, operation: str) -> None:
    assert http_operation(method, path) == operation


def test_records_default_to_reranking() -> None:
    assert KeyRecord(sha256="0" * 64).scopes == (Scope.RERANK,)
