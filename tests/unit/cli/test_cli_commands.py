from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from rerankd import __version__
from rerankd.cli._app import app
from rerankd.cli._failure import describe
from rerankd.client import ModelLoadingError, UnavailableError
from rerankd.config import Config
from rerankd.core import errors as core_errors

HEAVY = ("grpc", "rich", "numpy", "pydantic", "onnxruntime", "tokenizers", "google.protobuf")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def run_python(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )


def test_help_and_version_import_nothing_heavy() -> None:
    script = (
        "import sys, rerankd.cli\n"
        "try: rerankd.cli.main()\n"
        "except SystemExit: pass\n"
        f"sys.stderr.write(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    )
    for flag in ("--help", "--version"):
        run = run_python(script, flag)
        assert run.stdout
        assert run.stderr == ""


def test_every_command_explains_itself() -> None:
    names = [[], *([name] for name in app.commands), ["models", "pull"], ["config", "show"]]
    for command in names:
        result = invoke(*command, "--help")
        assert result.exit_code == 0
        assert "Usage:" in result.output
    assert invoke("--version").output == f"rerankd, version {__version__}\n"


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_one_sentence_names_it(missing: str) -> None:
    run = run_python(f"import sys; sys.modules[{missing!r}] = None; from rerankd.cli import main; main()")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "pip install 'rerankd[cli]'" in run.stderr


@pytest.mark.parametrize("command", [["config", "show"], ["serve"], ["models", "list"]])
def test_without_the_server_extra_one_sentence_names_it(command: list[str]) -> None:
    run = run_python(
        "import sys; sys.modules['pydantic'] = None; from rerankd.cli import main; main()", *command
    )
    assert run.returncode == 1
    assert run.stderr == "rerankd: pydantic is not installed: pip install 'rerankd[server]'\n"


def test_settings_come_from_flags_and_file_and_say_so(tmp_path: Path) -> None:
    file = tmp_path / "rerankd.toml"
    file.write_text('host = "0.0.0.0"\n[models]\nhub_token = "s3cret"\n')
    settings = ["grpc_port=7", "models.allow=BAAI/*, x/y", "models.aliases=a=b"]
    flags = [word for setting in settings for word in ("--set", setting)]
    result = invoke("config", "show", "--json", "--config", str(file), *flags)
    assert result.exit_code == 0
    rows = {row["key"]: (row["value"], row["source"]) for row in json.loads(result.output)}
    assert rows["host"] == ("0.0.0.0", "file")
    assert rows["grpc_port"] == ("7", "flag")
    assert rows["models.allow"] == ("BAAI/*,x/y", "flag")
    assert rows["models.aliases"] == ("a=b", "flag")
    assert rows["http_port"][1] == "default"
    assert "s3cret" not in result.output


def test_settings_in_a_pipe_are_parted_by_tabs() -> None:
    lines = invoke("config", "show").output.splitlines()
    assert "host\t127.0.0.1\tdefault" in lines
    assert all(line.count("\t") == 2 for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["config", "show", "--set", "nope=1"], "nope: no such setting"),
        (["config", "show", "--set", "grpc_port=high"], "grpc_port"),
        (["rerank", "q", "no-such-file.txt"], "no-such-file.txt: No such file or directory"),
        (["serve", "--warmup", "sometimes"], "warmup.mode"),
        (["models", "list", "--set", "model=no//such"], "a model name is not a path"),
    ],
)
def test_failures_are_one_line_and_status_1(arguments: list[str], words: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("rerankd: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["rerank"],
        ["rerank", "q", "f", "--server", "s", "--set", "a=b"],
        ["config", "show", "--set", "grpc_port"],
        ["rerank", "q", "f", "--top-n", "-1"],
        ["fly"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    assert invoke(*arguments).exit_code == 2


def test_flags_of_serve_become_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Config] = []

    def run(config: Config, reread: Callable[[], Config]) -> int:
        seen.extend((config, reread()))
        return 3

    monkeypatch.setattr("rerankd.app.run", run)
    flags = "--host :: --grpc-port 1 --http-port 2 --model fast --provider cpu --warmup lazy"
    more = "--log-level debug --log-format json --set onnx.threads=2"
    result = invoke("serve", *flags.split(), *more.split())
    assert result.exit_code == 3
    config, reread = seen
    assert reread == config
    assert (config.host, config.grpc_port, config.http_port, config.model) == ("::", 1, 2, "fast")
    assert (config.onnx.provider, config.onnx.threads, config.warmup.mode) == ("cpu", 2, "lazy")
    assert (config.log.level, config.log.format) == ("debug", "json")


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


def test_ctrl_c_is_quiet_and_status_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rerankd.cli._config.load_config", failing(KeyboardInterrupt()))
    result = invoke("config", "show")
    assert (result.exit_code, result.output) == (130, "")


def test_an_unexpected_error_shows_its_traceback_only_with_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rerankd.cli._config.load_config", failing(RuntimeError("surprise")))
    quiet = invoke("config", "show")
    assert quiet.exit_code == 1
    assert quiet.stderr.startswith("rerankd: RuntimeError: surprise (--debug")
    loud = invoke("--debug", "config", "show")
    assert loud.exit_code == 1
    assert isinstance(loud.exception, RuntimeError)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UnavailableError("refused"), "UNAVAILABLE: refused; is a server running there?"),
        (ModelLoadingError("busy"), "MODEL_LOADING: busy; `rerankd status --wait` waits for it"),
        (core_errors.InvalidRequestError("no query"), "INVALID_REQUEST: no query"),
        (FileNotFoundError(2, "No such file", "x.txt"), "x.txt: No such file"),
    ],
)
def test_a_failure_says_the_reason_and_what_to_do(error: Exception, line: str) -> None:
    assert describe(error).startswith(line)


def test_the_commands_are_these() -> None:
    plain = {"batch", "bench", "debug-bundle", "health", "rerank", "serve", "status", "top", "warmup"}
    assert set(app.commands) == {"config", "keys", "learn", "models", "reranking", *plain}
    groups = {n: set(c.commands) for n, c in app.commands.items() if isinstance(c, click.Group)}
    assert groups == {
        "keys": {"generate", "list"},
        "config": {"show"},
        "learn": {
            *("cancel", "compare", "corpus", "evaluate", "feedback", "mine", "promote", "resume"),
            *("rollback", "runs", "shadow", "status", "train", "watch"),
        },
        "models": {"list", "pull", "verify"},
        "reranking": {"set", "show"},
    }
