"""The playground's files over HTTP: headers, what is not sent twice, and who may read them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from support.fake_backend import FakeBackend
from support.http import call, http_door
from support.servers import fake_config, fake_engine

from rerankd.access.access import Access
from rerankd.access.key_file import KeyRecord, digest_of, generate, line_of
from rerankd.access.keyring import Keyring
from rerankd.http_api.playground.files import FOLDER, names
from rerankd.http_api.playground.routes import POLICY, playground_routes
from rerankd.telemetry.metrics import Metrics


@pytest.mark.parametrize("path", ["/", *(f"/playground/{name}" for name in sorted(names()))])
async def test_every_file_is_sent_plain_and_compressed_under_the_policy(path: str) -> None:
    async with http_door(extra_routes=playground_routes(50051)) as door:
        plain = await call(door.port, path)
        zipped = await call(door.port, path, headers={"accept-encoding": "br, gzip;q=0.8"})
    assert plain.status == zipped.status == 200
    assert gzip.decompress(zipped.body) == plain.body
    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert plain.headers["etag"] != zipped.headers["etag"]
    for answer in (plain, zipped):
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["vary"] == "accept-encoding"
        assert int(answer.headers["content-length"]) == len(answer.body)


def test_the_policy_lets_nothing_in() -> None:
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert {rules[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert "unsafe" not in POLICY


async def test_who_has_a_file_is_not_sent_it_again() -> None:
    async with http_door(extra_routes=playground_routes(50051)) as door:
        first = await call(door.port, "/playground/style.css")
        tag = first.headers["etag"]
        for tags in (tag, f'W/{tag}, "other"', f'"other", {tag[:-1]}-gzip"', "*"):
            again = await call(door.port, "/playground/style.css", headers={"if-none-match": tags})
            assert (again.status, again.body) == (304, b"")
        other = await call(door.port, "/playground/style.css", headers={"if-none-match": '"other"'})
        assert other.status == 200


@pytest.mark.parametrize("refusal", ["identity", "gzip;q=0", "gzip; q=0.0", "*"])
async def test_who_does_not_take_gzip_gets_none(refusal: str) -> None:
    async with http_door(extra_routes=playground_routes(50051)) as door:
        answer = await call(door.port, "/", headers={"accept-encoding": refusal})
    assert "content-encoding" not in answer.headers


async def test_the_page_tells_the_port_and_is_otherwise_the_file() -> None:
    async with http_door(extra_routes=playground_routes(4711)) as door:
        page = (await call(door.port, "/")).body.decode()
    assert re.search('name="rerankd-grpc-port" content="4711"', page)
    assert page.replace("4711", "{{grpc_port}}") == (FOLDER / "index.html").read_text(encoding="utf-8")


async def test_other_paths_and_methods_are_not_there() -> None:
    async with http_door(extra_routes=playground_routes(50051)) as door:
        for name in ("index.html", "", "../files.py", "a/main.js"):
            path = f"/playground/{name}"
            assert (await call(door.port, path)).status == 404, path
        assert (await call(door.port, "/playground/main.js", {})).status == 405
        assert (await call(door.port, "/", method="PUT")).headers["allow"] == "GET, HEAD, POST"
        head = await call(door.port, "/playground/main.js", method="HEAD")
        assert head.status == 200
        # Where SageMaker's and TEI's users find a reranker, they still do.
        ranked = await call(door.port, "/", {"query": "alpha", "texts": ["alpha", "beta"]})
        assert [result["index"] for result in ranked.json] == [0, 1]


async def test_files_need_no_key_and_what_the_page_calls_does(tmp_path: Path) -> None:
    key, file = generate(), tmp_path / "keys.toml"
    file.write_text(line_of("search", KeyRecord(sha256=digest_of(key))))
    ring = Keyring(file)
    ring.adopt(ring.read())
    access = Access(ring, open_pages=frozenset())
    async with http_door(extra_routes=playground_routes(50051), access=access) as door:
        for path in ("/", "/playground/main.js"):
            assert (await call(door.port, path)).status == 200
        for path in ("/info", "/v1/models", "/playgrounds"):
            assert (await call(door.port, path)).status == 401, path
        assert (await call(door.port, "/", {"query": "a", "texts": ["b"]})).status == 401


async def test_files_are_one_series_of_the_metrics() -> None:
    engine = fake_engine(FakeBackend(), fake_config())
    metrics = Metrics(engine)
    async with http_door(engine=engine, extra_routes=playground_routes(50051), metrics=metrics) as door:
        await call(door.port, "/playground/main.js")
        page = metrics.render("")[0].decode()
    assert "playground" not in page
    assert re.search(r'rerankd_http_requests_total\{route="other",status="2xx"\} 1', page), page[:3000]
