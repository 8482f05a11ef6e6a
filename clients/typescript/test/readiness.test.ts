import { Code } from "@connectrpc/connect";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  CancelledError,
  DeadlineExceededError,
  ModelFailedError,
  ModelState,
  RerankdClient,
  WarmupStage,
} from "rerankd-client";

import { failure, FakeServer } from "./fake_server.js";

it("tells whether a health name is SERVING", async () => {
  await using server = await FakeServer.start({ isServing: (service) => service !== "rerankd.model/slow" });
  using client = new RerankdClient(server.target);
  assert.equal(await client.isReady(), true);
  assert.equal(await client.isReady("rerankd.model/slow"), false);
  assert.equal(await client.isReady("unknown"), false);
});

it("waits for a server that starts later", async () => {
  const gone = await FakeServer.start();
  const { port, target } = gone;
  await gone.close();
  using client = new RerankdClient(target);
  const ready = client.waitUntilReady(60_000);
  await using server = await FakeServer.start({ port });
  await ready;
  assert.equal(server.rerankCalls, 0);
});

it("tells when a server is not ready in time", async () => {
  await using server = await FakeServer.start({ isServing: () => false });
  using client = new RerankdClient(server.target);
  await assert.rejects(
    client.waitUntilReady(200),
    (error) => error instanceof DeadlineExceededError && error.message.includes("rerankd.v1.RerankService"),
  );
  const controller = new AbortController();
  const waiting = client.waitUntilReady(60_000, undefined, { signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, CancelledError);
});

it("tells of each step of a warm-up", async () => {
  await using server = await FakeServer.start();
  using client = new RerankdClient(server.target);
  const stages: WarmupStage[] = [];
  const status = await client.warmup("", { onProgress: ({ stage }) => stages.push(stage) });
  assert.equal(status.state, ModelState.ACTIVE);
  assert.deepEqual(stages, [WarmupStage.RESOLVE, WarmupStage.DONE]);
});

it("tells a warm-up that failed", async () => {
  await using server = await FakeServer.start({
    async *warmup() {
      throw failure("MODEL_FAILED", Code.FailedPrecondition);
    },
  });
  using client = new RerankdClient(server.target);
  await assert.rejects(client.warmup("broken"), ModelFailedError);
});

it("cancels a call with the caller's signal", async () => {
  await using server = await FakeServer.start({
    async *warmup(request, { signal }) {
      yield { detail: request.model };
      await once(signal, "abort");
    },
  });
  using client = new RerankdClient(server.target);
  const controller = new AbortController();
  const call = client.warmup(
    "",
    {
      onProgress: () => {
        controller.abort();
      },
    },
    { signal: controller.signal },
  );
  await assert.rejects(call, CancelledError);
  await assert.rejects(client.status({ signal: AbortSignal.abort() }), CancelledError);
});

for (const how of ["summary", "break", "failure", "rerank"]) {
  it(`lets the process end by itself after ${how}`, async () => {
    await using server = await FakeServer.start();
    const program = fileURLToPath(new URL("exits.js", import.meta.url));
    const child = spawn(process.execPath, [program, server.target, how], { stdio: "inherit" });
    const [status] = (await once(child, "exit")) as [number | null];
    assert.equal(status, 0);
  });
}
