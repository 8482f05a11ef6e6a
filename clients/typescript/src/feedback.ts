import { create } from "@bufbuild/protobuf";
import { randomUUID } from "node:crypto";

import { documentMessage, type DocumentInput } from "./documents.js";
import { InvalidRequestError } from "./errors.js";
import {
  ClickSchema,
  type FeedbackEvent,
  FeedbackEventSchema,
  RatingSchema,
  type ShownDocument,
  ShownDocumentSchema,
  ShownSchema,
} from "./rerankd/training/v1alpha/training_service_pb.js";
import type { RerankResponse } from "./rerankd/v1/rerank_service_pb.js";

/**
 * The event of a list of results that a user saw, for `recordFeedback`.
 *
 * @param corpusId - The corpus that the documents are from.
 * @param requestId - Names the list: any id that is the same in all events of it.
 * @param documents - What was ranked; each one that is shown needs an `id`.
 * @param response - The ranking, in the order of the screen.
 * @throws InvalidRequestError for a document without an id, which nobody could click.
 */
export function shown(
  corpusId: string,
  requestId: string,
  query: string,
  documents: readonly DocumentInput[],
  response: RerankResponse,
): FeedbackEvent {
  const list = response.results.map(({ index, rank, score }) => shownDocument(documents, index, rank, score));
  return create(FeedbackEventSchema, {
    eventId: `shown:${requestId}`,
    requestId,
    corpusId,
    what: { case: "shown", value: create(ShownSchema, { query, documents: list }) },
  });
}

/** The event of a click. */
export function clicked(corpusId: string, requestId: string, documentId: string): FeedbackEvent {
  const value = create(ClickSchema, { documentId });
  return create(FeedbackEventSchema, {
    eventId: randomUUID(),
    requestId,
    corpusId,
    what: { case: "click", value },
  });
}

/** The event of a rating: 0 is bad, 1 is best. */
export function rated(corpusId: string, requestId: string, documentId: string, rating: number): FeedbackEvent {
  const value = create(RatingSchema, { documentId, rating });
  return create(FeedbackEventSchema, {
    eventId: randomUUID(),
    requestId,
    corpusId,
    what: { case: "rating", value },
  });
}

function shownDocument(
  documents: readonly DocumentInput[],
  index: number,
  rank: number,
  score: number,
): ShownDocument {
  const input = documents[index];
  const document = input === undefined ? undefined : documentMessage(input, index);
  if (document === undefined || document.id === "") {
    throw new InvalidRequestError(`documents[${index}].id is empty; feedback needs the ids of documents`);
  }
  const text = document.content.case === "text" ? document.content.value : "";
  return create(ShownDocumentSchema, { id: document.id, text, rank, score });
}
