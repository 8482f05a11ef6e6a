import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { RerankdClient, UnavailableError } from "rerankd-client";

import { addressesOf } from "#internal/target.js";
import { documentsOf, rankingOf, rowsOf, textsOf } from "./fake_scores.js";
import { FakeServer } from "./fake_server.js";

for (const [target, addresses] of [
  ["localhost:50051", ["localhost:50051"]],
  ["dns:///rerankd.default:50051", ["rerankd.default:50051"]],
  ["dns:rerankd:1", ["rerankd:1"]],
  ["ipv4:10.0.0.1:1,10.0.0.2:2", ["10.0.0.1:1", "10.0.0.2:2"]],
  ["ipv6:[::1]:1,[fe80::2]:2", ["[::1]:1", "[fe80::2]:2"]],
  ["[::1]:50051", ["[::1]:50051"]],
  ["dns:50051", ["dns:50051"]],
] as const) {
  it(`reads the target ${target}`, () => {
    assert.deepEqual(addressesOf(target), addresses);
  });
}

for (const target of ["", "localhost", "localhost:0", "localhost:70000", "unix:/run/x", "http://a:1", "a:1/b", "ipv4:a:1,", "dns://10.0.0.53/a:1"]) {
  it(`refuses the target "${target}"`, () => {
    assert.throws(() => new RerankdClient(target), TypeError);
  });
}

it("gives each server its turn", async () => {
  await using one = await FakeServer.start();
  await using other = await FakeServer.start();
  using client = new RerankdClient(`ipv4:${one.target},${other.target}`);
  // Until both are connected, the first one that is has all calls.
  while (one.rerankCalls === 0 || other.rerankCalls === 0) {
    await client.rerank("q", ["text"]);
  }
  const [before, otherBefore] = [one.rerankCalls, other.rerankCalls];
  for (let call = 0; call < 10; call += 1) {
    await client.rerank("q", ["text"]);
  }
  assert.deepEqual([one.rerankCalls - before, other.rerankCalls - otherBefore], [5, 5]);
});

it("calls the others while one server is down, and that one again later", async () => {
  await using one = await FakeServer.start();
  const other = await FakeServer.start();
  const { port } = other;
  using client = new RerankdClient(`ipv4:${one.target},${other.target}`);
  while (other.rerankCalls === 0) {
    await client.rerank("q", ["text"]);
  }
  await other.close();
  for (let call = 0; call < 10; call += 1) {
    await client.rerank("q", ["text"]);
  }
  await using again = await FakeServer.start({ port });
  while (again.rerankCalls === 0) {
    await client.rerank("q", ["text"]);
  }
});

it("goes on with a stream at another server", async () => {
  const texts = textsOf(1_000);
  await using healthy = await FakeServer.start();
  const dying: FakeServer = await FakeServer.start({
    async *stream(stream) {
      for await (const entries of stream.read()) {
        yield stream.scores(entries);
        void dying.close();
      }
    },
  });
  using client = new RerankdClient(`ipv4:${dying.target},${healthy.target}`);
  while (dying.streams.length === 0) {
    const answer = await client.rerankStream("q", documentsOf(texts)).summary();
    assert.deepEqual(rowsOf(answer.results), rankingOf(texts));
  }
  assert(healthy.streams.length > 0);
});

it("fails at once when no server is reached", async () => {
  const gone = await FakeServer.start();
  const { target } = gone;
  await gone.close();
  using client = new RerankdClient(target);
  await assert.rejects(client.rerank("q", ["text"]), (error: unknown) => {
    assert(error instanceof UnavailableError);
    assert(error.message.includes(target), error.message);
    return true;
  });
  await assert.rejects(client.rerankStream("q", ["text"]).summary(), UnavailableError);
});

it("waits for a server with waitForReady", async () => {
  const gone = await FakeServer.start();
  const { port, target } = gone;
  await gone.close();
  using client = new RerankdClient(target, { waitForReady: true });
  const answer = client.rerank("q", ["text"]);
  await using server = await FakeServer.start({ port });
  assert.equal((await answer).results.length, 1);
  assert.equal(server.rerankCalls, 1);
});

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"]);
    return true;
  } catch {
    return false;
  }
}

describe("TLS", { skip: hasOpenssl() ? false : "there is no openssl to make certificates with" }, () => {
  const folder = mkdtempSync(join(tmpdir(), "rerankd-tls-"));
  const read = (name: string): Buffer => readFileSync(join(folder, name));
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  };

  before(() => {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "1");
    for (const name of ["server", "client"]) {
      const files = ["-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`];
      openssl("req", ...key, ...files, "-addext", "subjectAltName=IP:127.0.0.1");
      const ca = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy"];
      openssl("x509", "-req", "-in", `${name}.csr`, ...ca, "-out", `${name}.pem`, "-days", "1");
    }
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  it("checks the server's certificate", async () => {
    await using server = await FakeServer.start({ tls: { cert: read("server.pem"), key: read("server.key") } });
    using client = new RerankdClient(server.target, { tls: { ca: read("ca.pem") } });
    assert.equal((await client.rerank("q", ["text"])).results.length, 1);
    using stranger = new RerankdClient(server.target, { tls: {} });
    await assert.rejects(stranger.rerank("q", ["text"]), UnavailableError);
    using plain = new RerankdClient(server.target);
    await assert.rejects(plain.rerank("q", ["text"]), UnavailableError);
  });

  it("shows the client's certificate", async () => {
    const tls = { ca: read("ca.pem"), requestCert: true, rejectUnauthorized: true };
    await using server = await FakeServer.start({
      tls: { ...tls, cert: read("server.pem"), key: read("server.key") },
    });
    using client = new RerankdClient(server.target, {
      tls: { ca: read("ca.pem"), cert: read("client.pem"), key: read("client.key") },
    });
    assert.equal((await client.rerank("q", ["text"])).results.length, 1);
    using nameless = new RerankdClient(server.target, { tls: { ca: read("ca.pem") } });
    await assert.rejects(nameless.rerank("q", ["text"]), UnavailableError);
  });
});
