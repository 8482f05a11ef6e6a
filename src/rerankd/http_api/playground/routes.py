"""The routes of the playground: the page at `/`, what it loads below `/playground/`.

The files are the same for everybody and hold nothing of this server but the port of its gRPC door. What the
page does afterwards are calls like those of any other client, each with the key that it needs.
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from rerankd.http_api.json_text import Json
from rerankd.http_api.openapi.document import response_of
from rerankd.http_api.playground.files import PAGE, File, names, read

PAGE_PATH = "/"
FILES_PATH = "/playground"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No string ever becomes markup or code, whatever a later change of the page forgets.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""What a browser may do for the page: load its own files and call its own server, and nothing else."""

_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    # Asked for each time and answered with 304: after an upgrade nobody has half of the old page.
    "cache-control": "no-cache",
    "vary": "accept-encoding",
}


def playground_routes(grpc_port: int) -> list[BaseRoute]:
    """The routes; `grpc_port` is that of the gRPC door, for the calls that the page shows."""
    shelf = _Shelf(grpc_port)

    async def page(request: Request) -> Response:
        return await shelf.answer(PAGE, request.headers)

    async def file(scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix(f"{FILES_PATH}/")
        if name not in shelf.names:
            raise HTTPException(404)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"allow": "GET, HEAD"})
        await (await shelf.answer(name, Headers(scope=scope)))(scope, receive, send)

    # A mount and no route for each file: metrics have a series for each route.
    return [Route(PAGE_PATH, page, methods=["GET"]), Mount(FILES_PATH, app=file)]


def playground_paths() -> dict[str, Json]:
    """What the OpenAPI document says of the page: path to path item."""
    page = response_of("A page for people.", {"text/html": {"type": "string"}})
    return {
        PAGE_PATH: {
            "get": {
                "operationId": "playground",
                "summary": "The playground; needs no key",
                "tags": ["operations"],
                "responses": {"200": page},
            }
        }
    }


class _Shelf:
    """The files, each read when it is first asked for."""

    def __init__(self, grpc_port: int) -> None:
        self.names = names()
        self._grpc_port = grpc_port
        self._files: dict[str, File] = {}

    async def answer(self, name: str, headers: Headers) -> Response:
        """The file, or 304 for who has it."""
        if name not in self._files:
            self._files[name] = await asyncio.to_thread(read, name, self._grpc_port)
        file = self._files[name]
        zipped = _takes_gzip(headers.get("accept-encoding", ""))
        told = {**_HEADERS, "etag": f'"{file.digest}{"-gzip" if zipped else ""}"'}
        if _has_it(headers.get("if-none-match", ""), file.digest):
            return Response(status_code=304, headers=told)
        if zipped:
            told["content-encoding"] = "gzip"
        return Response(file.gzipped if zipped else file.plain, headers=told, media_type=file.media_type)


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        coding, _, weight = part.strip().partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _has_it(tags: str, digest: str) -> bool:
    """Whether one of the tags names the file, in either coding: a proxy may have changed that."""
    known = {tag.strip().removeprefix("W/").strip('"').removesuffix("-gzip") for tag in tags.split(",")}
    return digest in known or "*" in known
