"""Commands of the pages that a test cannot run as they are: why, and what is checked instead.

Everything that is not named here is run as it stands. What no page says any more does not belong here, and
fails a test.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    """A weaker check in place of a command."""

    reason: str
    """What the command needs that a test does not have."""
    check: str
    """What is run in its place, in the root of the clone."""


SUITES = "takes minutes; tests/clients/test_suites.py runs it"

INSTEAD = {
    ".venv/bin/python -m pytest tests/unit -q": Instead(
        reason="the tests would run themselves",
        check=".venv/bin/python -m pytest tests/unit -q --collect-only",
    ),
    "go test -race ./...": Instead(
        reason=SUITES, check="cd clients/go && go test -list . ./... | grep -c Test"
    ),
    "go test -fuzz FuzzInterruptions -fuzztime 1m .": Instead(
        reason=SUITES, check="cd clients/go && go test -list '^FuzzInterruptions$' . | grep FuzzInterruptions"
    ),
    "RERANKD_TARGET=localhost:50051 go test -run Conformance .": Instead(
        reason=SUITES, check="cd clients/go && go test -list Conformance . | grep Conformance"
    ),
    "go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...": Instead(
        reason=SUITES, check="grep honnef.co/go/tools/cmd/staticcheck@v0.8.2 tests/support/languages.py"
    ),
    "npm test": Instead(
        reason=SUITES, check="cd clients/typescript && npm pkg get scripts.test | grep -e --test"
    ),
    "RERANKD_TARGET=127.0.0.1:50051 npm test": Instead(
        reason=SUITES, check="grep RERANKD_TARGET clients/typescript/test/conformance.test.ts"
    ),
    "RERANKD_TARGET=127.0.0.1:50051 mvn test -Dtest=ConformanceTest": Instead(
        reason=SUITES, check="grep -r RERANKD_TARGET clients/java/src/test"
    ),
    ".venv/bin/rerankd models pull fast": Instead(
        reason="needs the Hugging Face Hub",
        check=".venv/bin/rerankd models pull --help && .venv/bin/rerankd models list | grep -w fast",
    ),
    ".venv/bin/rerankd serve --model fast": Instead(
        reason="needs the Hugging Face Hub",
        check=".venv/bin/rerankd serve --help | grep -e --model",
    ),
    "docker build -f deploy/docker/Dockerfile --target cpu -t rerankd:0.4.0 .": Instead(
        reason="needs a Docker daemon; tests/deploy/test_image.py does what the file says",
        check="grep -E '^FROM .* AS cpu$' deploy/docker/Dockerfile"
        " && grep -E '^FROM .* AS cuda$' deploy/docker/Dockerfile",
    ),
    "docker run --rm -p 50051:50051 -p 8080:8080 rerankd:0.4.0": Instead(
        reason="needs a Docker daemon",
        check="grep -E '^EXPOSE 50051 8080$' deploy/docker/Dockerfile",
    ),
    "helm install web deploy/kubernetes/rerankd --set image.repository=registry.example.com/rerankd": Instead(
        reason="needs a Kubernetes cluster",
        check="helm template web deploy/kubernetes/rerankd --kube-version 1.34"
        " --set image.repository=registry.example.com/rerankd | grep registry.example.com",
    ),
}

SERVES = {
    "scripts/run",
    ".venv/bin/rerankd serve --model ./my-model",
    ".venv/bin/rerankd serve --host 0.0.0.0 --grpc-port 50051 --http-port 8080",
}
"""Commands that go on until they are stopped: started, waited for, and ended with SIGTERM by the next of them
or at the end of the section."""

BEFORE = {
    ".venv/bin/rerankd serve --model ./my-model": "cp -r src/rerankd/artifacts/bundled/mini-en my-model",
    "go mod edit -require=github.com/rerankd/rerankd/clients/go@v0.4.0 \\\n"
    "  -replace=github.com/rerankd/rerankd/clients/go=../rerankd/clients/go": (
        'mkdir "$CLONE/../mine-go" && cd "$CLONE/../mine-go" && go mod init example.com/mine'
        ' && printf "package main\\nimport _ \\"github.com/rerankd/rerankd/clients/go\\"\\n'
        'func main() {}\\n" > main.go'
    ),
    "(cd ../rerankd/clients/typescript && npm ci && npm run build)": (
        'mkdir "$CLONE/../mine-ts" && cd "$CLONE/../mine-ts" && npm init -y'
    ),
}
"""What a reader has that a clone has not: a model, a module beside it."""


FRAGMENTS = {
    # The Go client.
    "source := rerankd.FromSeq2(func(yield func(*rerankdv1.Document, error) bool) {": (
        "var (\n\tctx context.Context\n\tclient *rerankd.Client\n\tquery string\n\trows *sql.Rows\n)"
    ),
    'ctx = rerankd.WithCorpus(ctx, "docs", requestID)': (
        "var (\n\tctx context.Context\n\tclient *rerankd.Client\n\tdocuments []*rerankdv1.Document\n"
        "\tquery, requestID, documentID string\n)"
    ),
    "var failure *rerankd.Error": "var err error",
    # The Java client.
    "RerankdClient client =": "ClientInterceptor tracing = null; List<Document> documents = null;",
    "RerankOptions options = RerankOptions.newBuilder().setTopN(10).build();": "RerankdClient client = null;",
    "RerankdAsyncClient async = client.async();": (
        "RerankdClient client = null; List<Document> documents = null;"
        " Flow.Publisher<Document> publisher = null; RerankOptions options = null;"
        " CallSettings settings = null;"
    ),
    "client.recordFeedback(List.of(": (
        "RerankdClient client = null; List<Document> documents = null; RerankResponse ranking = null;"
        ' String requestId = "", query = "", documentId = "";'
    ),
    "try {\n  client.rerank(": "RerankdClient client = null; List<Document> documents = null;",
    # The TypeScript client.
    "await client.rerank(query, documents, { topN: 10": (
        "declare const signal: AbortSignal, query: string, documents: string[], client: RerankdClient;"
    ),
    'import { StreamEmit } from "rerankd-client";': (
        "declare const query: string, client: RerankdClient;\n"
        "declare function documentsFromAnywhere(): AsyncIterable<string>;"
    ),
    'const metadata = { "x-rerankd-corpus"': (
        "declare const query: string, documents: string[], requestId: string, client: RerankdClient;"
    ),
    "import { InvalidRequestError, RerankdError": (
        "declare const query: string, documents: string[], client: RerankdClient;"
    ),
    'const client = new RerankdClient("ipv4': "declare const ca: string, cert: string, key: string;",
}
"""How programs begin that show a part of a larger one, and what that has declared before: these are compiled,
and not run."""

NOT_COMPILED = {
    "ExecutorService virtual = Executors.newVirtualThreadPerTaskExecutor();": Instead(
        reason="needs JDK 21; the client is compiled for 11",
        check="grep documentExecutor clients/java/src/main/java/io/rerankd/client/RerankdClientBuilder.java",
    ),
}
"""How programs begin that are not even compiled."""

FOLDERS = {"clients/go/README.md": "clients/go", "clients/typescript/README.md": "clients/typescript"}
"""Where a page takes its reader to be, if that is not the root of the clone."""
