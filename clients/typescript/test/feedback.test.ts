import { create } from "@bufbuild/protobuf";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { it } from "node:test";
import { clicked, type FeedbackEvent, ForbiddenError, InvalidRequestError, rated, RerankdClient, shown } from "rerankd-client";
import { TrainingService } from "rerankd-client/training/v1alpha/training_service_pb.js";
import { RerankResponseSchema } from "rerankd-client/v1/rerank_service_pb.js";

import { failure } from "./fake_server.js";

/** Runs a test against a server that keeps what it is told, or refuses it. */
async function withLearner(
  test: (client: RerankdClient, kept: FeedbackEvent[]) => Promise<void>,
  refuses = false,
): Promise<void> {
  const kept: FeedbackEvent[] = [];
  const routes = (router: ConnectRouter): void => {
    router.rpc(TrainingService.method.recordFeedback, ({ events }) => {
      if (refuses) {
        throw failure("FORBIDDEN", Code.PermissionDenied);
      }
      kept.push(...events);
      return { eventIds: events.map(({ eventId }) => eventId) };
    });
  };
  const server = createServer(connectNodeAdapter({ routes }));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = new RerankdClient(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    await test(client, kept);
  } finally {
    client.close();
    server.close();
  }
}

const RANKING = create(RerankResponseSchema, {
  results: [
    { index: 1, rank: 1, score: 0.5 },
    { index: 0, rank: 2 },
  ],
});

it("tells what was shown, clicked and rated", async () => {
  await withLearner(async (client, kept) => {
    const documents = [
      { id: "a", text: "salt" },
      { id: "b", text: "pump" },
    ];
    const { eventIds } = await client.recordFeedback([
      shown("docs", "r1", "why", documents, RANKING),
      clicked("docs", "r1", "a"),
      rated("docs", "r1", "b", 0.25),
    ]);
    assert.equal(new Set(eventIds).size, 3);
    const [first, second, third] = kept.map(({ what }) => what);
    assert(first?.case === "shown" && second?.case === "click" && third?.case === "rating");
    assert.deepEqual(
      first.value.documents.map(({ id, text, rank }) => [id, text, rank]),
      [
        ["b", "pump", 1],
        ["a", "salt", 2],
      ],
    );
    assert.deepEqual([second.value.documentId, third.value.rating], ["a", 0.25]);
  });
});

it("fails with the type of the reason", async () => {
  await withLearner(async (client) => {
    await assert.rejects(client.recordFeedback([clicked("docs", "r1", "a")]), ForbiddenError);
  }, true);
});

it("refuses what nobody could click", () => {
  assert.throws(() => shown("docs", "r1", "why", ["salt", "pump"], RANKING), InvalidRequestError);
});
