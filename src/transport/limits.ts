// Bounds of messages and connections, alike on both listeners.
import { refusal } from "../domain/refusal.ts";
import type { Refusal } from "../domain/refusal.ts";

/** Largest message, either way. */
export const MESSAGE_LIMIT_BYTES = 4 * 1024 * 1024;

/** Beyond this a message is not read to its end, and the answer has a status without a refusal. */
export const HARD_LIMIT_BYTES = 2 * MESSAGE_LIMIT_BYTES;

/** What streams may have under way before they wait; the protocol's own 64 KiB would halve the throughput of large messages. */
export const WINDOW_BYTES = 1024 * 1024;

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
