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


INSTEAD = {
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
}
"""What a reader has that a clone has not."""
