"""Serves the example plugin and compares it with the library that it wraps; prints what it finds as JSON.

    PYTHON drive_plugin_example.py DIRECTORY PATH...

PYTHON has sentence-transformers; DIRECTORY is where a tiny model is made; each PATH is looked for modules,
after those of PYTHON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

QUERY = "how do plants make food"
DOCUMENTS = ["the river is green", "plants make food from light and water", "leaves", "", "x" * 600]


def main(directory: str, *paths: str) -> None:
    sys.path += paths
    from support import tiny_cross_encoder

    model = Path(directory) / "model"
    tiny_cross_encoder.make(model)
    os.environ["CROSS_ENCODER_MODEL"] = str(model)
    print(json.dumps({"library": by_library(model), "checks": run_checks(), **asyncio.run(by_server())}))


def by_library(model: Path) -> list[float]:
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity

    pairs = [(QUERY, document) for document in DOCUMENTS]
    return [float(score) for score in CrossEncoder(str(model)).predict(pairs, activation_fn=Identity())]


async def by_server() -> dict[str, Any]:
    from rerankd.app import Application
    from rerankd.assembly import build_engine
    from rerankd.client import AsyncClient
    from rerankd.config import Config

    config = Config.model_validate(
        {"grpc_port": 0, "http_enabled": False, "model": "sentence-transformers", "warmup": {"mode": "lazy"}}
    )
    async with (
        Application(config, build_engine(config)) as app,
        AsyncClient(f"127.0.0.1:{app.grpc_port}") as client,
    ):
        response = await client.rerank(QUERY, DOCUMENTS, timeout_seconds=120)
        return {
            "model": [response.model.id, response.model.revision, response.model.backend],
            "server": [[result.index, result.score] for result in response.results],
        }


def run_checks() -> list[str]:
    """Runs the package's own tests as pytest would; their names."""
    from test_acceptance import TestCrossEncoderPlugin

    suite = TestCrossEncoderPlugin()
    names = [name for name in dir(suite) if name.startswith("test_")]
    for name in names:
        getattr(suite, name)()
    return names


if __name__ == "__main__":
    main(*sys.argv[1:])
