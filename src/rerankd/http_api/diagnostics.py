"""`/debug/bundle`: the state of the process as one archive, for whoever has the admin token."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rerankd.core.errors import ForbiddenError, RerankdError
from rerankd.diagnostics.bundle import Bundler
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.json_text import Json
from rerankd.http_api.openapi.document import failures, response_of
from rerankd.http_api.openapi.schemas import reference
from rerankd.http_api.replies import json_response
from rerankd.reconfiguration.admin import Admin
from rerankd.telemetry.calls import note_reason, request_id

PATH = "/debug/bundle"
_MEDIA_TYPE = "application/gzip"


def diagnostics_routes(bundler: Bundler, admin: Admin) -> list[Route]:
    """The route of this module."""

    async def answer(request: Request) -> Response:
        try:
            _check(admin, request)
        except RerankdError as error:
            note_reason(error.spec.reason)
            reply = NATIVE.render_error(error, request_id.get())
            return json_response(reply.body, reply.status, reply.headers)
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


def _check(admin: Admin, request: Request) -> None:
    try:
        admin.check(request.headers.get("authorization"))
    except ForbiddenError as error:
        raise ForbiddenError(
            "this server has no admin token, so nobody gets its debug bundle; set admin.token and restart it"
        ) from error
