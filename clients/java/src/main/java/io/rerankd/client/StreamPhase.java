package io.rerankd.client;

/** What a {@link StreamEngine} is about. */
enum StreamPhase {
  /** Waits for the server's limits; no document is read yet. */
  LEARNING,
  /** An attempt is open, or will be as soon as there is something to send. */
  SENDING,
  /** The last attempt failed; a timer runs. */
  WAITING,
  /** Everything that is to be scored is; the rest of the documents is only read. */
  READING,
  /** Nothing can be scored; the documents are read for their original order. */
  GIVING_UP,
  ENDED
}
