"""The OpenAPI document: whole, and made of the tables that answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Route
from support.fake_backend import FakeBackend
from support.servers import fake_config, fake_engine

from rerankd.core.limits import Limits
from rerankd.http_api import routes
from rerankd.http_api.configuration import OTHER_NAMES, PATH
from rerankd.http_api.dialects.cohere import COHERE
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.dialects.tei import TEI
from rerankd.http_api.openapi.configuration import configuration_paths
from rerankd.http_api.openapi.document import document, statuses_of
from rerankd.reconfiguration.changes import FIELDS

LIMITS = Limits(max_documents=7, max_query_bytes=77)


@pytest.fixture
def told() -> Any:
    return json.loads(json.dumps(document(LIMITS)))


def values_of(value: Any) -> Iterator[Any]:
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from values_of(each)


def test_every_reference_leads_somewhere_and_every_schema_is_used(told: Any) -> None:
    references = {v["$ref"] for v in values_of(told) if isinstance(v, dict) and "$ref" in v}
    names = {reference.removeprefix("#/components/schemas/") for reference in references}
    assert names == set(told["components"]["schemas"])


def test_operations_have_names_of_their_own(told: Any) -> None:
    operations = [operation for path in told["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] and operation["responses"] for operation in operations)


def test_routes_and_paths_are_the_same(told: Any) -> None:
    engine = fake_engine(FakeBackend(), fake_config())
    door = routes.application(engine, lambda: "ready")
    served = {
        (route.path, method.lower())
        for route in door.routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert served == {(path, method) for path, item in told["paths"].items() for method in item}
    engine.close()


def test_bounds_are_those_of_the_server(told: Any) -> None:
    schemas = told["components"]["schemas"]
    for name in ("CohereRequest", "JinaRequest", "KreuzbergRequest", "VoyageRequest", "RerankRequest.input"):
        assert schemas[name]["properties"]["documents"]["maxItems"] == 7
        assert schemas[name]["properties"]["documents"]["minItems"] == 1
    assert schemas["TeiRequest"]["properties"]["query"]["maxLength"] == 77


def test_statuses_are_those_that_dialects_answer_with(told: Any) -> None:
    def documented(path: str) -> set[str]:
        return set(told["paths"][path]["post"]["responses"])

    assert documented("/v2/rerank") == {"200", *map(str, statuses_of([COHERE]))}
    assert "422" not in documented("/v2/rerank")
    assert statuses_of([TEI])[424] == ["MODEL_FAILED", "BACKEND_FAILED", "NON_FINITE_SCORE", "INTERNAL"]
    assert statuses_of([NATIVE])[503] == ["MODEL_LOADING", "OVERLOADED", "DRAINING", "PROVIDER_UNAVAILABLE"]
    assert {"400", "413", "415", "422", "424", "429", "503", "504"} <= documented("/rerank")
    # Nobody hears of a call that its caller ended.
    assert not [path for path in told["paths"] if "499" in str(told["paths"][path])]


def test_the_configuration_adds_its_path() -> None:
    item: Any = document(LIMITS, configuration_paths())
    plain: Any = document(LIMITS)
    (path,) = item["paths"].keys() - plain["paths"].keys()
    assert path == PATH
    changes = item["paths"][path]["patch"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(changes["properties"]) == {*FIELDS, *OTHER_NAMES}
    assert "401" in item["paths"][path]["patch"]["responses"]
    assert not [
        value for value in values_of(configuration_paths()) if isinstance(value, dict) and "$defs" in value
    ]
