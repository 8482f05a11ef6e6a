// Uses a stream and forgets to close the client: the process has to end by itself.
import { RerankdClient, StreamEmit } from "rerankd-client";

const [target = "", how] = process.argv.slice(2);
const client = new RerankdClient(target);
const texts = Array.from({ length: 5_000 }, (_, index) => `text ${index}`);

function* documents() {
  yield* texts;
  if (how === "failure") {
    throw new Error("the source failed");
  }
}

if (how === "rerank") {
  await client.rerank("q", ["text"]);
} else {
  const stream = client.rerankStream("q", documents(), {}, { emit: StreamEmit.SCORES });
  try {
    for await (const chunk of stream) {
      if (how === "break" && chunk.index.length > 0) {
        break;
      }
    }
  } catch (error) {
    if (how !== "failure") {
      throw error;
    }
  }
}
