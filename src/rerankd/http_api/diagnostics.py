"""`/debug/bundle`: the state of the process as one archive, for whoever has the admin token."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rerankd.diagnostics.bundle import Bundler
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.json_text import Json
from rerankd.http_api.openapi.document import failures, response_of
from rerankd.http_api.openapi.schemas import reference

PATH = "/debug/bundle"
_MEDIA_TYPE = "application/gzip"


def diagnostics_routes(bundler: Bundler) -> list[Route]:
    """The route of this module; the table of operations says who may ask."""

    async def answer(_: Request) -> Response:
        archive = await asyncio.to_thread(bundler.archive, bundler.live())
        headers = {"content-disposition": 'attachment; filename="rerankd-debug.tar.gz"'}
        return Response(archive, media_type=_MEDIA_TYPE, headers=headers)

    return [Route(PATH, answer, methods=["GET"])]


def diagnostics_paths() -> dict[str, Json]:
    """What the OpenAPI document says of it: path to path item."""
    archive = response_of("A .tar.gz without secrets and texts.", {_MEDIA_TYPE: {"type": "string"}})
    return {
        PATH: {
            "get": {
                "operationId": "debug_bundle",
                "summary": "The state of the process; needs `authorization: Bearer TOKEN`",
                "tags": ["operations"],
                "responses": {"200": archive, **failures((NATIVE,), reference("NativeError"))},
            }
        }
    }
