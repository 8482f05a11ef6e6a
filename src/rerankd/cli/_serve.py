"""`rerankd serve`."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NoReturn

import click

from rerankd.cli._failure import server_packages
from rerankd.cli._settings import config_reader, load_config, settings_options


@click.command()
@click.option("--host", help="Address to listen on; 0.0.0.0 or :: = every interface.")
@click.option("--grpc-port", type=int, help="Port of the gRPC service; 0 = any that is free.")
@click.option("--http-port", type=int, help="Port of the HTTP door; 0 = any that is free.")
@click.option("--model", help="Model of requests that name none: an id, preset, alias or directory.")
@click.option("--provider", help="What runs local models: auto, cpu, cuda or tensorrt.")
@click.option("--warmup", help="startup, lazy or none: what is ready before the first request.")
@click.option("--log-level", help="debug, info, warning or error.")
@click.option("--log-format", help="auto, json or text.")
@settings_options
@click.pass_context
def serve(
    ctx: click.Context,
    *,
    host: str | None,
    grpc_port: int | None,
    http_port: int | None,
    model: str | None,
    provider: str | None,
    warmup: str | None,
    log_level: str | None,
    log_format: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
) -> None:
    """Run the server.

    SIGTERM and Ctrl-C stop it after the calls under way; a second one stops it at once. SIGHUP makes it
    read keys, certificates and the section `reranking` of its configuration again. A flag wins
    over the environment, the environment over the file. `rerankd config show` prints what holds.
    """
    flags = {
        "host": host,
        "grpc_port": grpc_port,
        "http_port": http_port,
        "model": model,
        "onnx.provider": provider,
        "warmup.mode": warmup,
        "log.level": log_level,
        "log.format": log_format,
    }
    # The packages of the server take seconds to import; until it listens to signals itself, nothing is lost
    # by an end at once, and the first process of a container would not even hear of SIGTERM.
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        config = load_config(flags, settings, config_file)
        # gRPC reads it when it is imported. Without it each stranger whose handshake fails writes a line to
        # stderr that is no line of the log.
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
        with server_packages():
            from rerankd.app import run
        ctx.exit(run(config, config_reader(flags, settings, config_file)))
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)
