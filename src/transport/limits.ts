// Bounds of messages and connections, alike on both listeners.
import { refusal } from "../domain/refusal.ts";
import type { Refusal } from "../domain/refusal.ts";

/** Largest message, either way. */
export const MESSAGE_LIMIT_BYTES = 4 * 1024 * 1024;

/** Beyond this a message is not read to its end, and the answer has a status without a refusal. */
export const HARD_LIMIT_BYTES = 2 * MESSAGE_LIMIT_BYTES;

/** What streams may have under way before they wait; the protocol's own 64 KiB would halve the throughput of large messages. */
export const WINDOW_BYTES = 1024 * 1024;

/** Answers from here on are packed for whoever takes that. */
export const COMPRESS_FROM_BYTES = 16_384;

/** The longest that a caller may be willing to wait; what is longer is no bound that could be kept. */
export const LARGEST_TIMEOUT_MS = 0x7fffffff;

/** An answer that is larger than a message may be. */
export function answerTooLarge(sizeBytes: number): Refusal {
  return refusal("TOO_LARGE", `The answer has ${sizeBytes} bytes; the limit is ${MESSAGE_LIMIT_BYTES}.`, {
    stage: "INVOKE",
    rule: "answer.size",
    metadata: { limit_bytes: String(MESSAGE_LIMIT_BYTES), size_bytes: String(sizeBytes) },
    remedy: "Ask for less of it: lists have pages.",
  });
}

/** `sizeBytes` is null where a message was not read to its end. */
export function tooLarge(sizeBytes: number | null): Refusal {
  const has = sizeBytes === null ? "more bytes than are taken" : `${sizeBytes} bytes`;
  return refusal("TOO_LARGE", `The message has ${has}; the limit is ${MESSAGE_LIMIT_BYTES}.`, {
    rule: "message.size",
    metadata: {
      limit_bytes: String(MESSAGE_LIMIT_BYTES),
      ...(sizeBytes === null ? {} : { size_bytes: String(sizeBytes) }),
    },
    remedy: "Send it in parts: large graphs by AddSteps, large values as artifacts.",
  });
}
