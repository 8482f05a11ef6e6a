"""`rerankd keys`, and the flags by which commands show what they have."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from rerankd.access.key_file import digest_of, read_key_file
from rerankd.cli._app import app
from rerankd.cli._connection import client_options, server_option


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments], env=environment)


def test_a_key_is_printed_once_with_its_line() -> None:
    first, second = run("generate", "web").output.splitlines()
    key, line = first.removeprefix("key:").strip(), second.removeprefix("line:").strip()
    assert tomllib.loads(line)["keys"]["web"] == {"sha256": digest_of(key)}
    assert key not in line


def test_everything_that_a_key_may_have_is_in_its_line() -> None:
    told = json.loads(
        run(
            *("generate", "web", "--scope", "rerank", "--scope", "admin", "--model", "cohere/*"),
            *("--tokens-per-minute", "1000", "--concurrent-tokens", "100", "--json"),
        ).output
    )
    assert tomllib.loads(told["line"])["keys"]["web"] == {
        "sha256": digest_of(told["key"]),
        "scopes": ["rerank", "admin"],
        "models": ["cohere/*"],
        "tokens_per_minute": 1000,
        "concurrent_tokens": 100,
    }


def test_lines_are_added_to_a_file_that_its_owner_alone_reads(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    first = run("generate", "web", "--file", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    # Somebody opened it for the server's group.
    file.chmod(0o640)
    second = run("generate", "scraper", "--scope", "none", "--file", str(file))
    records = read_key_file(file)
    assert file.stat().st_mode & 0o777 == 0o640
    assert records["web"].sha256 == digest_of(first.output.strip())
    assert records["scraper"].sha256 == digest_of(second.output.strip())
    assert records["scraper"].scopes == ()
    assert [path.name for path in tmp_path.iterdir()] == ["keys.toml"]
    told = run("list", str(file)).output
    assert "web\trerank\t*" in told
    assert records["web"].sha256 not in told + run("list", str(file), "--json").output


@pytest.mark.parametrize(
    ("content", "name", "file"),
    [
        ("", "a b", "keys.toml"),
        ("keys = [", "web", "keys.toml"),
        # A table that was opened already cannot be added to from above.
        ("[keys.x]\nsha256 = 'no'\n", "web", "keys.toml"),
        ("{}", "web", "keys.json"),
    ],
)
def test_what_cannot_be_added_leaves_the_file(tmp_path: Path, content: str, name: str, file: str) -> None:
    path = tmp_path / file
    path.write_text(content)
    result = run("generate", name, "--file", str(path))
    assert result.exit_code == 1
    assert path.read_text() == content
    assert [one.name for one in tmp_path.iterdir()] == [file]


def test_a_name_is_given_once(tmp_path: Path) -> None:
    file = str(tmp_path / "keys.toml")
    run("generate", "web", "--file", file)
    again = run("generate", "web", "--file", file)
    assert again.exit_code == 1
    assert "there is a key web already" in again.output


@pytest.fixture
def pem(tmp_path: Path) -> str:
    file = tmp_path / "some.pem"
    file.write_text("PEM")
    return str(file)


def options_of(*arguments: str, **environment: str) -> dict[str, object]:
    @click.command()
    @server_option
    def command(target: str) -> None:
        options = client_options("fallback")
        told = (
            None if options.tls is None else (options.tls.root_certificates, options.tls.client_private_key)
        )
        click.echo(repr({"token": options.token, "tls": told, "target": target}))

    result = CliRunner().invoke(command, list(arguments), env=environment)
    assert result.exit_code == 0, result.output
    value: dict[str, object] = eval(result.output)
    return value


def test_flags_and_variables_make_the_client(pem: str) -> None:
    assert options_of() == {"token": "fallback", "tls": None, "target": "localhost:50051"}
    assert options_of("--token", "k", "--tls") == {
        "token": "k",
        "tls": (None, None),
        "target": "localhost:50051",
    }
    given = options_of(RERANKD_TOKEN="k", RERANKD_TLS_CA=pem)
    assert (given["token"], given["tls"]) == ("k", (b"PEM", None))
    assert options_of("--tls-cert", pem, "--tls-key", pem)["tls"] == (None, b"PEM")
    assert options_of("--plain-text", RERANKD_TLS_CA=pem)["tls"] is None


def test_half_of_a_pair_is_refused(pem: str) -> None:
    result = CliRunner().invoke(app, ["status", "--tls-cert", pem])
    assert result.exit_code == 2
    assert "belong together" in result.output
