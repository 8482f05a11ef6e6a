"""A Hugging Face Hub on a loopback port: the part of its API that downloads use, and its faults.

Large files ("LFS") are redirected to a second port, as the real one redirects to a CDN on another
host. Every request is recorded.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from support.quiet_server import QuietServer

_LFS_SUFFIXES = (".onnx", ".onnx_data", ".onnx.data", ".safetensors", ".bin")
_BLOCK = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request as it came."""

    method: str
    path: str
    range: str
    authorization: str
    cdn: bool


class Gate:
    """Holds a download in its middle until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()

    def release(self) -> None:
        self.released.set()


@dataclass(kw_only=True)
class Faults:
    """What goes wrong, by path inside a repository."""

    break_after: dict[str, list[int]] = field(default_factory=dict)
    """For each coming download of the file, the byte after which the connection breaks."""
    corrupt: set[str] = field(default_factory=set)
    gates: dict[str, Gate] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    """Repository -> HTTP status of everything in it."""


@dataclass(kw_only=True)
class Repository:
    """Commits of a repository, the last of which is `main`."""

    license_id: str
    gated: bool = False
    token: str = ""
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def resolve(self, revision: str) -> str | None:
        commit = self.branches.get(revision, revision)
        return commit if commit in self.commits else None


class FakeHub:
    """The server; `endpoint` is what HF_ENDPOINT wants."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.calls: list[Call] = []
        self.faults = Faults()
        self.lock = threading.Lock()
        self._servers = [self._server(cdn=False), self._server(cdn=True)]
        self.endpoint, self.cdn = (f"http://127.0.0.1:{s.server_address[1]}" for s in self._servers)

    def add(
        self,
        repository: str,
        files: dict[str, bytes],
        *,
        license_id: str = "apache-2.0",
        gated: bool = False,
        token: str = "",
        branch: str = "main",
    ) -> str:
        """Commits files and moves the branch to them; the rest of the repository is not kept."""
        known = self.repositories.setdefault(repository, Repository(license_id=license_id))
        known.gated, known.token = gated, token
        content = repr((repository, sorted(files.items()), len(known.commits))).encode()
        commit = hashlib.sha1(content).hexdigest()
        known.commits[commit] = dict(files)
        known.branches[branch] = commit
        return commit

    def requests(self, *, method: str = "", suffix: str = "") -> list[Call]:
        return [c for c in self.calls if c.method.startswith(method) and c.path.endswith(suffix)]

    def downloads(self) -> Counter[str]:
        """How often each file's content was asked for, by its name."""
        return Counter(c.path.rpartition("/")[2] for c in self.calls if c.method == "GET" and not _is_api(c))

    def gate(self, path: str) -> Gate:
        return self.faults.gates.setdefault(path, Gate())

    def blob(self, digest: str) -> tuple[str, bytes] | None:
        """Path and content of an LFS object."""
        for repository in self.repositories.values():
            for files in repository.commits.values():
                for path, content in files.items():
                    if hashlib.sha256(content).hexdigest() == digest:
                        return path, content
        return None

    @contextmanager
    def running(self) -> Iterator[FakeHub]:
        threads = [threading.Thread(target=s.serve_forever, args=(0.01,)) for s in self._servers]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for gate in self.faults.gates.values():
                gate.release()
            for server, thread in zip(self._servers, threads, strict=True):
                server.shutdown()
                thread.join()
                server.server_close()

    def _server(self, *, cdn: bool) -> ThreadingHTTPServer:
        hub = self

        class Handler(_Handler):
            def setup(self) -> None:
                self.hub, self.cdn = hub, cdn
                super().setup()

        return QuietServer(("127.0.0.1", 0), Handler)


def _is_api(call: Call) -> bool:
    return call.path.startswith("/api/")


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    cdn: bool
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        with self.hub.lock:
            self.hub.calls.append(
                Call(
                    method=self.command,
                    path=path,
                    range=self.headers.get("Range", ""),
                    authorization=self.headers.get("Authorization", ""),
                    cdn=self.cdn,
                )
            )
        if self.cdn:
            self._serve_blob(path)
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path):
            self._serve_info(*match.groups())
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._serve_file(*match.groups())
        else:
            self._refuse(404, "EntryNotFound")

    def _find(self, name: str, revision: str) -> tuple[Repository, str] | None:
        """The repository at a commit, or None after an answer that says what is wrong."""
        repository = self.hub.repositories.get(name)
        if status := self.hub.faults.status.get(name):
            self._refuse(status, "")
        elif repository is None:
            # As the real Hub answers callers without a token: it does not tell private from absent.
            self._refuse(401, "RepoNotFound")
        elif repository.token and self.headers.get("Authorization") != f"Bearer {repository.token}":
            self._refuse(401, "GatedRepo" if repository.gated else "RepoNotFound")
        elif (commit := repository.resolve(revision)) is None:
            self._refuse(404, "RevisionNotFound")
        else:
            return repository, commit
        return None

    def _serve_info(self, name: str, revision: str) -> None:
        found = self._find(name, revision)
        if found is None:
            return
        repository, commit = found
        body = {
            "id": name,
            "sha": commit,
            "tags": ["onnx", f"license:{repository.license_id}"],
            "siblings": [_sibling(path, data) for path, data in repository.commits[commit].items()],
        }
        self._send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _serve_file(self, name: str, revision: str, path: str) -> None:
        found = self._find(name, revision)
        if found is None:
            return
        repository, commit = found
        content = repository.commits[commit].get(path)
        if content is None:
            self._refuse(404, "EntryNotFound")
            return
        headers = {"X-Repo-Commit": commit}
        if path.endswith(_LFS_SUFFIXES):
            digest = hashlib.sha256(content).hexdigest()
            headers["X-Linked-Etag"] = f'"{digest}"'
            headers["X-Linked-Size"] = str(len(content))
            headers["Location"] = f"{self.hub.cdn}/lfs/{digest}/{path.rpartition('/')[2]}"
            self._send(302, b"", headers)
        else:
            headers["ETag"] = f'"{git_sha1(content)}"'
            self._send_content(path, content, headers)

    def _serve_blob(self, path: str) -> None:
        found = self.hub.blob(path.split("/")[2])
        if found is None:
            self._refuse(404, "EntryNotFound")
        else:
            self._send_content(*found, {})

    def _send_content(self, path: str, content: bytes, headers: dict[str, str]) -> None:
        if path in self.hub.faults.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        status = 200
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start, total = int(match[1]), len(content)
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
            content, status = content[start:], 206
        self._send(status, content, {**headers, "Accept-Ranges": "bytes"}, path)

    def _send(self, status: int, body: bytes, headers: dict[str, str], path: str = "") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        breaks = self.hub.faults.break_after.get(path)
        if breaks:
            self.wfile.write(body[: breaks.pop(0)])
            self.close_connection = True
            return
        if gate := self.hub.faults.gates.get(path):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            gate.reached.set()
            gate.released.wait()
            body = body[len(body) // 2 :]
        for start in range(0, len(body), _BLOCK):
            self.wfile.write(body[start : start + _BLOCK])

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code} if code else {})


def _sibling(path: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"rfilename": path, "size": len(content), "blobId": git_sha1(content)}
    if path.endswith(_LFS_SUFFIXES):
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
    return entry


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def graph(tmp: Path, *, width: int = 192, data: str = "", seed: int = 0) -> dict[str, bytes]:
    """A small graph, by file name; with its weights in `data` where that is given."""
    values = np.random.default_rng(seed).standard_normal((width, width)).astype(np.float32)
    weights = numpy_helper.from_array(values, "weights")
    io = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, width]) for n in ("x", "y")]
    body = helper.make_graph([helper.make_node("MatMul", ["x", "weights"], ["y"])], "g", io[:1], io[1:])
    body.initializer.append(weights)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if not data:
        return {"model.onnx": model.SerializeToString()}
    onnx.save(model, tmp / "model.onnx", save_as_external_data=True, location=data, size_threshold=0)
    return {name: (tmp / name).read_bytes() for name in ("model.onnx", data)}


def repository(tmp: Path, **options: Any) -> dict[str, bytes]:
    """What a cross-encoder's repository usually holds, with what must never be fetched."""
    return {
        **{f"onnx/{name}": content for name, content in graph(tmp, **options).items()},
        "tokenizer.json": b'{"version": "1.0"}',
        "tokenizer_config.json": b'{"model_max_length": 512}',
        "config.json": b'{"model_type": "bert"}',
        "model.safetensors": b"s" * 1000,
        "pytorch_model.bin": b"p" * 1000,
        "modeling_custom.py": b"raise SystemExit",
        "README.md": b"# card",
    }
